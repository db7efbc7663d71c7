//! DHCP events: identify, assign, plan, answer. The heart of a boot.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::asking::Asking;
use super::{Change, Fleet, Heard, Notice, Outbox};
use crate::boot::pipeline::Milestone;
use crate::boot::{Boot, BootPlan};
use crate::catalog::{ImageState, Profile};
use crate::dhcp::bind::{Verdict, Wish, means_us};
use crate::dhcp::{self, Terms, relay};
use crate::ids::MachineId;
use crate::lease::{Lease, LeaseState};
use crate::machine::Machine;
use crate::machine::firmware::Firmware;
use crate::naming::{Batch, BatchState, Name, NameState, Wanted};
use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::{Reservation, Role};
use crate::time::Now;
use crate::wire::dhcp::{MessageType, Request, code, codec};

/// How long a Pi 3 ROM may go on with the address of an OFFER: it never sends a REQUEST, and the system it loads asks
/// anew.
const ROM_LEASE: Duration = Duration::from_secs(600);

impl Fleet {
    pub(super) fn on_dhcp(&mut self, link_id: LinkId, port: u16, bytes: &[u8], now: Now, out: &mut Outbox) {
        let request = match codec::decode(bytes) {
            Ok(request) => request,
            Err(refusal) => return out.refused("DHCP message", "", refusal),
        };
        let kind = request.kind.map_or("BOOTREQUEST", MessageType::name);
        let who = request.mac();
        if let Err(refusal) = self.answer_dhcp(link_id, port, request, now, out) {
            out.refused(kind, who.map_or_else(String::new, |mac| mac.to_string()), refusal);
        }
    }

    fn answer_dhcp(
        &mut self,
        came_by: LinkId,
        port: u16,
        request: Request,
        now: Now,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let site = Arc::clone(&self.site);
        let link_id = match relay::network(&site, came_by, &request) {
            Ok(link_id) => link_id,
            Err(refusal) => return self.on_foreign_network(came_by, port, &request, refusal, out),
        };
        let asking = self.identify(&site, (came_by, port), link_id, request)?;
        if site.role == Role::Proxy {
            return self.on_dhcp_beside(&asking, now, out);
        }
        match asking.request.kind {
            None => self.on_bootp(&asking, now, out),
            Some(MessageType::Discover) => self.on_discover(&asking, now, out),
            Some(MessageType::Request) => self.on_request(&asking, now, out),
            Some(MessageType::Decline) => self.on_decline(&asking, now, out),
            Some(MessageType::Release) => self.on_release(&asking, now, out),
            Some(MessageType::Inform) => self.on_inform(&asking, out),
            Some(MessageType::Offer | MessageType::Ack | MessageType::Nak) => {
                Err(Refusal::NotOurs("a server's message"))
            }
        }
    }

    /// From a network that we do not serve: a client that chose us all the same is told that it has no address here
    /// (RFC 2131 §3.1 step 4); to anyone else we say nothing.
    fn on_foreign_network(
        &self,
        came_by: LinkId,
        port: u16,
        request: &Request,
        refusal: Refusal,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let chosen = request.address_option(code::SERVER_ID).is_some_and(|server| self.site.is_ours(server))
            && self.site.role == Role::Server;
        let link = self.site.link(came_by).filter(|_| chosen && request.kind == Some(MessageType::Request));
        let Some(link) = link else { return Err(refusal) };
        let reply = dhcp::nak(request, "your network is not served", &Terms::of(link));
        super::asking::send(request, (came_by, port), &reply, "", out);
        Ok(())
    }

    fn on_discover(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, site, evidence, .. } = asking;
        let wish = request.address_option(code::REQUESTED_ADDRESS);
        let address = self.tables.leases.choose(site, &asking.claim(), wish)?;
        self.admit(asking, address, now)?;
        if self.tables.leases.by_address(address).is_some_and(|lease| lease.state == LeaseState::Declined) {
            // Nothing else is left, and this time it may not be taken.
            self.commit(out, Change::LeaseFreed(address));
            out.publish(Notice::Freed(address));
        }
        // Nothing is remembered of a stranger before it takes the offer: inventing MACs must cost us nothing.
        let machines = &self.tables.machines;
        let known = machines.resolve(evidence, self.holder(asking)).and_then(|id| machines.get(id)).cloned();
        let mut machine = known.unwrap_or_else(|| Machine::new(MachineId(0), evidence, now.timestamp));
        machine.learn(evidence);
        let plan = self.plan_for(asking, &machine, address);
        if asking.firmware == Firmware::RaspberryPi3 && matches!(plan.boot, Boot::Net(_)) {
            // Its TFTP requests come from this address with no REQUEST before them (firmware#1699).
            let running = self.tables.leases.by_address(address).filter(|lease| lease.state == LeaseState::Bound);
            let left = running.map_or(Duration::ZERO, |lease| lease.expires.since(now.timestamp));
            self.bind(asking, address, left.max(ROM_LEASE), now, out);
            return Ok(());
        }
        let bound = self.tables.leases.by_address(address).is_some_and(|lease| lease.state == LeaseState::Bound);
        if !bound {
            let hold = self.site.offer_hold;
            // An unknown machine that does not go on costs little: it gets the same offer again, if nobody took it.
            let hold = if asking.known { hold } else { hold.min(self.site.strangers.offer_hold) };
            let expires = now.timestamp + hold;
            let client = asking.client.clone();
            let offered = Lease { address, client, machine: None, state: LeaseState::Offered, expires };
            self.tables.leases.put(site, offered);
        }
        self.grant(asking, address, &machine, &plan, out);
        if !bound {
            self.probe(asking, address, out);
        }
        Ok(())
    }

    /// A BOOTP client is told its address in one step, and keeps it for ever (RFC 951 §3).
    fn on_bootp(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, site, link_id, .. } = asking;
        // RFC 951 §7.3: a client may name its server. Ours has no name but its addresses.
        if !request.sname.is_empty()
            && !site.links.iter().any(|link| request.sname == link.address.to_string().as_bytes())
        {
            return Err(Refusal::NotOurs("the BOOTP client names another server"));
        }
        let open = site.segment(*link_id).any(|(_, link)| link.bootp);
        if !open && asking.reserved().is_none() {
            return Err(Refusal::NotOurs("BOOTP is off on this network, and nothing is reserved for the client"));
        }
        let wish = Some(request.ciaddr).filter(|address| *address != Ipv4Addr::UNSPECIFIED);
        let address = self.tables.leases.choose(site, &asking.claim(), wish)?;
        self.admit(asking, address, now)?;
        self.bind(asking, address, dhcp::FOREVER, now, out);
        Ok(())
    }

    fn on_request(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, site, link_id, client, .. } = asking;
        let wish = Wish::of(request)?;
        let relay = relay::server_override(request);
        match dhcp::bind::verdict(wish, &asking.claim(), &self.tables.leases, site, relay) {
            Verdict::Bind(address) => {
                self.admit(asking, address, now)?;
                let lease_time = asking.link_of(address).lease_time;
                self.bind(asking, address, lease_time, now, out);
                Ok(())
            }
            Verdict::Nak(why) => {
                let reply = dhcp::nak(request, why, &self.terms(asking, None, None));
                self.send(asking, &reply, out);
                Ok(())
            }
            Verdict::Silent(refusal) => {
                // The client took another server's offer: ours is free again at once.
                let offered = self.tables.leases.offer_to(*link_id, client).map(|lease| lease.address);
                if let Some(address) = offered {
                    self.tables.leases.withdraw(&self.site, address);
                }
                Err(refusal)
            }
        }
    }

    /// The machine whose lease the client has: all there is to know a client by that shows no hardware address.
    pub(super) fn holder(&self, asking: &Asking<'_>) -> Option<MachineId> {
        self.tables.leases.by_client(asking.link_id, &asking.client).and_then(|lease| lease.machine)
    }

    /// Identify, assign, plan, answer.
    fn bind(&mut self, asking: &Asking<'_>, address: Ipv4Addr, lease: Duration, now: Now, out: &mut Outbox) {
        let (machine, plan) = self.settle(asking, address, lease, now, out);
        self.grant(asking, address, &machine, &plan, out);
        self.probe(asking, address, out);
    }

    /// The machine has the address from now on, whoever gave it: what is remembered of that, and what it is to boot.
    pub(super) fn settle(
        &mut self,
        asking: &Asking<'_>,
        address: Ipv4Addr,
        lease: Duration,
        now: Now,
        out: &mut Outbox,
    ) -> (Machine, BootPlan) {
        let Asking { site, link_id, client, evidence, .. } = asking;
        let id = self.machine(evidence, self.holder(asking), now, out);
        let link = site.link_of(address).map_or(*link_id, |(id, _)| id);
        let replayed = self.is_replayed(id, asking.request.xid);
        self.note_how_heard(id, link, asking);

        if let Some(old) = self.tables.leases.by_client(*link_id, client)
            && old.address != address
        {
            let old = old.address;
            self.commit(out, Change::LeaseFreed(old));
            out.publish(Notice::Freed(old));
        }
        let expires = now.timestamp + lease;
        let client = client.clone();
        self.commit_lease(out, Lease { address, client, machine: Some(id), state: LeaseState::Bound, expires });

        let machine = self.tables.machines.get(id).expect("it was put there above").clone();
        let plan = self.plan_for(asking, &machine, address);
        self.assign_at_bind(asking, &machine, &plan, now, out);
        if let Some(firmware) = evidence.firmware.filter(|_| !replayed) {
            self.reached(id, &Milestone::Bound(firmware), now, out);
        }
        self.publish_machine(id, out);
        (machine, plan)
    }

    fn note_how_heard(&mut self, id: MachineId, link: LinkId, asking: &Asking<'_>) {
        let mut xids = self.heard_on.remove(&id).map(|heard| heard.xids).unwrap_or_default();
        if !xids.contains(&asking.request.xid) {
            xids.push(asking.request.xid);
            xids.drain(..xids.len().saturating_sub(Heard::XIDS_MAX));
        }
        self.heard_on.insert(id, Heard { link, classes: asking.classes.clone(), xids });
    }

    /// Gives the machine the name that is certain at its first address.
    fn assign_at_bind(&mut self, asking: &Asking<'_>, machine: &Machine, plan: &BootPlan, now: Now, out: &mut Outbox) {
        let profile = plan.installs().filter(|_| matches!(plan.boot, Boot::Net(_)));
        if let Some(name) = self.certain_name(machine, asking.reservation, profile.map(Arc::as_ref)) {
            self.assign(machine.id, name, now, out);
        }
    }

    /// The name of a machine that has none, where it is certain before anyone asks: reserved by the operator, or the
    /// machine is to be installed under an active batch or for the venue of its profile. Otherwise the installer's
    /// question decides.
    fn certain_name(
        &self,
        machine: &Machine,
        reservation: Option<&Reservation>,
        profile: Option<&Profile>,
    ) -> Option<Name> {
        let naming = &self.tables.naming;
        if naming.of_machine(machine.id).is_some() {
            return None;
        }
        if let Some(hostname) = reservation.and_then(|each| each.hostname.clone()) {
            let name = naming.name(&hostname).cloned().unwrap_or_else(|| Name::blank(hostname));
            return Some(name).filter(|name| name.state == NameState::Available && naming.may_give(name));
        }
        let profile = profile?;
        let serial = machine.serial.as_ref();
        // A batch takes only machines whose profile lets them become its product.
        let of_batch = naming.batch_product(serial);
        let fits = of_batch.is_some_and(|product| profile.product.as_ref() == Some(product));
        let product = profile.product.as_ref().filter(|_| fits || (of_batch.is_none() && profile.venue.is_some()))?;
        let wanted = Wanted { product, venue: profile.venue.as_ref(), serial };
        let name = naming.choose(&wanted)?;
        // A name is given only to a machine that can get its image: otherwise a number would leak.
        let ready = matches!(self.catalog.image(product), ImageState::Ready(_));
        Some(name).filter(|name| ready && name.product.as_ref() == Some(product) && name.venue.is_some())
    }

    /// Whether the machine has a name, or gets one if it is installed: at its address, or when a batch learns its serial.
    pub(super) fn is_named(
        &self,
        machine: &Machine,
        reservation: Option<&Reservation>,
        profile: Option<&Profile>,
    ) -> bool {
        let naming = &self.tables.naming;
        let batch = || {
            let product = profile.and_then(|profile| profile.product.as_ref());
            product.is_some() && naming.batch_product(machine.serial.as_ref()) == product
        };
        naming.of_machine(machine.id).is_some() || self.certain_name(machine, reservation, profile).is_some() || batch()
    }

    /// Gives a name to a machine that has none, and counts it in its batch: one transaction with whatever else this
    /// event commits.
    pub(super) fn assign(&mut self, machine: MachineId, name: Name, now: Now, out: &mut Outbox) {
        assert!(self.tables.naming.of_machine(machine).is_none(), "machine {machine} has a name already");
        let hostname = name.hostname.clone();
        let batch = name.batch.and_then(|id| self.tables.naming.batch(id)).cloned();
        let at = Some(now.timestamp);
        let (state, created_at) = (NameState::Assigned(machine), name.created_at.or(at));
        self.commit(out, Change::Name(Name { state, created_at, assigned_at: at, ..name }));
        if let Some(batch) = batch {
            let remaining = batch.remaining.saturating_sub(1);
            let completed = remaining == 0;
            self.commit(
                out,
                Change::Batch(Batch {
                    remaining,
                    state: if completed { BatchState::Completed } else { batch.state },
                    completed_at: if completed { Some(now.timestamp) } else { batch.completed_at },
                    ..batch
                }),
            );
        }
        out.publish(Notice::Named { machine, hostname });
    }

    fn on_decline(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, client, .. } = asking;
        meant_for_us(asking)?;
        let address = request
            .address_option(code::REQUESTED_ADDRESS)
            .ok_or(Refusal::Forbidden("a DECLINE must name the address in option 50"))?;
        // One that was declined already has no holder.
        let holds = |lease: &&Lease| lease.client == *client && lease.state != LeaseState::Declined;
        let lease = self.tables.leases.by_address(address).filter(holds).cloned();
        let lease = lease.ok_or(Refusal::Forbidden("a DECLINE for an address the client does not hold"))?;
        self.may_give_up(asking, &lease, now)?;
        let machine = lease.machine;
        self.disuse(lease, now, out)?;
        if let Some(id) = machine {
            self.publish_machine(id, out);
        }
        Ok(())
    }

    fn on_release(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, client, .. } = asking;
        meant_for_us(asking)?;
        let held = self.tables.leases.by_address(request.ciaddr);
        let lease = held.filter(|lease| lease.client == *client && lease.state == LeaseState::Bound).cloned();
        let lease = lease.ok_or(Refusal::Forbidden("a RELEASE for an address the client does not hold"))?;
        self.may_give_up(asking, &lease, now)?;
        let machine = lease.machine;
        self.commit_lease(out, Lease { state: LeaseState::Released, expires: now.timestamp, ..lease });
        if let Some(id) = machine {
            self.publish_machine(id, out);
        }
        Ok(())
    }

    fn on_inform(&mut self, asking: &Asking<'_>, out: &mut Outbox) -> Result<(), Refusal> {
        let request = &asking.request;
        if request.ciaddr == Ipv4Addr::UNSPECIFIED && request.giaddr == Ipv4Addr::UNSPECIFIED {
            return Err(Refusal::Forbidden("an INFORM must carry the client's address in ciaddr"));
        }
        let machine = self.tables.machines.resolve(&asking.evidence, self.holder(asking));
        let terms = self.terms(asking, Some(request.ciaddr), machine);
        self.send(asking, &dhcp::inform_ack(request, &terms), out);
        Ok(())
    }
}

/// A DECLINE or RELEASE that names another server in option 54 is not for us; one that names none is taken as meant for
/// whoever leased the address.
fn meant_for_us(asking: &Asking<'_>) -> Result<(), Refusal> {
    let named = asking.request.address_option(code::SERVER_ID);
    match named.is_none_or(|server| means_us(server, asking.site, relay::server_override(&asking.request))) {
        true => Ok(()),
        false => Err(Refusal::NotOurs("the message names another server")),
    }
}
