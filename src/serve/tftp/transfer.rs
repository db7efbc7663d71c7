//! One transfer on its way: the loop that brings packets and time to [`Transfer`], and blocks to the client.
//!
//! Owns the transfer's socket, its content and its report. Every decision is [`Transfer`]'s.
//!
//! Invariant: each `started` is followed by exactly one `finished`, however the transfer ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::{error_packet, socket::TransferSocket};
use crate::ids::TransferId;
use crate::refusal::Refusal;
use crate::serve::content::{Content, FileSource};
use crate::tftp::{Limits, Run, Step, Transfer};
use crate::time::Instant;
use crate::transfer::{Outcome, Via};
use crate::wire::tftp::{ErrorCode, Options, Packet};

/// Progress is reported no more often than this.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// Bytes read from a file at once, so that a window of one block does not cost one read each.
const READ_AHEAD: usize = 64 * 1024;

/// A client that answers one block within this time is waited for awake: falling asleep and being woken takes as long.
const PROMPT: Duration = Duration::from_micros(50);

/// The longest packet a client has to say: an ERROR with a long message.
const CLIENT_PACKET: usize = 1024;

/// Who asks for what, and what is granted at most.
pub(super) struct Asked {
    pub client: SocketAddrV4,
    pub name: String,
    pub options: Options,
    pub max_blksize: u16,
    pub max_windowsize: u16,
}

/// How far a transfer is, as the listener must know it to treat a repeated request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The content is being opened; nothing was sent.
    Opening = 0,
    /// The first answer is out; the client has not acknowledged anything.
    Unanswered = 1,
    /// The client has taken up the transfer.
    Running = 2,
    /// The transfer has come to its end; the port is free.
    Over = 3,
    /// A new request from the same port has taken its place.
    Superseded = 4,
    /// Its client had more than others, and another one had none.
    GivenUp = 5,
}

/// What the listener and a transfer tell each other.
#[derive(Default)]
pub(super) struct Shared {
    phase: AtomicU8,
    asked_again: Notify,
    /// The listener holds it, and what it shares with each transfer.
    crowd: Arc<()>,
}

impl Shared {
    pub fn new(crowd: &Arc<()>) -> Shared {
        Shared { crowd: Arc::clone(crowd), ..Shared::default() }
    }

    /// Whether there is no other transfer.
    fn is_alone(&self) -> bool {
        Arc::strong_count(&self.crowd) <= 2
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Opening,
            1 => Phase::Unanswered,
            2 => Phase::Running,
            3 => Phase::Over,
            4 => Phase::Superseded,
            _ => Phase::GivenUp,
        }
    }

    pub fn enter(&self, phase: Phase) {
        // Both sides write, and a phase is never left for an earlier one.
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    pub fn ask_again(&self) {
        self.asked_again.notify_one();
    }
}

/// Opens what was asked for and sends it.
pub(super) async fn run(asked: Asked, socket: TransferSocket, files: Arc<dyn FileSource>, shared: Arc<Shared>) {
    let (client, name) = (asked.client, asked.name.clone());
    match serve(asked, socket, &files, &shared).await {
        Ok(outcome) => tracing::debug!(%client, ?name, ?outcome, "TFTP transfer ended"),
        Err(refusal) => tracing::debug!(%client, ?name, kind = refusal.kind(), ?refusal, "TFTP request refused"),
    }
}

async fn serve(
    asked: Asked,
    socket: TransferSocket,
    files: &Arc<dyn FileSource>,
    shared: &Shared,
) -> Result<Outcome, Refusal> {
    let content = match open(files, *asked.client.ip(), asked.name.clone()).await {
        Ok(content) => content,
        Err(refusal) => {
            if let Some(packet) = error_packet(&refusal) {
                log_lost(socket.send(&packet).await);
            }
            return Err(refusal);
        }
    };
    let limits = Limits {
        max_blksize: Limits::for_mtu(socket.mtu()).max_blksize.min(asked.max_blksize),
        max_windowsize: asked.max_windowsize,
    };
    let epoch = TokioInstant::now();
    let (transfer, first) = Transfer::start(&asked.options, content.size(), limits, Instant::START);
    shared.enter(Phase::Unanswered);
    let ip = *asked.client.ip();
    let report = Report {
        files: files.as_ref(),
        transfer: files.started(ip, &asked.name, content.size(), Via::Tftp),
        sent: 0,
        reported_at: Instant::START,
        outcome: None,
        shared,
    };
    let source = Source { content, start: 0, buffer: Vec::new() };
    Ok(Driver { socket, source, transfer, shared, report, epoch, is_prompt: true }.drive(first).await)
}

/// Opens a name; off the async threads where it may wait for a disk.
async fn open(files: &Arc<dyn FileSource>, asker: Ipv4Addr, name: String) -> Result<Content, Refusal> {
    if let Some(content) = files.open_at_once(asker, &name, Via::Tftp) {
        return Ok(content);
    }
    let files = Arc::clone(files);
    let opened = tokio::task::spawn_blocking(move || files.open(asker, &name, Via::Tftp)).await;
    opened.unwrap_or(Err(Refusal::Busy("the file could not be opened")))
}

struct Driver<'a> {
    socket: TransferSocket,
    source: Source,
    transfer: Transfer,
    shared: &'a Shared,
    report: Report<'a>,
    epoch: TokioInstant,
    /// Whether the client's last answer came within [`PROMPT`].
    is_prompt: bool,
}

impl Driver<'_> {
    async fn drive(mut self, first: Step) -> Outcome {
        let outcome = self.exchange(first).await;
        self.shared.enter(Phase::Over);
        self.report.sent = self.transfer.sent_bytes();
        self.report.outcome = Some(outcome.clone());
        outcome
    }

    async fn exchange(&mut self, first: Step) -> Outcome {
        let mut step = first;
        let mut packet = [0; CLIENT_PACKET];
        let alarm = sleep_until(self.epoch + self.transfer.next_deadline().since_start());
        tokio::pin!(alarm);
        loop {
            let lone_block = matches!(&step, Step::Send(run) if run.blocks().len() == 1);
            let sent = match step {
                Step::Wait => Ok(()),
                Step::Offer(options) => self.socket.send(&Packet::Oack(options).encode()).await,
                Step::Send(run) => match self.source.read(run) {
                    Ok(content) => self.socket.send_run(run, content).await,
                    Err(error) => return self.unreadable(&error).await,
                },
                Step::End(outcome) => return outcome,
            };
            if is_port_closed(&sent) {
                return port_closed();
            }
            log_lost(sent);
            let sent_at = self.now();
            self.report.progress(self.transfer.sent_bytes(), sent_at);
            // Where there are others, somebody has always something to do, and looking would only keep it waiting.
            if lone_block
                && self.is_prompt
                && self.shared.is_alone()
                && let Some(received) = self.socket.receive_within(PROMPT, &mut packet).await
            {
                step = self.received(&packet, received);
                continue;
            }
            // Most deadlines are moved before they come. So the timer is left alone while it would fire too early,
            // which is harmless, and moved only when it would fire too late.
            let deadline = self.epoch + self.transfer.next_deadline().since_start();
            if deadline < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(deadline);
            }
            step = tokio::select! {
                received = self.socket.receive(&mut packet) => {
                    self.is_prompt = self.now().since(sent_at) < PROMPT;
                    self.received(&packet, received)
                }
                () = self.shared.asked_again.notified() => self.transfer.asked_again(self.now()),
                () = &mut alarm => self.transfer.timed_out(self.now()),
            };
        }
    }

    fn received(&mut self, buffer: &[u8], received: io::Result<usize>) -> Step {
        if is_port_closed(&received) {
            return Step::End(port_closed());
        }
        // Other errors are ICMP messages of a moment's trouble on the way, which the timer outlasts.
        let Ok(length) = received else { return Step::Wait };
        let Ok(packet) = Packet::parse(&buffer[..length]) else { return Step::Wait };
        let step = self.transfer.handle(&packet, self.now());
        if self.transfer.answered() && self.shared.phase() == Phase::Unanswered {
            self.shared.enter(Phase::Running);
        }
        step
    }

    async fn unreadable(&mut self, error: &io::Error) -> Outcome {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the file became shorter while it was sent".to_owned(),
            _ => format!("the file cannot be read: {error}"),
        };
        let packet = Packet::Error { code: ErrorCode::NOT_DEFINED, message: what.clone() };
        log_lost(self.socket.send(&packet.encode()).await);
        Outcome::Broken(what)
    }

    fn now(&self) -> Instant {
        Instant::from_start(self.epoch.elapsed())
    }
}

/// The content, with a stretch of the file kept in memory.
struct Source {
    content: Content,
    /// Where in the file the buffer begins.
    start: u64,
    buffer: Vec<u8>,
}

impl Source {
    fn read(&mut self, run: Run) -> io::Result<&[u8]> {
        let (offset, length) = (run.offset(), run.length());
        let file = match &self.content {
            Content::Text(text) => {
                let whole: &[u8] = text;
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                return whole.get(start..start + length).ok_or(io::ErrorKind::UnexpectedEof.into());
            }
            Content::File(file) => file,
        };
        let end = offset + length as u64;
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let left = usize::try_from(file.size - offset).unwrap_or(usize::MAX);
            self.buffer.resize(left.min(READ_AHEAD.max(length)), 0);
            self.start = offset;
            if let Err(error) = file.file.read_exact_at(&mut self.buffer, offset) {
                self.buffer.clear();
                return Err(error);
            }
        }
        let from = (offset - self.start) as usize;
        Ok(&self.buffer[from..from + length])
    }
}

/// Tells the file source about the transfer; when dropped, that it ended.
struct Report<'a> {
    files: &'a dyn FileSource,
    transfer: TransferId,
    sent: u64,
    reported_at: Instant,
    /// `None` until the transfer came to its own end.
    outcome: Option<Outcome>,
    shared: &'a Shared,
}

impl Report<'_> {
    fn progress(&mut self, sent: u64, now: Instant) {
        self.sent = sent;
        if now.since(self.reported_at) >= REPORT_EVERY {
            self.reported_at = now;
            self.files.progress(self.transfer, sent);
        }
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| match self.shared.phase() {
            Phase::Superseded => Outcome::Abandoned("the client asked anew from the same port".to_owned()),
            Phase::GivenUp => Outcome::Abandoned("the client had more transfers than others".to_owned()),
            _ => Outcome::Broken("the server stopped".to_owned()),
        });
        self.files.finished(self.transfer, self.sent, outcome);
    }
}

/// Whether the client's system says that nobody listens there any more (ICMP port unreachable).
fn is_port_closed<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

fn port_closed() -> Outcome {
    Outcome::Abandoned("the client closed its port".to_owned())
}

/// A datagram that could not be sent is a lost datagram.
fn log_lost(sent: io::Result<()>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "TFTP packet not sent");
    }
}
