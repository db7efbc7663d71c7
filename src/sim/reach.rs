//! What a run got to see: a sweep of seeds that never meets a refusal, a stage or a message proves nothing about it.

use std::collections::BTreeSet;

use super::client::Kind;
use crate::boot::pipeline::{self, Milestone};
use crate::fleet::Notice;
use crate::machine::Order;
use crate::machine::firmware::Firmware;
use crate::machine::stage::Stage;
use crate::refusal::Refusal;

/// Refusals that no simulated server makes, and why.
const OF_SHELLS: [(&str, &str); 1] =
    [("busy", "a limit of the shells: sockets, open files, requests that wait; a simulated server has none")];

/// The DHCP messages with their answers.
const DHCP: [(&str, &str); 6] = [
    ("DISCOVER", "OFFER"),
    ("REQUEST", "ACK"),
    ("REQUEST", "NAK"),
    ("INFORM", "ACK"),
    ("DECLINE", ""),
    ("RELEASE", ""),
];

/// What operators do, and what is done to the network, the clock and the machines.
const ODDS: [&str; 50] = [
    "machine reinstall",
    "machine hold",
    "machine forget",
    "machine note",
    "venue add",
    "venue list",
    "venue remove",
    "products",
    "names assign",
    "names note",
    "names import",
    "names release",
    "names retire",
    "names reinstate",
    "names list",
    "image list",
    "image add",
    "image activate",
    "image describe",
    "image deprecate",
    "image undeprecate",
    "image remove",
    "batch create",
    "batch start",
    "batch pause",
    "batch cancel",
    "batch priority",
    "batch list",
    "batch list active",
    "batch show",
    "the clock is set on",
    "the clock is set back",
    "the server stands still",
    "the configuration is read again",
    "machines are invented",
    "machines are invented behind a relay agent",
    "machines are invented in reports",
    "a message is forged",
    "a report is forged",
    "a REQUEST is played back",
    "somebody answers for every address",
    "a claim of an address is not believed",
    "a machine is moved",
    "a card is pulled in the middle of an installation",
    "a relay passes an answer on",
    "a relay fails",
    "a network is cut off",
    "another server is chosen",
    "two machines of one hardware address are done",
    "two machines of one UUID are done",
];

/// What was reached, in the words of journals and log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Kinds of machines that reached their end.
    pub kinds: BTreeSet<Kind>,
    /// [`Refusal::kind`] of every refusal.
    pub refusals: BTreeSet<&'static str>,
    /// Every step from one stage to another.
    pub steps: BTreeSet<(&'static str, &'static str)>,
    /// DHCP messages with their answers; the answer is empty where there is none.
    pub dhcp: BTreeSet<(&'static str, &'static str)>,
    /// What else happened: operators' orders, and things done to the network, the clock and the machines.
    pub odds: BTreeSet<&'static str>,
}

impl Reached {
    /// Adds what another run reached.
    pub fn join(&mut self, other: Reached) {
        self.kinds.extend(other.kinds);
        self.refusals.extend(other.refusals);
        self.steps.extend(other.steps);
        self.dhcp.extend(other.dhcp);
        self.odds.extend(other.odds);
    }

    /// What a sweep should reach and did not. Of refusals and steps everything, whatever is added to them.
    pub fn missed(&self) -> Vec<String> {
        let kinds = Kind::ALL.into_iter().filter(|kind| !self.kinds.contains(kind));
        let kinds = kinds.map(|kind| format!("kind {kind:?}"));
        let of_shells = |kind: &str| OF_SHELLS.iter().any(|(shell, _)| *shell == kind);
        let refusals = Refusal::KINDS.into_iter().filter(|kind| !of_shells(kind) && !self.refusals.contains(kind));
        let refusals = refusals.map(|kind| format!("refusal {kind}"));
        let steps = steps().into_iter().filter(|step| !self.steps.contains(step));
        let steps = steps.map(|(from, to)| format!("step {from} → {to}"));
        let dhcp = DHCP.into_iter().filter(|pair| !self.dhcp.contains(pair));
        let dhcp = dhcp.map(|(asked, answered)| format!("DHCP {asked} → {answered}"));
        let odds = ODDS.into_iter().filter(|odd| !self.odds.contains(odd)).map(str::to_owned);
        kinds.chain(refusals).chain(steps).chain(dhcp).chain(odds).collect()
    }

    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.refusals.insert(refusal.kind());
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Stage { from, to, .. } => drop(self.steps.insert((from.word(), to.word()))),
            Notice::Refused { what, refusal, .. } => {
                self.refused(refusal);
                if *what == "ARP answer" {
                    self.odds.insert("a claim of an address is not believed");
                }
            }
            Notice::DhcpAnswered { asked, answered, .. } => drop(self.dhcp.insert((asked, answered))),
            _ => {}
        }
    }
}

/// Every step that some milestone makes from some stage.
fn steps() -> BTreeSet<(&'static str, &'static str)> {
    let words = ["starting", "downloading", "verifying", "customizing", "success", "failed"];
    let mut milestones: Vec<Milestone> = words.map(|word| Milestone::Reported(word.into(), None)).into();
    milestones.extend([
        Milestone::Bound(Firmware::RaspberryPi5),
        Milestone::BootFile,
        Milestone::Image,
        Milestone::ConfigAsked,
        Milestone::Silent(300),
        Milestone::Reinstall,
    ]);
    let mut steps = BTreeSet::new();
    for word in Stage::WORDS {
        let from = Stage::from_word(word, "why").expect("it is a stage's word");
        // A finished machine is to boot its disk; to install it again, an operator moves it to another stage.
        let orders: &[Order] =
            if from == Stage::Done { &[Order::Disk, Order::Hold] } else { &[Order::Install, Order::Disk, Order::Hold] };
        for order in orders.iter().copied() {
            let to = milestones.iter().filter_map(|milestone| pipeline::next(&from, order, milestone));
            // One failure after another is no step.
            steps.extend(to.map(|to| (from.word(), to.word())).filter(|(from, to)| from != to));
        }
    }
    steps
}
