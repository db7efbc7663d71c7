//! Beside a DHCP server of others (proxyDHCP): machines are known and told what to boot, and given no address.
//!
//! Files and answers go to the machine that holds the asking address, so its address must be known here, too. It is
//! learnt from the machine's own messages only: the REQUEST that takes another server's OFFER, and what it asks from that
//! address on port 4011. Each address has one holder, the last that took it: the other server decides, not we.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use super::asking::Asking;
use super::{Action, Change, Fleet, Notice, Outbox};
use crate::boot::{Boot, BootPlan, NetBoot};
use crate::dhcp::proxy;
use crate::ids::MachineId;
use crate::machine::Machine;
use crate::net::{Destination, LinkId};
use crate::refusal::Refusal;
use crate::time::Now;
use crate::wire::dhcp::{MessageType, Request, code, codec};

const NOT_OUR_ADDRESSES: Refusal = Refusal::NotOurs("another server gives the addresses here");

impl Fleet {
    /// A message on port 67.
    pub(super) fn on_dhcp_beside(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        match asking.request.kind {
            Some(MessageType::Discover) => self.on_discover_beside(asking, now, out),
            Some(MessageType::Request) => self.on_taken(asking, now, out),
            Some(MessageType::Decline) => self.on_declined_beside(asking, out),
            _ => Err(NOT_OUR_ADDRESSES),
        }
    }

    /// Nothing is remembered of who only asks.
    fn on_discover_beside(&self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let mut machine = match self.known(asking).and_then(|id| self.tables.machines.get(id)) {
            Some(machine) => machine.clone(),
            None => Machine::new(MachineId(0), &asking.evidence, now.timestamp),
        };
        machine.learn(&asking.evidence);
        let plan = self.plan_for(asking, &machine, Ipv4Addr::UNSPECIFIED);
        let terms = self.terms(asking, None, None);
        let reply = proxy::offer(&asking.request, asking.firmware, to_boot(&plan)?, &terms);
        let reply = reply.ok_or(Refusal::NotOurs("it takes no boot server beside its DHCP server"))?;
        self.send(asking, &reply, out);
        Ok(())
    }

    fn on_taken(&mut self, asking: &Asking<'_>, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        let named = asking.request.address_option(code::SERVER_ID);
        let address = proxy::taken(&asking.request).filter(|_| named.is_none_or(|server| !asking.site.is_ours(server)));
        let address = address.ok_or(NOT_OUR_ADDRESSES)?;
        self.learn_address(asking, address, now, out).map(drop)
    }

    /// The address is in use by somebody else: the machine has it no more.
    fn on_declined_beside(&mut self, asking: &Asking<'_>, out: &mut Outbox) -> Result<(), Refusal> {
        let declined = asking.request.address_option(code::REQUESTED_ADDRESS).ok_or(NOT_OUR_ADDRESSES)?;
        let lease = self.tables.leases.by_address(declined).filter(|lease| lease.client == asking.client);
        let machine = lease.ok_or(NOT_OUR_ADDRESSES)?.machine;
        self.commit(out, Change::LeaseFreed(declined));
        out.publish(Notice::Freed(declined));
        if let Some(id) = machine {
            self.publish_machine(id, out);
        }
        Ok(())
    }

    /// A message on port 4011, sent from `from`: a PXE client with an address asks its boot server.
    pub(super) fn on_boot_server(
        &mut self,
        came_by: LinkId,
        from: SocketAddrV4,
        bytes: &[u8],
        now: Now,
        out: &mut Outbox,
    ) {
        let request = match codec::decode(bytes) {
            Ok(request) => request,
            Err(refusal) => return out.refused("boot server question", "", refusal),
        };
        let who = request.mac();
        if let Err(refusal) = self.answer_boot_server(came_by, from, request, now, out) {
            out.refused("boot server question", who.map_or_else(String::new, |mac| mac.to_string()), refusal);
        }
    }

    fn answer_boot_server(
        &mut self,
        came_by: LinkId,
        from: SocketAddrV4,
        request: Request,
        now: Now,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        if !matches!(request.kind, Some(MessageType::Request | MessageType::Inform)) {
            return Err(Refusal::NotOurs("port 4011 is for those who have an address"));
        }
        // The address that answers go to is the one that is learnt.
        if request.ciaddr != Ipv4Addr::UNSPECIFIED && request.ciaddr != *from.ip() {
            return Err(Refusal::Forbidden("ciaddr is not the address that the message came from"));
        }
        let site = Arc::clone(&self.site);
        let asking = self.identify(&site, (came_by, from.port()), came_by, request)?;
        let plan = self.learn_address(&asking, *from.ip(), now, out)?;
        let terms = self.terms(&asking, Some(*from.ip()), None);
        let reply = proxy::boot_server_ack(&asking.request, asking.firmware, to_boot(&plan)?, &terms);
        let reply = reply.ok_or(Refusal::NotOurs("such a client does not ask port 4011"))?;
        out.publish(Notice::DhcpAnswered {
            asked: "REQUEST on port 4011",
            answered: "ACK",
            mac: asking.request.mac(),
            address: *from.ip(),
            firmware: asking.firmware.name(),
        });
        let destination = Destination::BootServerClient(from);
        out.push(Action::Send { link: came_by, bytes: codec::encode(&reply), destination });
        Ok(())
    }

    /// Notes that the machine has `address` now. Only of machines that boot from the network, or did before: whatever
    /// else takes an address there is none of our business.
    fn learn_address(
        &mut self,
        asking: &Asking<'_>,
        address: Ipv4Addr,
        now: Now,
        out: &mut Outbox,
    ) -> Result<BootPlan, Refusal> {
        let site = asking.site;
        let link = site.segment(asking.link_id).map(|(_, link)| link).find(|link| link.subnet.is_host(address));
        let link =
            link.filter(|_| !site.is_ours(address)).ok_or(Refusal::NotOurs("its address is of no network here"))?;
        if !asking.firmware.netboots() && self.known(asking).is_none() {
            return Err(NOT_OUR_ADDRESSES);
        }
        Ok(self.settle(asking, address, link.lease_time, now, out).1)
    }

    fn known(&self, asking: &Asking<'_>) -> Option<MachineId> {
        self.tables.machines.resolve(&asking.evidence, self.holder(asking))
    }
}

fn to_boot(plan: &BootPlan) -> Result<&NetBoot, Refusal> {
    match &plan.boot {
        Boot::Net(net) | Boot::Disk(Some(net)) => Ok(net),
        Boot::Disk(None) => Err(Refusal::NothingToBoot("it is to boot its own disk".to_owned())),
        Boot::AddressOnly => Err(Refusal::NothingToBoot("no profile is for it".to_owned())),
    }
}
