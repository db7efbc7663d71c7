//! Scripts of packets and time against one TFTP transfer, with a model of what the client has.
//!
//! The first bytes say what is asked for, each later one what happens. Whatever does: nothing beyond the file is sent,
//! nothing that was acknowledged, never more than a window; only the last acknowledgement completes, and silence ends.

use std::time::Duration;

use hatchery::tftp::{Limits, Step, Terms, Transfer};
use hatchery::time::Instant;
use hatchery::transfer::Outcome;
use hatchery::wire::tftp::{ErrorCode, MAX_BLKSIZE, Options, Packet};

use crate::script::Script;

/// Deadlines in a row without a word of the client after which every transfer must be over.
const PATIENCE: usize = 40;

/// Whether the client acknowledged a block of content.
pub fn run(bytes: &[u8]) -> bool {
    let mut script = Script::all(bytes);
    let flags = script.byte();
    let option = |bit: u8, value: u16| (flags & bit != 0).then_some(value);
    let asked = Options {
        blksize: option(1, script.word().clamp(8, MAX_BLKSIZE)),
        timeout_secs: option(2, script.word()).map(|secs| secs.to_be_bytes()[1].max(1)),
        tsize: option(4, 0).map(u64::from),
        windowsize: option(8, script.word().max(1)),
    };
    // Sizes around multiples of a block are where the last block goes wrong.
    let size = u64::from(script.word()) * if flags & 16 == 0 { 1 } else { 512 };
    let limits = Limits { max_windowsize: if flags & 32 == 0 { 64 } else { 4 }, ..Limits::for_mtu(1500) };

    let terms = Terms::negotiate(&asked, size, limits);
    let (transfer, first) = Transfer::start(&asked, size, limits, Instant::START);
    let last = size / u64::from(terms.blksize) + 1;
    let offering = !terms.granted.is_empty();
    let mut world = World { transfer, terms, size, last, offering, acked: 0, sent: 0, now: Instant::START };
    let mut running = world.check(first);
    while running && !script.is_over() {
        let step = world.happens(&mut script);
        running = world.check(step);
    }
    for _ in 0..PATIENCE {
        if !running {
            return world.acked > 0;
        }
        world.now = world.transfer.next_deadline().max(world.now);
        let step = world.transfer.timed_out(world.now);
        running = world.check(step);
        assert!(!running || world.transfer.next_deadline() > world.now, "a timer that is always due");
    }
    panic!("{PATIENCE} deadlines in silence, and the transfer goes on");
}

struct World {
    transfer: Transfer,
    terms: Terms,
    size: u64,
    last: u64,
    /// The OACK is out and not acknowledged.
    offering: bool,
    /// The client has every block up to this one.
    acked: u64,
    /// The highest block sent.
    sent: u64,
    now: Instant,
}

impl World {
    fn happens(&mut self, script: &mut Script<'_>) -> Step {
        let what = script.byte();
        match what % 8 {
            // By the book.
            0 | 1 => self.ack(if self.offering { 0 } else { self.sent as u16 }),
            // Part of a window, or the block before it again.
            2 => self.ack((self.acked + u64::from(what / 8).min(self.sent - self.acked)) as u16),
            3 => {
                let block = script.word();
                self.ack(block)
            }
            4 => self.transfer.asked_again(self.now),
            5 => {
                self.now = self.now + Duration::from_millis(u64::from(what) * 40);
                self.transfer.timed_out(self.now)
            }
            6 => {
                self.now = self.transfer.next_deadline().max(self.now);
                self.transfer.timed_out(self.now)
            }
            _ if what > 0xf0 => {
                let error = Packet::Error { code: ErrorCode(u16::from(script.byte())), message: "no".to_owned() };
                let step = self.transfer.handle(&error, self.now);
                assert!(matches!(step, Step::End(Outcome::Abandoned(_) | Outcome::Broken(_))), "{step:?}");
                step
            }
            // What no client says.
            _ => {
                let packets = [Packet::Data { block: 1, content: script.rest() }, Packet::Oack(Options::default())];
                let step = self.transfer.handle(&packets[usize::from(what / 8) % 2], self.now);
                assert_eq!(step, Step::Wait);
                step
            }
        }
    }

    fn ack(&mut self, block: u16) -> Step {
        if self.offering {
            self.offering = block != 0;
        } else {
            let ahead = u64::from(block.wrapping_sub(self.acked as u16));
            self.acked += if ahead <= self.sent - self.acked { ahead } else { 0 };
        }
        self.transfer.handle(&Packet::Ack { block }, self.now)
    }

    /// Whether the transfer goes on after a step that was right.
    fn check(&mut self, step: Step) -> bool {
        match step {
            Step::Wait => true,
            Step::Offer(options) => {
                assert!(self.offering && options == self.terms.granted, "{options:?}");
                true
            }
            Step::Send(run) => {
                assert!(!self.offering, "DATA before the client knows the options");
                let blksize = u64::from(self.terms.blksize);
                let mut length = 0;
                for (index, block) in run.blocks().enumerate() {
                    assert_eq!(block.offset, run.offset() + index as u64 * blksize);
                    let number = block.offset / blksize + 1;
                    assert_eq!((block.offset % blksize, block.number), (0, number as u16));
                    assert!(number > self.acked && number <= self.acked + u64::from(self.terms.windowsize));
                    assert!(number <= self.last && block.offset + u64::from(block.length) <= self.size);
                    assert_eq!(number == self.last, u64::from(block.length) < blksize, "only the last one is short");
                    self.sent = self.sent.max(number);
                    length += usize::from(block.length);
                }
                assert!(run.blocks().len() > 0 && run.length() == length);
                assert_eq!(self.transfer.sent_bytes(), self.size.min(self.sent * blksize));
                true
            }
            Step::End(outcome) => {
                assert_eq!(outcome == Outcome::Complete, self.acked == self.last && !self.offering, "{outcome:?}");
                false
            }
        }
    }
}
