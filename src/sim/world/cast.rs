//! Who plays: the machines of a plan, what they want, and the place of each on the bench.

use std::net::Ipv4Addr;
use std::time::Duration;

use fastrand::Rng;

use super::Plan;
use crate::catalog::PiMenu;
use crate::sim::client::{Client, Identity, Options, mixed};
use crate::sim::place::{BY_SERIAL, POOLED, VENUE};
use crate::time::Instant;

/// What some boards carry where a UUID should be (BIOS placeholder, in SMBIOS byte order).
const SHARED_UUID: [u8; 16] = [0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9];

/// A machine and its place on the bench.
#[derive(Debug)]
pub(super) struct Seat {
    pub client: Client,
    pub label: String,
    /// Where it is plugged in.
    pub segment: usize,
    pub powered: bool,
    /// Counts power-ons, and ports.
    pub epoch: u32,
    /// Counts addresses, for the connections that end with them.
    pub session: u32,
    pub address: Option<Ipv4Addr>,
    /// The earliest timer in the queue.
    pub armed: Option<Instant>,
    pub end: Option<Result<String, String>>,
    /// Switched off and on again after it was finished.
    pub rebooted: bool,
    /// When its installer last said that it starts: the last word of a run that an operator broke off is not heard.
    pub run_begun: Option<Instant>,
    /// When an operator last took back what it had reached.
    pub meddled_at: Option<Instant>,
    /// Its success was reported, and it knows; nobody took it back since.
    pub reported: bool,
}

impl Seat {
    pub fn new(index: usize, client: Client, segment: usize) -> Seat {
        Seat {
            label: format!("{}-{:02}", client.kind().word(), index + 1),
            client,
            segment,
            powered: false,
            epoch: 0,
            session: 0,
            address: None,
            armed: None,
            end: None,
            rebooted: false,
            run_begun: None,
            meddled_at: None,
            reported: false,
        }
    }
}

/// The machines of a plan: half of them go for each product, and most know their venue.
pub(super) fn cast(plan: &Plan, rng: &mut Rng) -> Vec<Client> {
    if let Some(kind) = plan.only {
        let options = Options { venue: Some(VENUE.into()), ..Options::default() };
        let numbers = 1..=u32::try_from(plan.clients).unwrap_or(u32::MAX);
        let client = |index| Client::new(kind, Identity::numbered(kind, index, rng), u64::from(index), options.clone());
        return numbers.map(client).collect();
    }
    let clients = mixed(plan.clients, plan.seed, &Options::default());
    let mac_of_first = clients.first().map(|client| client.identity().mac);
    let with_wishes = |(index, client): (usize, Client)| {
        let product = if rng.bool() { POOLED } else { BY_SERIAL };
        let venue = (rng.u8(..4) > 0).then(|| VENUE.to_owned());
        let habits = rng.u8(..4);
        let options = Options {
            product: product.into(),
            venue,
            install_work: Duration::from_secs(rng.u64(..20)),
            pi_menu_entry: pi_menu(plan).entry,
            plain_declines: u32::from(habits == 1),
            plain_informs: habits == 2,
            plain_releases: habits == 3,
            ..Options::default()
        };
        let mut identity = client.identity().clone();
        // Some makers write the same UUID into every board; it must not make one machine of them.
        identity.uuid = (rng.u8(..3) == 0).then_some(SHARED_UUID);
        if let Some(mac) = mac_of_first.filter(|_| plan.clones && index == 1) {
            identity.mac = mac;
        }
        Client::new(client.kind(), identity, rng.u64(..), options)
    };
    clients.into_iter().enumerate().map(with_wishes).collect()
}

/// What the Raspberry Pis of a plan look for and are told: mostly the usual menu, sometimes the bare text
/// (firmware#1850), sometimes another one (`PXE_OPTION43`).
pub(super) fn pi_menu(plan: &Plan) -> PiMenu {
    match plan.seed % 4 {
        2 if plan.only.is_none() => PiMenu { raw: true, ..PiMenu::default() },
        3 if plan.only.is_none() => PiMenu { entry: "Bench Boot".into(), ..PiMenu::default() },
        _ => PiMenu::default(),
    }
}

/// Where each of them is plugged in: most of them at the bench.
pub(super) fn plugged_in(plan: &Plan, clients: &[Client], segments: &[bool], rng: &mut Rng) -> Vec<usize> {
    let place = |client: &Client| {
        if plan.only.is_some() || segments.len() == 1 {
            return plan.starts_in.min(segments.len() - 1);
        }
        let drawn = rng.usize(..2 * segments.len());
        let relayed = segments.get(drawn).copied().unwrap_or(false);
        let fits = drawn < segments.len() && (!relayed || client.kind().boots_behind_relay());
        if fits { drawn } else { 0 }
    };
    clients.iter().map(place).collect()
}
