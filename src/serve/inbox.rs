//! The way from the shells to the core thread: a queue that sheds what is repeated anyway, and never blocks a shell.
//!
//! Who is heard when more DHCP messages come than can be answered is the gate's. What transfers report, which nobody
//! waits for, lies beside the queue: waking the core for each would cost more than the transfer of a small file.

mod gate;
mod queue;
mod reports;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use nix::poll::PollFd;
use tokio::sync::oneshot;

use self::gate::Gate;
use self::queue::Queue;
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
    queue: Arc<Queue>,
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
    /// Hear no more DHCP messages.
    Deafen,
    /// Read no further.
    Stop,
}

impl Inbox {
    /// The inbox and its reading end.
    ///
    /// # Errors
    /// Of eventfd(2).
    pub fn new() -> io::Result<(Inbox, Outlet)> {
        let queue = Arc::new(Queue::new()?);
        let waiting = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Gate::new());
        let reports = Arc::new(Reports::default());
        let inbox = Inbox {
            queue: queue.clone(),
            waiting: waiting.clone(),
            gate: gate.clone(),
            reports: reports.clone(),
            shed: Arc::default(),
            next_reply: Arc::new(AtomicU64::new(1)),
        };
        Ok((inbox, Outlet { queue, waiting, gate, reports, more_reports: false }))
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

    /// Has the core hear no more DHCP messages: transfers under way may finish, and none is to begin.
    pub fn deafen(&self) {
        self.send(Message::Deafen);
    }

    /// Ends the loop, after everything handed in before.
    pub fn stop(&self) {
        self.send(Message::Stop);
    }

    fn send(&self, message: Message) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.push(message);
    }
}

/// The reading end of the inbox.
#[derive(Debug)]
pub struct Outlet {
    queue: Arc<Queue>,
    waiting: Arc<AtomicUsize>,
    gate: Arc<Gate>,
    reports: Arc<Reports>,
    /// There were some when last looked at.
    more_reports: bool,
}

impl Outlet {
    /// Waits until there is a message, one of `sockets` is ready, it is time for [`Outlet::take_reports`], or `time` is
    /// over; whether a message or a socket was the reason.
    pub fn wait<'s>(&'s self, sockets: &mut Vec<PollFd<'s>>, time: Duration) -> bool {
        self.queue.wait(sockets, if self.more_reports { time.min(REPORTS_LIE) } else { time })
    }

    /// The next message, if one lies here.
    pub fn next(&self) -> Option<Message> {
        let message = self.queue.pop()?;
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

impl Drop for Outlet {
    fn drop(&mut self) {
        self.queue.close();
    }
}
