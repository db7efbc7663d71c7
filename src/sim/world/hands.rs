//! What hands do to a bench: power, cables, cards, relay agents that are switched off, a router that somebody plugs in.

use std::time::Duration;

use super::{Happening, World};
use crate::fleet::command::{Command, Selector};
use crate::sim::client::Input;
use crate::sim::rival::Rival;
use crate::sim::wiring::Segment;

impl World {
    pub(super) fn segment_of(&self, index: usize) -> &Segment {
        &self.segments[self.seats[index].segment]
    }

    /// Somebody plugs a machine in elsewhere: with its power on, or off for a while.
    pub(super) fn move_machine(&mut self, index: usize) {
        if self.rng.bool() {
            self.power_cut(index);
        }
        self.plug_elsewhere(index);
    }

    /// Plugs a machine into another network that its firmware can boot from.
    pub(super) fn plug_elsewhere(&mut self, index: usize) {
        let seat = &self.seats[index];
        let (now_in, kind) = (seat.segment, seat.client.kind());
        let fits =
            |index: &usize| *index != now_in && (kind.boots_behind_relay() || self.segments[*index].relay.is_none());
        let others: Vec<usize> = (0..self.segments.len()).filter(fits).collect();
        if others.is_empty() {
            return;
        }
        let to = others[self.rng.usize(..others.len())];
        let name = self.segments[to].name;
        let seat = &mut self.seats[index];
        self.story.line(self.now, || format!("{} is plugged into the {name}", seat.label));
        self.reached.odds.insert("a machine is moved");
        seat.segment = to;
        // What was under way to the old port is lost.
        seat.epoch += 1;
        seat.session += 1;
        self.input(index, Input::Replugged);
    }

    /// Somebody takes the card out of a machine in the middle of its work, and puts an empty one in.
    pub(super) fn pull_card(&mut self, index: usize) {
        let seat = &self.seats[index];
        if !seat.powered {
            return;
        }
        if seat.end.is_none() {
            self.reached.odds.insert("a card is pulled in the middle of an installation");
        }
        self.story.line(self.now, || format!("the card of {} is exchanged for an empty one", seat.label));
        let mac = seat.client.identity().mac;
        self.power_cut(index);
        self.seats[index].client.handle(Input::NewDisk, self.now);
        // To the server it may be finished, and then it has nothing to boot until somebody says so.
        let release = Command::Reinstall(Selector::Mac(mac));
        self.later(Duration::from_secs(20), Happening::Order(Box::new(release)));
    }

    /// A segment is cut off, or its relay agent fails; both come back.
    pub(super) fn cut(&mut self) {
        let index = self.rng.usize(..self.segments.len());
        let segment = &mut self.segments[index];
        let name = segment.name;
        match &mut segment.relay {
            Some(relay) if self.rng.bool() => {
                relay.is_up = false;
                self.reached.odds.insert("a relay fails");
                self.story.line(self.now, || format!("the relay of the {name} fails"));
            }
            _ => {
                segment.is_cut = true;
                self.reached.odds.insert("a network is cut off");
                self.story.line(self.now, || format!("the {name} is cut off"));
            }
        }
        let lasts = Duration::from_millis(self.rng.u64(500..40_000));
        self.later(lasts, Happening::Mended(index));
    }

    pub(super) fn mended(&mut self, index: usize) {
        let segment = &mut self.segments[index];
        segment.is_cut = false;
        if let Some(relay) = &mut segment.relay {
            relay.is_up = true;
        }
        let name = segment.name;
        self.story.line(self.now, || format!("the {name} is connected again"));
    }

    /// Somebody plugs in a router that gives addresses, or takes it away again.
    pub(super) fn plug_in_rival(&mut self) {
        self.rival = match self.rival.take() {
            Some(_) => None,
            None => {
                let (address, subnet) = self.place.rival();
                let lasts = Duration::from_secs(self.rng.u64(20..120));
                self.later(lasts, Happening::Rival);
                Some(Rival::new(address, subnet))
            }
        };
        let word = if self.rival.is_some() { "plugged in" } else { "taken away" };
        self.story.line(self.now, || format!("a router that gives addresses is {word}"));
    }
}
