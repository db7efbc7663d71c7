//! One read transfer as a sans-IO machine.
//!
//! Owns the order of a transfer: the OACK, which blocks are due, what an ACK proves, when to repeat, when to give up.
//! Touches no byte of the content: it names runs of blocks, and the shell reads and sends them.
//!
//! Invariants: a transfer is [`Outcome::Complete`] only when its last block was acknowledged; at most one window is
//! unacknowledged; a window goes out again only by the timer, or once for a client that asks for it.

mod options;

use std::time::Duration;

use crate::time::Instant;
use crate::transfer::Outcome;
use crate::wire::tftp::{ErrorCode, Options, Packet};

pub use options::{Limits, Terms};

/// First repetition of DATA. A Pi's start4.elf takes a repeated block N for N+1 (raspberrypi/firmware#1631), so never
/// before a healthy client must have answered.
const DATA_PATIENCE: Duration = Duration::from_secs(1);

/// First repetition of an OACK. Clients repeat their RRQ after 2 s (Pi 4) to 5 s (U-Boot), and a second OACK
/// upsets a Pi 3 (raspberrypi/firmware#1041), so they go first.
const OACK_PATIENCE: Duration = Duration::from_secs(3);

/// Repetitions are never further apart than this, unless the client asked for more.
const MAX_PATIENCE: Duration = Duration::from_secs(8);

/// Without anything newly acknowledged for this long, the transfer is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Gaps in a row that are believed. With 1 % loss and windows of 64, one series in 400 is longer.
const MAX_GAPS: u8 = 8;

/// What the shell does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the next packet or the deadline decides.
    Wait,
    /// Send the OACK with these options.
    Offer(Options),
    /// Send these blocks, in order.
    Send(Run),
    /// The transfer is over; send nothing more.
    End(Outcome),
}

/// Consecutive blocks of one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    first: u64,
    count: u16,
    blksize: u16,
    size: u64,
}

/// One block of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number on the wire.
    pub number: u16,
    /// Where its content begins in the file, in bytes.
    pub offset: u64,
    /// Bytes of content; less than the block size, perhaps 0, in the last block.
    pub length: u16,
}

impl Run {
    /// The blocks, in order.
    pub fn blocks(self) -> impl ExactSizeIterator<Item = Block> {
        (0..self.count).map(move |index| {
            let before = self.first - 1 + u64::from(index);
            let offset = before * u64::from(self.blksize);
            let length = self.size.saturating_sub(offset).min(u64::from(self.blksize));
            // Blocks are counted from 1 and wrap to 0: every client that goes past 65535 expects that.
            let number = (before + 1) as u16;
            Block { number, offset, length: length as u16 }
        })
    }

    /// Where the run's content begins in the file, in bytes.
    pub fn offset(self) -> u64 {
        (self.first - 1) * u64::from(self.blksize)
    }

    /// Bytes of content in the run.
    pub fn length(self) -> usize {
        let whole = u64::from(self.count) * u64::from(self.blksize);
        // At most 64 blocks of 64 KiB, so it fits any usize.
        self.size.saturating_sub(self.offset()).min(whole) as usize
    }
}

/// A file on its way to one client.
#[derive(Clone, Debug)]
pub struct Transfer {
    terms: Terms,
    size: u64,
    /// Number of the last block, which is the one shorter than the block size.
    last: u64,
    /// Every block up to this one has arrived.
    acked: u64,
    /// Every block up to this one has been sent at least once.
    sent: u64,
    /// The OACK is out and not acknowledged.
    offering: bool,
    /// A packet of the client has proven that it knows this transfer.
    answered: bool,
    /// Windows for which an ACK of the block before them is an echo of earlier repetitions, not a plea.
    echoes: u8,
    /// Windows begun anew at a gap since one was last acknowledged as a whole.
    gaps: u8,
    /// What is outstanding went out more than once, so its ACK measures nothing.
    repeated: bool,
    /// The slowest recent answer, fading.
    response: Duration,
    /// Time until the next repetition.
    patience: Duration,
    sent_at: Instant,
    progress_at: Instant,
}

impl Transfer {
    /// Begins a transfer of `size` bytes to a client that asked with `asked`, and says what to send first.
    ///
    /// The client is answered with an OACK only if one of its options is granted; else block 1 goes out at once,
    /// in windows of one block.
    pub fn start(asked: &Options, size: u64, limits: Limits, now: Instant) -> (Self, Step) {
        let terms = Terms::negotiate(asked, size, limits);
        let mut transfer = Transfer {
            terms,
            size,
            last: size / u64::from(terms.blksize) + 1,
            acked: 0,
            sent: 0,
            offering: !terms.granted.is_empty(),
            answered: false,
            echoes: 0,
            gaps: 0,
            repeated: false,
            response: Duration::ZERO,
            patience: Duration::ZERO,
            sent_at: now,
            progress_at: now,
        };
        transfer.patience = transfer.first_patience();
        let step = transfer.send_window(now);
        (transfer, step)
    }

    /// Takes one packet of the client. Packets that make no sense here change nothing.
    pub fn handle(&mut self, packet: &Packet<'_>, now: Instant) -> Step {
        match packet {
            Packet::Ack { block } => self.acknowledged(*block, now),
            Packet::Error { code, message } => Step::End(ended_by_client(*code, message)),
            _ => Step::Wait,
        }
    }

    /// Takes a repetition of the request that began this transfer: the first answer was lost, so it goes out again.
    pub fn asked_again(&mut self, now: Instant) -> Step {
        if self.answered {
            return Step::Wait;
        }
        self.repeated = true;
        self.echoes = 2;
        self.send_window(now)
    }

    /// Takes the passing of time; before [`Transfer::next_deadline`] that changes nothing.
    pub fn timed_out(&mut self, now: Instant) -> Step {
        if now < self.next_deadline() {
            return Step::Wait;
        }
        if now.since(self.progress_at) >= self.silence() {
            let missing = if self.offering { "the OACK".to_owned() } else { format!("block {}", self.acked + 1) };
            let secs = self.silence().as_secs();
            return Step::End(Outcome::Broken(format!("{missing} was not acknowledged for {secs} s")));
        }
        self.patience = (self.patience * 2).min(MAX_PATIENCE.max(self.first_patience()));
        self.gaps = 0;
        self.repeated = true;
        self.echoes = 2;
        self.send_window(now)
    }

    /// When [`Transfer::timed_out`] has something to do.
    pub fn next_deadline(&self) -> Instant {
        (self.sent_at + self.patience).min(self.progress_at + self.silence())
    }

    /// Whether the client has acknowledged anything yet.
    pub fn answered(&self) -> bool {
        self.answered
    }

    /// Bytes of the content that have been sent at least once.
    pub fn sent_bytes(&self) -> u64 {
        self.size.min(self.sent * u64::from(self.terms.blksize))
    }

    fn acknowledged(&mut self, block: u16, now: Instant) -> Step {
        if self.offering {
            if block != 0 {
                return Step::Wait;
            }
            self.offering = false;
            self.progressed(now);
            self.patience = self.first_patience();
            return self.send_window(now);
        }
        // Block numbers wrap, so only their distance from the last acknowledged one means something. The window is
        // far smaller than 65536, so the distance is unambiguous.
        let distance = u64::from(block.wrapping_sub(self.acked as u16));
        if distance == 0 {
            return self.asked_for_window(now);
        }
        if distance > self.sent - self.acked {
            // Of an earlier window, or of a block never sent.
            return Step::Wait;
        }
        self.acked += distance;
        self.progressed(now);
        if self.acked == self.last {
            return Step::End(Outcome::Complete);
        }
        if self.acked < self.sent {
            return self.gap(now);
        }
        self.gaps = 0;
        self.send_window(now)
    }

    /// Only part of the window was acknowledged: the block after that part is missing (RFC 7440 §4), and the client
    /// discards what comes after it. So the window begins anew there.
    fn gap(&mut self, now: Instant) -> Step {
        // Each block after the gap is acknowledged with the same number.
        self.echoes = self.echoes.max(1);
        if self.gaps < MAX_GAPS {
            self.gaps += 1;
            return self.send_window(now);
        }
        // So many gaps in a row are rather second copies that meet a client which has the blocks: a doubled block
        // looks like a gap, and so do the copies sent for it. Nothing more is sent twice until the client is through.
        if self.sent == self.last { Step::Wait } else { self.send_after(self.sent, now) }
    }

    /// The block before the window was acknowledged again.
    ///
    /// With windows of one block that is the Sorcerer's Apprentice (RFC 1123 §4.2.3.1), never to be answered. In larger
    /// windows it is how a client says that the first block is missing (RFC 7440 §4): the window goes out again,
    /// unless echoes of earlier repetitions explain the ACK. Answering those would double every later window.
    fn asked_for_window(&mut self, now: Instant) -> Step {
        if self.terms.windowsize == 1 || self.echoes > 0 {
            return Step::Wait;
        }
        self.repeated = true;
        self.echoes = 2;
        self.send_window(now)
    }

    /// Notes that the client moved on.
    fn progressed(&mut self, now: Instant) {
        self.answered = true;
        self.echoes = self.echoes.saturating_sub(1);
        self.progress_at = now;
        if !self.repeated {
            // Karn: only what went out once tells how long an answer takes. After a repetition the longer
            // patience stays, else a client slower than it would be sent every block twice.
            self.response = now.since(self.sent_at).max(self.response * 7 / 8);
            self.patience = (self.response * 2).min(MAX_PATIENCE).max(self.first_patience());
        }
        self.repeated = false;
    }

    /// The OACK, or the window after the last acknowledged block.
    fn send_window(&mut self, now: Instant) -> Step {
        if self.offering {
            self.sent_at = now;
            return Step::Offer(self.terms.granted);
        }
        self.send_after(self.acked, now)
    }

    /// The blocks after `before`, to the end of the window.
    fn send_after(&mut self, before: u64, now: Instant) -> Step {
        self.sent_at = now;
        let end = self.last.min(self.acked + u64::from(self.terms.windowsize));
        self.sent = self.sent.max(end);
        // A window has at most 64 blocks.
        let count = (end - before) as u16;
        Step::Send(Run { first: before + 1, count, blksize: self.terms.blksize, size: self.size })
    }

    fn first_patience(&self) -> Duration {
        let ours = if self.offering { OACK_PATIENCE } else { DATA_PATIENCE };
        self.terms.granted.timeout_secs.map_or(ours, |secs| Duration::from_secs(secs.into()))
    }

    /// Long enough for one repetition, whatever `timeout` the client asked for.
    fn silence(&self) -> Duration {
        SILENCE.max(self.first_patience() * 2)
    }
}

/// What an ERROR of the client means. Firmware ends a transfer this way when it only wanted to know the size (EDK2: 8)
/// or whether the file exists (Pi: 0 "Early terminate"; Intel UNDI: 0 "TFTP Aborted"), or has read enough (GRUB: 0).
fn ended_by_client(code: ErrorCode, message: &str) -> Outcome {
    let said = format!("client error {}: {}", code.0, message.trim_end_matches('.'));
    match code {
        ErrorCode::NOT_DEFINED | ErrorCode::OPTIONS_REFUSED | ErrorCode::UNKNOWN_TRANSFER => Outcome::Abandoned(said),
        _ => Outcome::Broken(said),
    }
}

#[cfg(test)]
mod tests;
