//! Who asks by DHCP: everything that is known about a message's sender before anything is decided, and what its reply
//! is made of.

use std::net::Ipv4Addr;

use super::{Action, Fleet, Notice, Outbox};
use crate::boot::BootPlan;
use crate::class;
use crate::dhcp::{self, Grant, Terms, options, relay};
use crate::ids::{Hostname, MachineId};
use crate::lease::{Claim, ClientKey};
use crate::machine::firmware::Firmware;
use crate::machine::{Evidence, Machine};
use crate::naming::NameState;
use crate::net::LinkId;
use crate::refusal::Refusal;
use crate::site::{DhcpOption, Identifier, Identifiers, Link, Reservation, Site};
use crate::wire::dhcp::{MessageType, Reply, Request, code, codec};

/// A message with everything that is known about its sender.
pub(super) struct Asking<'a> {
    pub(super) request: Request,
    pub(super) site: &'a Site,
    /// By which link the message came: relays are answered by the same.
    pub(super) came_by: LinkId,
    /// From which UDP port.
    pub(super) port: u16,
    /// Which network it belongs to.
    pub(super) link_id: LinkId,
    pub(super) client: ClientKey,
    pub(super) evidence: Evidence,
    pub(super) firmware: Firmware,
    pub(super) reservation: Option<&'a Reservation>,
    pub(super) classes: Vec<String>,
    /// Whether an operator reserved something for it, or it is known by more than its asking for addresses.
    pub(super) known: bool,
}

impl Asking<'_> {
    /// The address reserved for it.
    pub(super) fn reserved(&self) -> Option<Ipv4Addr> {
        self.reservation.and_then(|each| each.address)
    }

    pub(super) fn claim(&self) -> Claim<'_> {
        let (reserved, known) = (self.reserved(), self.known);
        Claim { link: self.link_id, client: &self.client, reserved, classes: &self.classes, known }
    }
}

impl<'a> Asking<'a> {
    /// The network of an address that it is given.
    pub(super) fn link_of(&self, address: Ipv4Addr) -> &'a Link {
        let link = self.site.segment(self.link_id).map(|(_, link)| link).find(|link| link.subnet.contains(address));
        link.unwrap_or(&self.site.links[usize::from(self.link_id.0)])
    }
}

impl Fleet {
    /// Who sent `request`, by which link and from which UDP port; it belongs to the network `link_id`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if nothing identifies the sender.
    pub(super) fn identify<'a>(
        &self,
        site: &'a Site,
        (came_by, port): (LinkId, u16),
        link_id: LinkId,
        request: Request,
    ) -> Result<Asking<'a>, Refusal> {
        let evidence = Evidence::from_dhcp(&request);
        let known = evidence.mac.and_then(|mac| self.tables.machines.by_mac(mac));
        let identifiers = Identifiers {
            mac: evidence.mac,
            client_id: request.option(code::CLIENT_ID),
            // The system after the firmware sends no option 97: its board is the same.
            uuid: evidence.uuid.or(known.and_then(|machine| machine.uuid)),
            circuit_id: relay::circuit_id(&request),
        };
        let reservation = site.reservation(link_id, &identifiers);
        // A reserved address is its board's under whatever identifier the firmware and the system after it use.
        let of_board = reservation
            .is_some_and(|each| each.address.is_some() && matches!(each.of, Identifier::Mac(_) | Identifier::Uuid(_)));
        let board = evidence.mac.filter(|_| of_board);
        let client = board.map_or_else(|| ClientKey::of(&request), |mac| Ok(ClientKey::Mac(mac)))?;
        let recognised = evidence.firmware.unwrap_or(Firmware::Plain);
        let classes = class::of(&self.catalog.classes, &request, recognised, reservation);
        let firmware = self.firmware(&request, recognised, known);
        let holder = self.tables.leases.by_client(link_id, &client).and_then(|lease| lease.machine);
        let machine = self.tables.machines.resolve(&evidence, holder).and_then(|id| self.tables.machines.get(id));
        let known = reservation.is_some() || machine.is_some_and(|machine| self.tables.is_known(machine));
        Ok(Asking { request, site, came_by, port, link_id, client, evidence, firmware, reservation, classes, known })
    }

    /// What kind of client to answer. A message that says nothing about its sender, from a board that netboots, is its
    /// boot loader's: GRUB asks anew with a bare DISCOVER, and needs the server it was loaded from.
    fn firmware(&self, request: &Request, recognised: Firmware, known: Option<&Machine>) -> Firmware {
        let speaks = [code::VENDOR_CLASS, code::CLIENT_ID, code::HOST_NAME, code::USER_CLASS];
        let bare = recognised == Firmware::Plain && speaks.iter().all(|code| request.option(*code).is_none());
        match known.map(|machine| machine.firmware) {
            Some(before @ (Firmware::BiosPxe | Firmware::UefiX64 | Firmware::UefiArm64)) if bare => before,
            _ => recognised,
        }
    }

    pub(super) fn plan_for(&self, asking: &Asking<'_>, machine: &Machine, address: Ipv4Addr) -> BootPlan {
        self.plan(machine, asking.firmware, asking.link_of(address), asking.reservation, &asking.classes)
    }

    /// The terms for a client that has, or is given, `address`.
    pub(super) fn terms<'a>(
        &'a self,
        asking: &Asking<'a>,
        address: Option<Ipv4Addr>,
        machine: Option<MachineId>,
    ) -> Terms<'a> {
        let Asking { request, site, reservation, .. } = asking;
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let link = asking.link_of(address);
        let pool = link.pool_of(address).map(|(_, pool)| pool.options.as_slice());
        let member = |class: &&class::Class| asking.classes.contains(&class.name);
        // The first class of the configuration goes before later ones, so it comes last here.
        let of_classes = self.catalog.classes.iter().rev().filter(member).map(|class| class.options.as_slice());
        let lists: [&[DhcpOption]; 3] = [&site.options, &link.options, pool.unwrap_or_default()];
        let own = reservation.map(|each| each.options.as_slice());
        let named = machine.and_then(|id| self.tables.naming.of_machine(id)).map(|name| name.hostname.to_string());
        // A reserved name that is retired, or another machine's, is told to nobody.
        let free =
            |name: &&Hostname| self.tables.naming.name(name).is_none_or(|name| name.state == NameState::Available);
        let reserved = reservation.and_then(|each| each.hostname.as_ref()).filter(free).map(ToString::to_string);
        Terms {
            link,
            server: relay::server_override(request).unwrap_or(link.address),
            options: options::in_force(lists.into_iter().chain(of_classes).chain(own)),
            next_server: link.next_server.or(site.next_server),
            hostname: reservation.and_then(|each| each.fqdn.clone()).or(named).or(reserved),
            echo_client_id: site.leniency.echo_client_id,
        }
    }

    /// Sends the OFFER, ACK or BOOTREPLY that gives `address`.
    pub(super) fn grant(
        &self,
        asking: &Asking<'_>,
        address: Ipv4Addr,
        machine: &Machine,
        plan: &BootPlan,
        out: &mut Outbox,
    ) {
        let request = &asking.request;
        let terms = self.terms(asking, Some(address), Some(machine.id));
        let grant = Grant { address, lease_time: terms.link.lease_time, firmware: asking.firmware, plan };
        let reply = match request.kind {
            Some(MessageType::Discover) => dhcp::offer(request, &grant, &terms),
            Some(_) => dhcp::ack(request, &grant, &terms),
            None => dhcp::bootp_reply(request, &grant, &terms),
        };
        self.send(asking, &reply, out);
    }

    /// A direct client is answered from our address in its own subnet; a relay by the way its message came.
    pub(super) fn send(&self, asking: &Asking<'_>, reply: &Reply, out: &mut Outbox) {
        let link = asking.site.link_of(reply.yiaddr).map(|(id, _)| id);
        let direct = asking.request.giaddr == Ipv4Addr::UNSPECIFIED;
        let by = link.filter(|id| direct && asking.site.segment(asking.came_by).any(|(other, _)| other == *id));
        send(&asking.request, (by.unwrap_or(asking.came_by), asking.port), reply, asking.firmware.name(), out);
    }
}

/// Sends `reply` out by `link`, to who asked from that UDP port.
pub(super) fn send(
    request: &Request,
    (link, port): (LinkId, u16),
    reply: &Reply,
    firmware: &'static str,
    out: &mut Outbox,
) {
    out.publish(Notice::DhcpAnswered {
        asked: request.kind.map_or("BOOTREQUEST", MessageType::name),
        answered: reply.kind.map_or("BOOTREPLY", MessageType::name),
        mac: request.mac(),
        address: reply.yiaddr,
        firmware,
    });
    let destination = dhcp::route::destination(request, reply, port);
    out.push(Action::Send { link, bytes: codec::encode(reply), destination });
}
