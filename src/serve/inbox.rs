//! The way from the shells to the core thread: a queue that sheds what is repeated anyway, and never blocks a shell.
//!
//! Who is heard when more DHCP messages come than can be answered is the gate's. What transfers report, which nobody
//! waits for, lies beside the queue: waking the core for each would cost more than the transfer of a small file.

mod gate;
mod reports;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use self::gate::Gate;
use self::reports::Reports;
use crate::fleet::{Event, Told};
use crate::ids::ReplyTo;
use crate::refusal::Refusal;

/// Events waiting beyond which those that are repeated anyway (DHCP messages, progress) are shed.
const SHED_ABOVE: usize = 4096;

/// Events waiting beyond which a DHCP message of a client that was not heard before is shed: the others are under way.
const STRANGERS_SHED_ABOVE: usize = SHED_ABOVE / 2;

/// How long the core leaves reports lying while more of them come.
const REPORTS_LIE: Duration = Duration::from_millis(5);

/// The way in, for every shell.
#[derive(Clone, Debug)]
pub struct Inbox {
    sender: Sender<Message>,
    waiting: Arc<AtomicUsize>,
    gate: Arc<Gate>,
    reports: Arc<Reports>,
    shed: Arc<AtomicU64>,
    next_reply: Arc<AtomicU64>,
}

/// What lies in the inbox.
#[derive(Debug)]
pub enum Message {
    /// Something that happened.
    Event(Event),
    /// Something that happened, and somebody who waits for its result.
    Ask(Event, ReplyTo, oneshot::Sender<Result<Told, Refusal>>),
    /// There are reports, after a time without.
    Reports,
    /// Read no further.
    Stop,
}

impl Inbox {
    /// The inbox and its reading end.
    pub fn new() -> (Inbox, Outlet) {
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Gate::new());
        let reports = Arc::new(Reports::default());
        let inbox = Inbox {
            sender,
            waiting: waiting.clone(),
            gate: gate.clone(),
            reports: reports.clone(),
            shed: Arc::default(),
            next_reply: Arc::new(AtomicU64::new(1)),
        };
        (inbox, Outlet { receiver, waiting, gate, reports, more_reports: false })
    }

    /// Hands in an event that must arrive.
    pub fn tell(&self, event: Event) {
        self.send(Message::Event(event));
    }

    /// Hands in an event that its sender repeats; under overload it is shed, and the answer is `false`.
    pub fn offer(&self, event: Event) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting >= SHED_ABOVE {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let room = self.gate.admits(&event, waiting >= STRANGERS_SHED_ABOVE);
        if room {
            self.tell(event);
        }
        room
    }

    /// Hands in what a transfer reports. It is handled before everything that is handed in later, and else a few
    /// milliseconds late; progress, which is told again, is shed under overload.
    pub fn report(&self, event: Event) {
        if matches!(event, Event::FetchProgress { .. }) && self.waiting() >= SHED_ABOVE {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.reports.add(event) {
            self.send(Message::Reports);
        }
    }

    /// Hands in an event and waits for its result.
    ///
    /// # Errors
    /// What the fleet refuses; [`Refusal::NotStored`] if the journal could not be written; [`Refusal::Busy`] if too
    /// much is waiting already.
    pub async fn ask(&self, event: impl FnOnce(ReplyTo) -> Event) -> Result<Told, Refusal> {
        if self.waiting.load(Ordering::Relaxed) >= SHED_ABOVE {
            return Err(Refusal::Busy("too many requests are waiting"));
        }
        let reply_to = ReplyTo(self.next_reply.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.send(Message::Ask(event(reply_to), reply_to, sender));
        receiver.await.unwrap_or(Err(Refusal::NotStored))
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many events were shed so far, by the reason.
    pub fn shed(&self) -> [(&'static str, u64); 3] {
        let [repeated, strangers] = self.gate.shed();
        [("full", self.shed.load(Ordering::Relaxed)), ("repeated", repeated), ("strangers", strangers)]
    }

    /// Ends the loop, after everything handed in before.
    pub fn stop(&self) {
        self.send(Message::Stop);
    }

    fn send(&self, message: Message) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The loop ends only at shutdown; what comes later has nobody to serve it.
        let _ = self.sender.send(message);
    }
}

/// The reading end of the inbox.
#[derive(Debug)]
pub struct Outlet {
    receiver: Receiver<Message>,
    waiting: Arc<AtomicUsize>,
    gate: Arc<Gate>,
    reports: Arc<Reports>,
    /// There were some when last looked at.
    more_reports: bool,
}

impl Outlet {
    /// The next message, if one comes in time; nothing, too, when it is time for [`Outlet::take_reports`]. When every
    /// sender is gone, that is a stop.
    pub fn wait(&self, time: Duration) -> Option<Message> {
        let time = if self.more_reports { time.min(REPORTS_LIE) } else { time };
        let message = match self.receiver.recv_timeout(time) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some(Message::Stop),
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Message::Event(event) = &message {
            self.gate.left(event);
        }
        Some(message)
    }

    /// Takes what was reported, before every message that was handed in later.
    pub fn take_reports(&mut self, events: &mut Vec<Event>) {
        let taken = self.reports.take(events);
        self.more_reports = taken > 0;
        self.waiting.fetch_sub(taken, Ordering::Relaxed);
    }
}
