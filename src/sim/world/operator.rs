//! An operator who does sensible things and others, at any moment; an order is given again until it is known what
//! became of it.

use std::time::Duration;

use super::{Happening, World};
use crate::access::Actor;
use crate::fleet::Event;
use crate::fleet::command::{Command, NameChange, NameFilter, Selector};
use crate::ids::{BatchId, Hostname, ReplyTo, Serial};
use crate::refusal::Refusal;
use crate::sim::place::{BY_SERIAL, POOLED, VENUE};

/// Replies to the operator, apart from those to machines.
const FIRST_ORDER: u64 = 1 << 32;

impl World {
    /// An operator does something, sensible or not.
    pub(super) fn operate(&mut self) {
        let command = match self.rng.u8(..4) {
            0 => self.order_about_machine(),
            1 => self.order_about_names(),
            2 => self.order_about_batch(),
            _ => self.order_about_place(),
        };
        self.reached.odds.insert(command.word());
        self.order(command);
    }

    fn order_about_machine(&mut self) -> Command {
        let seat = self.rng.usize(..self.seats.len());
        let identity = self.seats[seat].client.identity().clone();
        let name = self.promises.name_of(identity.mac).cloned();
        let selector = match (self.rng.u8(..4), self.seats[seat].address, Serial::parse(&identity.serial), name) {
            (0, Some(address), _, _) => Selector::Address(address),
            (1, _, Some(serial), _) => Selector::Serial(serial),
            (2, _, _, Some(name)) => Selector::Hostname(name),
            _ => Selector::Mac(identity.mac),
        };
        match self.rng.u8(..6) {
            0 | 1 => Command::Reinstall(selector),
            5 => Command::MachineNote { machine: selector, text: ["", "second hand"][self.rng.usize(..2)].into() },
            2 => Command::Forget { machine: selector, release_name: self.rng.bool(), force: self.rng.bool() },
            _ => {
                // Whoever is held is let go again, or it would never reach its end.
                let held_for = Duration::from_secs(self.rng.u64(20..120));
                let release = Command::Reinstall(Selector::Mac(identity.mac));
                self.later(held_for, Happening::Order(Box::new(release)));
                Command::Hold(Selector::Mac(identity.mac))
            }
        }
    }

    fn order_about_names(&mut self) -> Command {
        let seat = self.rng.usize(..self.seats.len());
        let held = self.promises.name_of(self.seats[seat].client.identity().mac).map(Hostname::to_string);
        let number = self.rng.usize(..self.seats.len() + 20);
        let hostname = held.filter(|_| self.rng.bool()).unwrap_or_else(|| format!("{POOLED}-{VENUE}-{number:03}"));
        match self.rng.u8(..8) {
            6 => {
                let mac = Some(self.seats[seat].client.identity().mac.to_string());
                let (product, venue) = (POOLED.into(), VENUE.into());
                Command::NameAssign { product, venue, mac, serial: None }
            }
            0 => Command::NameRelease { hostname, force: self.rng.bool() },
            1 => Command::NameRetire(hostname),
            2 => Command::NameReinstate(hostname),
            3 => Command::NameList(NameFilter::default()),
            4 => {
                let other = format!("{POOLED}-{VENUE}-{:03}", self.rng.usize(..self.seats.len() + 20));
                let changes = [NameChange::Release { force: true }, NameChange::Retire, NameChange::Reinstate];
                Command::NamesChange { hostnames: vec![hostname, other], change: changes[self.rng.usize(..3)] }
            }
            5 => Command::NameNote { hostname, text: ["", "spare"][self.rng.usize(..2)].into() },
            _ => Command::NamesImport {
                product: [POOLED, BY_SERIAL][self.rng.usize(..2)].into(),
                venue: VENUE.into(),
                numbers: vec![self.rng.u32(..2000), 900],
            },
        }
    }

    fn order_about_batch(&mut self) -> Command {
        let id = BatchId(self.rng.u64(1..4));
        match self.rng.u8(..8) {
            5 => Command::BatchListActive,
            6 => Command::BatchShow(id),
            0 => Command::BatchCreate {
                venue: if self.rng.u8(..4) == 0 { "NOWHERE" } else { VENUE }.into(),
                product: [POOLED, BY_SERIAL, "NOTHING"][self.rng.usize(..3)].into(),
                total: self.rng.i64(-1..2 * i64::from(u16::try_from(self.seats.len()).unwrap_or(u16::MAX))),
                priority: self.rng.i64(0..3),
            },
            1 => Command::BatchStart(id),
            2 => Command::BatchPause(id),
            3 => Command::BatchCancel(id),
            4 => Command::BatchPriority { id, priority: self.rng.i64(0..3) },
            _ => Command::BatchList,
        }
    }

    fn order_about_place(&mut self) -> Command {
        let file = || "spare.img".to_owned();
        let product = || POOLED.to_owned();
        match self.rng.u8(..10) {
            0 => Command::VenueAdd {
                code: ["WEST", "north"][self.rng.usize(..2)].into(),
                name: "Western hall".into(),
                location: None,
                contact_email: None,
            },
            1 => Command::VenueList,
            2 => Command::ImageList,
            3 => Command::ImageAdd { product: product(), file: file(), version: None },
            4 => Command::VenueRemove(["WEST", VENUE][self.rng.usize(..2)].into()),
            5 => Command::ProductList,
            6 => Command::ImageDescribe {
                product: product(),
                image: file(),
                description: Some("for repairs".into()),
                version: None,
            },
            7 => Command::ImageDeprecate { product: product(), image: file(), deprecated: self.rng.bool() },
            8 => Command::ImageRemove { product: product(), image: file() },
            // Nobody has looked at that file yet, so it is refused.
            _ => Command::ImageActivate { product: product(), image: file(), force: false },
        }
    }

    /// Gives an order; it is given again until it is known what became of it.
    pub(super) fn order(&mut self, command: Command) {
        let reply_to = ReplyTo(FIRST_ORDER + self.sequence);
        self.sequence += 1;
        self.orders.insert(reply_to, command.clone());
        self.story.line(self.now, || format!("operator  {command:?}"));
        self.tell_server(Event::Command { command, by: Actor::user("the simulator"), reply_to });
    }

    /// Orders of which nobody knows what became.
    pub(super) fn repeat_orders(&mut self) {
        for (reply_to, command) in self.orders.clone() {
            self.tell_server(Event::Command { command, by: Actor::user("the simulator"), reply_to });
        }
    }

    /// Whether the reply was to the operator, and what becomes of the order.
    pub(super) fn is_order(&mut self, reply_to: ReplyTo, refusal: Option<&Refusal>) -> bool {
        if refusal == Some(&Refusal::NotStored) {
            return self.orders.contains_key(&reply_to);
        }
        self.orders.remove(&reply_to).is_some()
    }
}
