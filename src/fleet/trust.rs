//! Who is believed: which machines are known, what unknown ones may take, and which messages are forged.
//!
//! Whoever sits on a port can write any hardware address into a message. What it cannot do is to be at another network,
//! or to fetch files from an address that is not its own; what is decided here is decided by that.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::asking::Asking;
use super::{Fleet, Outbox, Tables};
use crate::ids::{Hostname, MachineId};
use crate::lease::strangers::Origin;
use crate::lease::{Lease, LeaseState};
use crate::machine::stage::Stage;
use crate::machine::{Evidence, Machine, Order};
use crate::naming::NameState;
use crate::refusal::Refusal;
use crate::time::Now;

/// How long after its ACK a machine that is being installed may decline an address: RFC 5227 §2.1.1 has it probe for
/// some seconds before it uses it.
const PROBING: Duration = Duration::from_secs(60);

impl Tables {
    /// Whether the machine ever did more than ask for an address, or an operator took care of it. A name counts of a
    /// machine that never booted: there are profiles whose machines get one with their first address.
    pub fn is_known(&self, machine: &Machine) -> bool {
        let fetched = machine.stage.is_past_address() || machine.stage == Stage::Done;
        let spoke = self.latest.contains_key(&machine.id) || machine.hardware.is_some();
        let named = machine.stage == Stage::Waiting && self.naming.of_machine(machine.id).is_some();
        fetched || spoke || named || machine.notes.is_some() || machine.order != Order::Install
    }
}

impl Fleet {
    /// Lets an unknown machine have an address that is not its own yet, or not.
    ///
    /// # Errors
    /// [`Refusal::TooManyUnknown`] or [`Refusal::TooManyNew`].
    pub(super) fn admit(&mut self, asking: &Asking<'_>, address: Ipv4Addr, now: Now) -> Result<(), Refusal> {
        let Fleet { tables, arrivals, .. } = self;
        let taken = |lease: &&Lease| matches!(lease.state, LeaseState::Offered | LeaseState::Bound);
        let lease = tables.leases.by_address(address).filter(taken);
        if asking.known || lease.is_some_and(|lease| lease.client == asking.client) {
            return Ok(());
        }
        let relay = Some(asking.request.giaddr).filter(|giaddr| *giaddr != Ipv4Addr::UNSPECIFIED);
        // Without a relay agent, whoever sent the message wrote its option 82, too.
        let circuit = relay.and_then(|_| crate::dhcp::relay::circuit_id(&asking.request)).map(<[u8]>::to_vec);
        let origin = Origin { link: asking.link_id, relay, circuit };
        arrivals.admit(asking.site, &origin, address, now.instant, |address| {
            let machine = |lease: &Lease| lease.machine.and_then(|id| tables.machines.get(id));
            let lease = tables.leases.by_address(address).filter(taken);
            lease.is_some_and(|lease| !machine(lease).is_some_and(|machine| tables.is_known(machine)))
        })
    }

    /// Lets a report be about a machine that nobody knows, or not.
    ///
    /// # Errors
    /// [`Refusal::TooManyNew`]
    pub(super) fn admit_report(&mut self, address: Ipv4Addr, evidence: &Evidence, now: Now) -> Result<(), Refusal> {
        let claims = evidence.mac.is_some() || evidence.serial.is_some();
        let holder = self.tables.leases.holder(address);
        let Some((link, _)) = self.site.link_of(address).filter(|_| claims) else { return Ok(()) };
        match self.tables.machines.resolve(evidence, holder) {
            Some(_) => Ok(()),
            None => self.arrivals.arrive(&self.site, link, now.instant),
        }
    }

    /// Whether a client may give up an address that is its own by what the message says.
    ///
    /// # Errors
    /// [`Refusal::Forged`] if the message comes from a network where nobody has that address, or if the machine uses it.
    pub(super) fn may_give_up(&self, asking: &Asking<'_>, lease: &Lease, now: Now) -> Result<(), Refusal> {
        let mut here = asking.site.segment(asking.link_id);
        if !here.any(|(_, link)| link.subnet.contains(lease.address)) {
            return Err(Refusal::Forged("it comes from another network than the address's"));
        }
        let machine = lease.machine.and_then(|id| self.tables.machines.get(id));
        let probes = asking.request.kind == Some(crate::wire::dhcp::MessageType::Decline)
            && lease.expires.since(now.timestamp) + PROBING >= asking.link_of(lease.address).lease_time;
        match machine.is_some_and(|machine| machine.stage.is_past_address()) && !probes {
            true => Err(Refusal::Forged("the machine at that address is being installed")),
            false => Ok(()),
        }
    }

    /// Whether a report from `address` may be about the machine that it names. A machine that speaks from an address of
    /// its own does not speak from another; and one that is known and holds the asking address speaks for itself. (A
    /// machine's second network port is a machine of its own to us, of which nothing is known.)
    ///
    /// # Errors
    /// [`Refusal::Forged`]
    pub(super) fn may_speak(
        &self,
        address: Ipv4Addr,
        evidence: &Evidence,
        hostname: Option<&Hostname>,
    ) -> Result<(), Refusal> {
        let Tables { leases, machines, naming, open, .. } = &self.tables;
        let holder = leases.holder(address);
        let named = || match hostname.and_then(|name| naming.name(name)).map(|name| &name.state) {
            Some(NameState::Assigned(machine)) => Some(*machine),
            _ => None,
        };
        let Some(id) = machines.resolve(evidence, holder.or_else(named)) else { return Ok(()) };
        let own = leases.of_machine(id).filter(|_| holder != Some(id));
        let Some(own) = own else { return Ok(()) };
        let speaks = open.get(&id).is_some_and(|deployment| deployment.address == own);
        let other = holder.and_then(|id| machines.get(id)).is_some_and(|machine| self.tables.is_known(machine));
        match speaks || other {
            true => Err(Refusal::Forged("that machine has another address, and speaks for itself")),
            false => Ok(()),
        }
    }

    /// Takes an address out of use, if whoever says that it is taken is believed.
    ///
    /// # Errors
    /// [`Refusal::NotBelieved`]
    pub(super) fn disuse(&mut self, lease: Lease, now: Now, out: &mut Outbox) -> Result<(), Refusal> {
        self.tables.leases.may_fall_out_of_use(&self.site, &lease)?;
        let expires = now.timestamp + self.site.decline_hold;
        self.commit_lease(out, Lease { state: LeaseState::Declined, machine: None, expires, ..lease });
        Ok(())
    }

    /// Whether the machine sent that very REQUEST before, and has gone on since: it comes again on its way through the
    /// network, or somebody plays it back. The machine has not started anew for that.
    pub(super) fn is_replayed(&self, id: MachineId, xid: u32) -> bool {
        let sent = self.heard_on.get(&id).is_some_and(|heard| heard.xids.contains(&xid));
        sent && self.tables.machines.get(id).is_some_and(|machine| machine.stage.is_past_address())
    }
}
