//! The inbox loop: one thread owns the fleet, SQLite is its journal.
//!
//! Waits for the first event or the deadline, soon after a commit for a moment longer, takes what else is there, handles
//! each, commits all changes of the batch in one transaction, and only then lets the replies out. Under load batches grow;
//! nothing contends. If the commit fails, the replies of that batch are dropped and the fleet is loaded anew: clients
//! retry, and nothing false was promised.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::arp::Arp;
use super::broom::Broom;
use super::dhcp::{Ears, Outlets, Reply};
use super::inbox::{Message, Outlet};
use super::log;
use super::meter::Meter;
use super::service::Beat;
use super::tap::Tap;
use crate::boot::View;
use crate::clock;
use crate::fleet::board::Board;
use crate::fleet::{Action, Change, Event, Fleet, Notice, Told};
use crate::ids::{MachineId, ReplyTo};
use crate::refusal::Refusal;
use crate::store::Store;
use crate::time::{Instant, Timestamp};

/// The most events one transaction carries.
const BATCH_MAX: usize = 512;

/// Events that are handled between one look at the sockets and the next: what the kernel has no room for is lost
/// whoever sent it, and what the inbox has no room for is what can wait best.
const DEAF_MAX: usize = 64;

/// How long after one commit began the next one does, at the earliest: what comes in between shares it. A commit costs
/// as much as answering ten machines, and a machine that is alone never comes so soon after another.
const COMMITS_APART: Duration = Duration::from_millis(1);

/// How long the loop sleeps at most: the wall clock may jump while it does.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The most threads that look at a whole fleet at once.
const VIEWERS_MAX: usize = 8;

/// What readers see, behind a lock that is held for a look-up or for taking one notice.
pub type SharedBoard = Arc<RwLock<Board>>;

/// The board to read from. A reader that panicked has left it whole.
pub fn read(board: &SharedBoard) -> RwLockReadGuard<'_, Board> {
    board.read().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn write(board: &SharedBoard) -> RwLockWriteGuard<'_, Board> {
    board.write().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Counts a refusal that a shell made by itself.
pub fn count(board: &SharedBoard, refusal: &Refusal) {
    write(board).count(refusal);
}

/// The owner of the fleet.
pub struct Core {
    /// The state machine.
    pub fleet: Fleet,
    /// Its journal.
    pub store: Store,
    /// What readers see.
    pub board: SharedBoard,
    /// Where DHCP messages come in.
    pub ears: Ears,
    /// Where DHCP replies leave.
    pub outlets: Outlets,
    /// Who asks whether an address is in use.
    pub arp: Arp,
    /// Shows that the loop turns.
    pub beat: Beat,
    /// Counts what happens.
    pub meter: Meter,
    /// Where those listen who want to know what happens.
    pub tap: Tap,
    /// Removes what is old.
    pub broom: Broom,
}

impl Core {
    /// Runs until [`Inbox::stop`](super::inbox::Inbox::stop), then brings the journal into one file.
    pub fn run(mut self, mut outlet: Outlet) {
        let mut asked = BTreeMap::new();
        let mut batch = Batch::default();
        // Set while the journal cannot even be read: then nothing is answered at all.
        let mut lost = false;
        loop {
            self.beat.turn();
            let running = self.take_batch(&mut outlet, &mut batch, &mut asked);
            if lost {
                lost = !self.recover();
            }
            if lost {
                batch.events.clear();
                refuse_all(&mut asked);
            } else {
                let idle = batch.events.is_empty();
                lost = !self.step(&outlet, &mut batch, &mut asked);
                if idle {
                    self.broom.sweep(&mut self.store);
                }
            }
            if !running {
                break;
            }
        }
        if let Err(error) = self.store.checkpoint() {
            tracing::warn!(%error, "the journal was left in two files");
        }
    }

    fn wait(&self) -> Duration {
        let now = clock::now().timestamp;
        self.fleet
            .next_deadline()
            .map_or(LONGEST_WAIT, |deadline| deadline.since(now))
            .min(self.broom.wait(LONGEST_WAIT))
    }

    /// Takes the first message to come and what else is there, once the next commit is due; `false` once told to stop.
    fn take_batch(&mut self, outlet: &mut Outlet, batch: &mut Batch, asked: &mut Asked) -> bool {
        if self.ears.wait(outlet, self.wait()) {
            thread::sleep(batch.next_commit.since(clock::now().instant));
        }
        self.ears.hear();
        while batch.events.len() < BATCH_MAX {
            let next = outlet.next();
            outlet.take_reports(&mut batch.events);
            match next {
                None => break,
                Some(Message::Reports) => {}
                Some(Message::Event(event)) => batch.events.push(event),
                Some(Message::Ask(event, reply_to, sender)) => {
                    asked.insert(reply_to, sender);
                    batch.events.push(event);
                }
                Some(Message::Deafen) => self.ears.close(),
                Some(Message::Stop) => return false,
            }
        }
        true
    }

    /// Handles a batch; `false` if the journal failed and could not be read again.
    fn step(&mut self, outlet: &Outlet, batch: &mut Batch, asked: &mut Asked) -> bool {
        self.meter.handled(batch.events.len());
        let Batch { events, decided, next_commit } = batch;
        decided.clear();
        // One time for all of them: to look for each costs a fiftieth of what answering it does.
        let now = clock::now();
        for (index, event) in events.drain(..).enumerate() {
            if index % DEAF_MAX == DEAF_MAX - 1 {
                self.ears.wait(outlet, Duration::ZERO);
                self.ears.hear();
            }
            decided.add(self.fleet.handle(event, now));
        }
        if self.fleet.next_deadline().is_some_and(|deadline| deadline <= now.timestamp) {
            decided.add(self.fleet.handle(Event::Deadline, now));
        }
        if !decided.changes.is_empty() {
            let began = clock::now().instant;
            if let Err(error) = self.store.commit(&decided.changes) {
                self.meter.not_stored();
                log::not_stored(&error, decided.changes.len());
                refuse_all(asked);
                return self.recover();
            }
            self.meter.committed(&decided.changes, clock::now().instant.since(began));
            *next_commit = began + COMMITS_APART;
        }
        self.outlets.send(&mut decided.replies);
        let published = decided.rest.iter().filter_map(|action| match action {
            Action::Publish(notice) => Some(notice),
            _ => None,
        });
        self.meter.apply(published, now.instant);
        self.tap.committed(&decided.changes);
        for action in decided.rest.drain(..) {
            self.carry_out(action, now.timestamp, asked);
        }
        true
    }

    fn carry_out(&mut self, action: Action, now: Timestamp, asked: &mut Asked) {
        match action {
            Action::Commit(_) | Action::Send { .. } => unreachable!("changes and replies were split off"),
            Action::Probe { link, address, client } => self.arp.probe(link, address, client),
            Action::Tell { reply_to, result } => {
                if let Some(sender) = asked.remove(&reply_to) {
                    // The asker may have gone; the result stands all the same.
                    let _ = sender.send(result);
                }
            }
            Action::Publish(notice) => {
                // The line is written without the lock.
                let who = log::Who::reading(&notice, &read(&self.board));
                log::notice(&notice, &who);
                write(&self.board).witness(&notice, now);
                self.tap.notice(&notice);
            }
        }
    }

    /// Forgets what was not committed.
    fn recover(&mut self) -> bool {
        match self.store.load() {
            Ok(rows) => {
                self.fleet.reload(rows, clock::now());
                let machines = views(&self.fleet);
                let notices: Vec<Notice> = self.fleet.notices().collect();
                write(&self.board).reset(machines, notices);
                self.tap.lose();
                true
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read; nothing is answered until it can");
                false
            }
        }
    }
}

/// [`Fleet::views`] of every machine, of many on more processors than one.
pub fn views(fleet: &Fleet) -> Vec<Arc<View>> {
    let parts = thread::available_parallelism().map_or(1, |parts| parts.get().min(VIEWERS_MAX)) as u64;
    let ids = fleet.ids().end.0;
    let part = |part: u64| MachineId(ids * part / parts)..MachineId(ids * (part + 1) / parts);
    let views = |part| fleet.views(part).collect::<Vec<_>>();
    thread::scope(|scope| {
        let beside = |range: Range<MachineId>| {
            let again = range.clone();
            let thread = thread::Builder::new().name("views".into()).spawn_scoped(scope, move || views(range));
            // Without a thread it only takes longer.
            thread.map_err(|_| again)
        };
        let others: Vec<_> = (1..parts).map(|each| beside(part(each))).collect();
        let mut machines = views(part(0));
        for other in others {
            machines.append(&mut match other {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(range) => views(range),
            });
        }
        machines
    })
}

/// What one turn of the loop is about. It is kept from turn to turn: its room is large under load, and would be taken from
/// the system and given back each time.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    decided: Decided,
    /// Not before this; see [`COMMITS_APART`].
    next_commit: Instant,
}

type Asked = BTreeMap<ReplyTo, oneshot::Sender<Result<Told, Refusal>>>;

/// What goes into the journal, what leaves once it is there, and what else happens then.
#[derive(Default)]
struct Decided {
    changes: Vec<Change>,
    replies: Vec<Reply>,
    rest: Vec<Action>,
}

impl Decided {
    fn clear(&mut self) {
        self.changes.clear();
        self.replies.clear();
        self.rest.clear();
    }

    fn add(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Commit(change) => self.changes.push(change),
                Action::Send { link, bytes, destination } => self.replies.push(Reply { link, bytes, destination }),
                other => self.rest.push(other),
            }
        }
    }
}

fn refuse_all(asked: &mut Asked) {
    for (_, sender) in std::mem::take(asked) {
        let _ = sender.send(Err(Refusal::NotStored));
    }
}
