//! DHCP events: identify, assign, plan, answer. The heart of a boot.

use std::net::Ipv4Addr;

use super::{Action, Change, Fleet, Notice, Outbox};
use crate::boot::pipeline::Milestone;
use crate::boot::{self, Boot, BootPlan, Question};
use crate::catalog::ImageState;
use crate::dhcp::bind::{Verdict, Wish};
use crate::dhcp::{self, Grant};
use crate::ids::MachineId;
use crate::lease::{ClientKey, Lease, LeaseState};
use crate::machine::{Evidence, Machine};
use crate::naming::{Batch, BatchState, Name, NameState, Wanted};
use crate::net::{LinkId, Mac};
use crate::refusal::Refusal;
use crate::site::Link;
use crate::time::Now;
use crate::wire::dhcp::{MessageType, Reply, Request, code, codec};

/// A message with everything that is known about its sender before anything is decided.
struct Asking {
    request: Request,
    link_id: LinkId,
    client: ClientKey,
    evidence: Evidence,
}

impl Asking {
    fn link<'a>(&self, fleet: &'a Fleet) -> &'a Link {
        &fleet.site.links[usize::from(self.link_id.0)]
    }
}

impl Fleet {
    pub(super) fn on_dhcp(&mut self, link_id: LinkId, bytes: &[u8], now: Now, out: &mut Outbox) {
        let request = match codec::decode(bytes) {
            Ok(request) => request,
            Err(refusal) => return out.refused("DHCP message", "", refusal),
        };
        let kind = request.kind.map_or("BOOTREQUEST", MessageType::name);
        let who = request.mac().map_or_else(String::new, |mac| mac.to_string());
        if let Err(refusal) = self.answer_dhcp(link_id, request, now, out) {
            out.refused(kind, who, refusal);
        }
    }

    fn answer_dhcp(&mut self, came_by: LinkId, request: Request, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let link_id = self.link_of(came_by, &request)?;
        // A reserved address is its board's under whatever identifier the firmware and the system after it use.
        let reserved = request.mac().filter(|mac| {
            let reservation = self.site.link(link_id).and_then(|link| link.reservation(*mac));
            reservation.is_some_and(|reservation| reservation.address.is_some())
        });
        let client = reserved.map_or_else(|| ClientKey::of(&request), |mac| Ok(ClientKey::Mac(mac)))?;
        let evidence = Evidence::from_dhcp(&request);
        let kind = request.kind.ok_or(Refusal::NotOurs("plain BOOTP"))?;
        let asking = Asking { request, link_id, client, evidence };
        match kind {
            MessageType::Discover => self.on_discover(&asking, now, out),
            MessageType::Request => self.on_request(&asking, now, out),
            MessageType::Decline => self.on_decline(&asking, now, out),
            MessageType::Release => self.on_release(&asking, now, out),
            MessageType::Inform => self.on_inform(&asking, out),
            MessageType::Offer | MessageType::Ack | MessageType::Nak => Err(Refusal::NotOurs("a server's message")),
        }
    }

    /// A relayed message belongs to the subnet of its relay (RFC 2131 §4.3.1), others to the link they came by.
    fn link_of(&self, came_by: LinkId, request: &Request) -> Result<LinkId, Refusal> {
        if request.giaddr == Ipv4Addr::UNSPECIFIED {
            return self.site.link(came_by).map(|_| came_by).ok_or(Refusal::NotOurs("no such link"));
        }
        let relayed = self.site.link_of(request.giaddr).map(|(id, _)| id);
        relayed.ok_or(Refusal::NotOurs("relayed from a subnet that is not served"))
    }

    fn on_discover(&mut self, asking: &Asking, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, link_id, client, evidence } = asking;
        let wish = request.address_option(code::REQUESTED_ADDRESS);
        let address = self.tables.leases.choose(&self.site, *link_id, client, request.mac(), wish)?;
        let bound = self.tables.leases.by_address(address).is_some_and(|lease| lease.state == LeaseState::Bound);
        if !bound {
            let expires = now.timestamp + self.site.offer_hold;
            let client = client.clone();
            let offered = Lease { address, client, machine: None, state: LeaseState::Offered, expires };
            self.tables.leases.put(&self.site, offered);
        }
        // Nothing is remembered of a stranger before it takes the offer: inventing MACs must cost us nothing.
        let machines = &self.tables.machines;
        let known = machines.resolve(evidence, self.holder(asking)).and_then(|id| machines.get(id)).cloned();
        let mut machine = known.unwrap_or_else(|| Machine::new(MachineId(0), evidence, now.timestamp));
        machine.learn(evidence);
        let plan = self.plan(asking, &machine);
        let link = asking.link(self);
        let reply = dhcp::offer(request, &self.grant(asking, address, &machine, &plan, link), link);
        self.send(asking, reply, out);
        if !bound {
            self.probe(asking, address, out);
        }
        Ok(())
    }

    fn on_request(&mut self, asking: &Asking, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, link_id, client, .. } = asking;
        let wish = Wish::of(request)?;
        match dhcp::bind::verdict(wish, request, client, &self.tables.leases, &self.site, *link_id) {
            Verdict::Bind(address) => {
                self.bind(asking, address, now, out);
                Ok(())
            }
            Verdict::Nak(why) => {
                let reply = dhcp::nak(request, why, asking.link(self));
                self.send(asking, reply, out);
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
    fn holder(&self, asking: &Asking) -> Option<MachineId> {
        self.tables.leases.by_client(asking.link_id, &asking.client).and_then(|lease| lease.machine)
    }

    /// Identify, assign, plan, answer.
    fn bind(&mut self, asking: &Asking, address: Ipv4Addr, now: Now, out: &mut Outbox) {
        let Asking { request, link_id, client, evidence } = asking;
        let id = self.machine(evidence, self.holder(asking), now, out);
        self.heard_on.insert(id, *link_id);

        if let Some(old) = self.tables.leases.by_client(*link_id, client)
            && old.address != address
        {
            let old = old.address;
            self.commit(out, Change::LeaseFreed(old));
            out.publish(Notice::Freed(old));
        }
        let expires = now.timestamp + asking.link(self).lease_time;
        let client = client.clone();
        self.commit_lease(out, Lease { address, client, machine: Some(id), state: LeaseState::Bound, expires });

        let machine = self.tables.machines.get(id).expect("it was put there above").clone();
        let plan = self.plan(asking, &machine);
        self.assign_at_bind(asking, &machine, &plan, now, out);
        if let Some(firmware) = evidence.firmware {
            self.reached(id, &Milestone::Bound(firmware), now, out);
        }
        self.publish_machine(id, out);

        let link = asking.link(self);
        let reply = dhcp::ack(request, &self.grant(asking, address, &machine, &plan, link), link);
        self.send(asking, reply, out);
        self.probe(asking, address, out);
    }

    /// A name at the first address, where it is already certain: reserved by the operator, or the machine is about to
    /// be installed under an active batch or for the venue of its profile. Otherwise the installer's question decides.
    fn assign_at_bind(&mut self, asking: &Asking, machine: &Machine, plan: &BootPlan, now: Now, out: &mut Outbox) {
        let naming = &self.tables.naming;
        if naming.of_machine(machine.id).is_some() {
            return;
        }
        let reserved =
            machine.mac.and_then(|mac| asking.link(self).reservation(mac)).and_then(|each| each.hostname.clone());
        if let Some(hostname) = reserved {
            let blank =
                Name { hostname, product: None, venue: None, number: None, state: NameState::Available, batch: None };
            let name = naming.name(&blank.hostname).cloned().unwrap_or(blank);
            if name.state == NameState::Available {
                self.assign(machine.id, name, now, out);
            }
            return;
        }
        let Boot::Net(net) = &plan.boot else { return };
        let profile = net.profile.clone();
        let serial = machine.serial.as_ref();
        // A batch takes only machines whose profile lets them become its product.
        let of_batch = naming.batch_product(serial);
        let fits = of_batch.is_some_and(|product| profile.product.as_ref() == Some(product));
        let Some(product) =
            profile.product.as_ref().filter(|_| fits || (of_batch.is_none() && profile.venue.is_some()))
        else {
            return;
        };
        let wanted = Wanted { product, venue: profile.venue.as_ref(), serial };
        let Some(name) = naming.choose(&wanted) else { return };
        // A name is given only to a machine that can get its image: otherwise a number would leak.
        let ready = matches!(self.catalog.image(product), ImageState::Ready(_));
        if ready && name.product.as_ref() == Some(product) && name.venue.is_some() {
            self.assign(machine.id, name, now, out);
        }
    }

    /// Gives a name to a machine that has none, and counts it in its batch: one transaction with whatever else this
    /// event commits.
    pub(super) fn assign(&mut self, machine: MachineId, name: Name, now: Now, out: &mut Outbox) {
        assert!(self.tables.naming.of_machine(machine).is_none(), "machine {machine} has a name already");
        let hostname = name.hostname.clone();
        let batch = name.batch.and_then(|id| self.tables.naming.batch(id)).cloned();
        self.commit(out, Change::Name(Name { state: NameState::Assigned(machine), ..name }));
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

    fn on_decline(&mut self, asking: &Asking, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, client, .. } = asking;
        let link = asking.link(self);
        if request.address_option(code::SERVER_ID).is_some_and(|server| server != link.address) {
            return Err(Refusal::NotOurs("a DECLINE for another server"));
        }
        let address = request
            .address_option(code::REQUESTED_ADDRESS)
            .ok_or(Refusal::Forbidden("a DECLINE must name the address in option 50"))?;
        let lease = self.tables.leases.by_address(address).filter(|lease| lease.client == *client).cloned();
        let lease = lease.ok_or(Refusal::Forbidden("a DECLINE for an address the client does not hold"))?;
        let machine = lease.machine;
        let expires = now.timestamp + self.site.decline_hold;
        self.commit_lease(out, Lease { state: LeaseState::Declined, machine: None, expires, ..lease });
        if let Some(id) = machine {
            self.publish_machine(id, out);
        }
        Ok(())
    }

    /// Asks whether anyone else uses the address (RFC 2131 §3.1 step 2), behind the reply and without waiting. A relay's
    /// link is out of reach for ARP.
    fn probe(&self, asking: &Asking, address: Ipv4Addr, out: &mut Outbox) {
        let Asking { request, link_id, .. } = asking;
        if let Some(client) = request.mac().filter(|_| request.giaddr == Ipv4Addr::UNSPECIFIED) {
            out.push(Action::Probe { link: *link_id, address, client });
        }
    }

    /// Someone else uses an address. One that is only offered is taken out of use as if its client had declined it; a
    /// client that asks for it all the same is told no and starts over.
    pub(super) fn on_conflict(&mut self, address: Ipv4Addr, mac: Mac, now: Now, out: &mut Outbox) {
        let Some(lease) = self.tables.leases.by_address(address).cloned() else { return };
        let withdrawn = match lease.state {
            LeaseState::Offered => true,
            LeaseState::Bound => false,
            LeaseState::Declined | LeaseState::Released => return,
        };
        let holder = lease.machine.and_then(|id| self.tables.machines.get(id)).and_then(|machine| machine.mac);
        let client = lease.client.clone();
        if holder == Some(mac) || client == ClientKey::Mac(mac) {
            return;
        }
        if withdrawn {
            let expires = now.timestamp + self.site.decline_hold;
            self.commit_lease(out, Lease { state: LeaseState::Declined, expires, ..lease });
        }
        out.publish(Notice::Conflict { address, mac, client, withdrawn });
    }

    fn on_release(&mut self, asking: &Asking, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let Asking { request, client, .. } = asking;
        let link = asking.link(self);
        if request.address_option(code::SERVER_ID).is_some_and(|server| server != link.address) {
            return Err(Refusal::NotOurs("a RELEASE for another server"));
        }
        let held = self.tables.leases.by_address(request.ciaddr);
        let lease = held.filter(|lease| lease.client == *client && lease.state == LeaseState::Bound).cloned();
        let lease = lease.ok_or(Refusal::Forbidden("a RELEASE for an address the client does not hold"))?;
        let machine = lease.machine;
        self.commit_lease(out, Lease { state: LeaseState::Released, expires: now.timestamp, ..lease });
        if let Some(id) = machine {
            self.publish_machine(id, out);
        }
        Ok(())
    }

    fn on_inform(&mut self, asking: &Asking, out: &mut Outbox) -> Result<(), Refusal> {
        let request = &asking.request;
        if request.ciaddr == Ipv4Addr::UNSPECIFIED && request.giaddr == Ipv4Addr::UNSPECIFIED {
            return Err(Refusal::Forbidden("an INFORM must carry the client's address in ciaddr"));
        }
        let reply = dhcp::inform_ack(request, asking.link(self));
        self.send(asking, reply, out);
        Ok(())
    }

    fn plan(&self, asking: &Asking, machine: &Machine) -> BootPlan {
        boot::plan(&Question {
            machine,
            firmware: asking.evidence.firmware.unwrap_or(machine.firmware),
            link: asking.link(self),
            site: &self.site,
            catalog: &self.catalog,
        })
    }

    fn grant<'a>(
        &'a self,
        asking: &Asking,
        address: Ipv4Addr,
        machine: &Machine,
        plan: &'a BootPlan,
        link: &'a Link,
    ) -> Grant<'a> {
        let reserved = machine.mac.and_then(|mac| link.reservation(mac)).and_then(|each| each.hostname.as_ref());
        let hostname = self.tables.naming.of_machine(machine.id).map(|name| &name.hostname).or(reserved);
        let firmware = asking.evidence.firmware.unwrap_or(machine.firmware);
        Grant { address, lease_time: link.lease_time, hostname, firmware, plan }
    }

    fn send(&self, asking: &Asking, reply: Reply, out: &mut Outbox) {
        let Asking { request, link_id, evidence, .. } = asking;
        out.publish(Notice::DhcpAnswered {
            asked: request.kind.map_or("BOOTREQUEST", MessageType::name),
            answered: reply.kind.map_or("BOOTREPLY", MessageType::name),
            mac: request.mac(),
            address: reply.yiaddr,
            firmware: evidence.firmware.map_or("", |firmware| firmware.name()),
        });
        let destination = dhcp::route::destination(request, &reply);
        out.push(Action::Send { link: *link_id, bytes: codec::encode(&reply), destination });
    }
}
