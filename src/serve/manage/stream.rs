//! What happens, as it happens: to programs, as server-sent events or through a WebSocket.
//!
//! Every event is spelled once, whoever listens, and kept in a ring for those who lost their connection. Nobody is waited
//! for: who falls behind is dropped, and comes back with the last `id` that they have seen.

mod listener;
mod routes;
mod told;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};

pub use self::routes::routes;
use crate::clock;
use crate::ids::MachineId;
use crate::serve::core::{self, SharedBoard};
use crate::serve::tap::{Happening, Tap};
use crate::time::Timestamp;

/// Events that are kept for who comes back.
const KEPT: usize = 4096;

/// Events that a listener may be behind.
const BEHIND: usize = 1024;

/// Listeners at once.
const LISTENERS: usize = 256;

/// How long events are still collected after the last listener has gone: they may come back.
const LINGER: Duration = Duration::from_secs(120);

/// How often it is looked whether somebody still listens.
const LOOKED: Duration = Duration::from_secs(10);

/// An event as it is sent.
#[derive(Debug)]
pub struct Told {
    number: u64,
    kind: &'static str,
    machine: Option<MachineId>,
    /// JSON on one line.
    text: String,
}

/// Everything that is told.
pub struct Stream {
    tap: Tap,
    /// Taken by the one who spells.
    happenings: Mutex<Option<mpsc::Receiver<(Timestamp, Happening)>>>,
    /// Of this run of the server: numbers of another one mean nothing here.
    run: String,
    ring: Mutex<Ring>,
    live: broadcast::Sender<Option<Arc<Told>>>,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Ring {
    kept: VecDeque<Arc<Told>>,
    /// The number of the next event.
    next: u64,
    /// Events from this number on are whole.
    whole_from: u64,
    /// Whether the tap is open.
    collects: bool,
    /// When somebody listened last.
    listened: Timestamp,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("run", &self.run).finish_non_exhaustive()
    }
}

/// What somebody gets who begins to listen.
struct Begun {
    backlog: VecDeque<Arc<Told>>,
    live: broadcast::Receiver<Option<Arc<Told>>>,
    /// The number of the last event before.
    from: u64,
    /// Whether what they have seen does not lead up to what they get.
    gap: bool,
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    /// Of what comes out of `tap`.
    pub fn new((tap, happenings): (Tap, mpsc::Receiver<(Timestamp, Happening)>)) -> Stream {
        Stream {
            tap,
            happenings: Mutex::new(Some(happenings)),
            run: format!("{:x}", clock::now().timestamp.millis()),
            ring: Mutex::new(Ring { next: 1, whole_from: 1, ..Ring::default() }),
            live: broadcast::Sender::new(BEHIND),
            room: Arc::new(Semaphore::new(LISTENERS)),
        }
    }

    /// Spells what happens until `stopped`; then whoever listens is told that there is no more.
    pub async fn run(&self, board: &SharedBoard, mut stopped: watch::Receiver<bool>) {
        let taken = self.happenings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let Some(mut happenings) = taken else { return };
        let mut looks = tokio::time::interval(LOOKED);
        loop {
            tokio::select! {
                happening = happenings.recv() => match happening {
                    Some((at, happening)) => self.tell(board, at, &happening),
                    None => break,
                },
                _ = looks.tick() => self.look(),
                _ = stopped.wait_for(|stop| *stop) => break,
            }
        }
        self.tap.open(false);
        // Nobody may listen: then there is no one to tell.
        let _ = self.live.send(None);
    }

    fn tell(&self, board: &SharedBoard, at: Timestamp, happening: &Happening) {
        let spelled = told::spell(&core::read(board), happening);
        let mut ring = self.ring();
        let number = ring.next;
        ring.next += 1;
        let text = spelled.text(&self.id(number), at);
        let told = Arc::new(Told { number, kind: spelled.kind, machine: spelled.machine, text });
        ring.kept.push_back(told.clone());
        if ring.kept.len() > KEPT {
            ring.kept.pop_front();
        }
        let _ = self.live.send(Some(told));
    }

    /// Shuts the tap when nobody has listened for a while.
    fn look(&self) {
        let mut ring = self.ring();
        let now = clock::now().timestamp;
        if self.live.receiver_count() > 0 {
            ring.listened = now;
        } else if ring.collects && now.since(ring.listened) > LINGER {
            self.tap.open(false);
            ring.collects = false;
            ring.kept.clear();
            ring.next += 1;
            ring.whole_from = ring.next;
        }
    }

    /// Begins to listen, after the event of that id; `None` if too many listen already.
    fn begin(&self, last: Option<&str>) -> Option<Begun> {
        let permit = self.room.clone().try_acquire_owned().ok()?;
        let mut ring = self.ring();
        ring.listened = clock::now().timestamp;
        ring.collects = true;
        self.tap.open(true);
        let live = self.live.subscribe();
        let oldest = ring.kept.front().map_or(ring.next, |told| told.number).max(ring.whole_from);
        let seen = last.map(|last| self.number(last).filter(|seen| *seen + 1 >= oldest && *seen < ring.next));
        let (gap, after) = match seen {
            None => (false, ring.next - 1),
            Some(Some(seen)) => (false, seen),
            Some(None) => (true, ring.next - 1),
        };
        let backlog = ring.kept.iter().filter(|told| told.number > after).cloned().collect();
        Some(Begun { backlog, live, from: after, gap, _permit: permit })
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        number.parse().ok().filter(|_| run == self.run)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests;
