//! Whole transfers over a seeded network that loses, doubles, delays and reorders.

use std::collections::BTreeMap;

use super::*;

/// How bad the network is, in packets per thousand.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    lost: u32,
    doubled: u32,
    /// The longest delay in ms; whatever differs in delay may overtake.
    delay: u32,
}

/// A packet on its way. DATA carries where its content comes from, which is the content in a file of distinct bytes.
#[derive(Clone, Debug)]
enum Flying {
    Request,
    Oack(Options),
    Data(Block),
    Ack(u16),
}

/// A client by the book, which acknowledges what does not fit with the last block that did, as EDK2 does.
struct Client {
    blksize: u16,
    windowsize: u16,
    /// The next block, counted without wrapping.
    expected: u64,
    bytes: u64,
    unacknowledged: u16,
    done: bool,
    last_said: Flying,
    patience_ends: Instant,
    tries: u32,
}

const CLIENT_PATIENCE: Duration = Duration::from_secs(4);
const CLIENT_TRIES: u32 = 6;

impl Client {
    fn take(&mut self, flying: &Flying, now: Instant) -> Option<Flying> {
        let answer = match flying {
            Flying::Oack(options) if self.expected == 1 && self.unacknowledged == 0 => {
                self.blksize = options.blksize.unwrap_or(512);
                self.windowsize = options.windowsize.unwrap_or(1);
                Some(Flying::Ack(0))
            }
            Flying::Data(block) if !self.done && block.number == self.expected as u16 => {
                assert_eq!(block.offset, self.bytes, "block {} holds the wrong bytes", self.expected);
                self.bytes += u64::from(block.length);
                self.expected += 1;
                self.unacknowledged += 1;
                self.tries = 0;
                self.done = block.length < self.blksize;
                let due = self.done || self.unacknowledged == self.windowsize;
                due.then_some(Flying::Ack(block.number))
            }
            Flying::Data(_) => Some(Flying::Ack((self.expected - 1) as u16)),
            _ => None,
        };
        if let Some(answer) = &answer {
            self.unacknowledged = 0;
            self.last_said = answer.clone();
            self.patience_ends = now + CLIENT_PATIENCE;
        }
        answer
    }

    fn lose_patience(&mut self, now: Instant) -> Option<Flying> {
        self.tries += 1;
        self.patience_ends = now + CLIENT_PATIENCE;
        // A client that has the whole file has closed its port by now.
        let gone = self.done || self.tries > CLIENT_TRIES;
        (!gone).then(|| self.last_said.clone())
    }
}

struct Ended {
    outcome: Outcome,
    client_done: bool,
    client_bytes: u64,
    /// Blocks that were sent, repetitions included.
    blocks_sent: u64,
}

struct Network {
    luck: fastrand::Rng,
    faults: Faults,
    /// By arrival and order of departure; the flag says whether it goes to the server.
    flying: BTreeMap<(Instant, u64), (bool, Flying)>,
    departures: u64,
}

impl Network {
    fn carry(&mut self, to_server: bool, packet: &Flying, now: Instant) {
        if self.luck.u32(0..1000) < self.faults.lost {
            return;
        }
        let copies = 1 + u32::from(self.luck.u32(0..1000) < self.faults.doubled);
        for _ in 0..copies {
            let arrival = now + Duration::from_micros(100) + MS * self.luck.u32(0..=self.faults.delay);
            self.departures += 1;
            self.flying.insert((arrival, self.departures), (to_server, packet.clone()));
        }
    }
}

/// One transfer of `size` bytes to its end.
fn transfer_over(seed: u64, faults: Faults, asked: Options, size: u64) -> Ended {
    let (mut server, first) = Transfer::start(&asked, size, ethernet(), at(0));
    let mut client = Client {
        blksize: 512,
        windowsize: 1,
        expected: 1,
        bytes: 0,
        unacknowledged: 0,
        done: false,
        last_said: Flying::Request,
        patience_ends: at(0) + CLIENT_PATIENCE,
        tries: 0,
    };
    let mut network = Network { luck: fastrand::Rng::with_seed(seed), faults, flying: BTreeMap::new(), departures: 0 };
    let mut blocks_sent = 0;
    let mut now = at(0);
    let mut step = first;
    loop {
        match step {
            Step::Wait => {}
            Step::Offer(options) => network.carry(false, &Flying::Oack(options), now),
            Step::Send(run) => {
                for block in run.blocks() {
                    blocks_sent += 1;
                    network.carry(false, &Flying::Data(block), now);
                }
            }
            Step::End(outcome) => {
                return Ended { outcome, client_done: client.done, client_bytes: client.bytes, blocks_sent };
            }
        }
        let arrival = network.flying.keys().next().map(|&(arrival, _)| arrival);
        now = server.next_deadline().min(client.patience_ends).min(arrival.unwrap_or(server.next_deadline()));
        step = Step::Wait;
        if arrival.is_some_and(|arrival| arrival <= now) {
            let (_, (to_server, packet)) = network.flying.pop_first().expect("a packet has just arrived");
            match (to_server, packet) {
                (true, Flying::Ack(block)) => step = server.handle(&ack(block), now),
                (true, _) => step = server.asked_again(now),
                (false, packet) => {
                    if let Some(answer) = client.take(&packet, now) {
                        network.carry(true, &answer, now);
                    }
                }
            }
        } else if client.patience_ends <= now {
            if let Some(again) = client.lose_patience(now) {
                network.carry(true, &again, now);
            }
        } else {
            step = server.timed_out(now);
        }
    }
}

fn asking(blksize: u16, windowsize: u16) -> Options {
    Options { blksize: Some(blksize), windowsize: (windowsize > 1).then_some(windowsize), ..NONE }
}

/// The file arrived whole, or the transfer is broken by name. Returns whether it arrived.
#[track_caller]
fn check(seed: u64, faults: Faults, asked: Options, size: u64) -> bool {
    let ended = transfer_over(seed, faults, asked, size);
    let story = format!("seed {seed}, {faults:?}, {asked:?}, size {size}: {:?}", ended.outcome);
    match ended.outcome {
        Outcome::Complete => {
            assert!(ended.client_done && ended.client_bytes == size, "{story}");
            true
        }
        Outcome::Broken(what) => {
            assert!(what.contains("was not acknowledged"), "{story}");
            false
        }
        Outcome::Abandoned(_) => panic!("{story}"),
    }
}

fn sizes(blksize: u64) -> [u64; 7] {
    [0, 1, blksize - 1, blksize, blksize + 1, 16 * blksize, 300 * blksize + 7]
}

#[test]
fn a_good_network_needs_every_block_once() {
    for windowsize in [1, 2, 4, 16, 64] {
        for size in sizes(512) {
            let ended = transfer_over(0, Faults::default(), asking(512, windowsize), size);
            assert_eq!(ended.outcome, Outcome::Complete);
            assert_eq!((ended.client_bytes, ended.blocks_sent), (size, size / 512 + 1), "window {windowsize}");
        }
    }
}

#[test]
fn bad_networks_deliver() {
    let networks = [
        Faults { lost: 20, doubled: 0, delay: 0 },
        Faults { lost: 0, doubled: 200, delay: 0 },
        Faults { lost: 0, doubled: 0, delay: 3 },
        Faults { lost: 20, doubled: 50, delay: 3 },
    ];
    let mut seed = 0;
    for faults in networks {
        for windowsize in [1, 2, 4, 16, 64] {
            for size in sizes(64) {
                for _ in 0..8 {
                    seed += 1;
                    // The very last ACK may be lost, and the client gone when the last block comes again.
                    let arrived = check(seed, faults, asking(64, windowsize), size);
                    assert!(arrived || faults.lost > 0, "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn terrible_networks_deliver_or_say_so() {
    for seed in 0..400 {
        let mut luck = fastrand::Rng::with_seed(seed);
        let faults = Faults { lost: luck.u32(0..700), doubled: luck.u32(0..700), delay: luck.u32(0..2000) };
        let windowsize = [1, 2, 4, 16, 64][luck.usize(0..5)];
        let size = luck.u64(0..20_000);
        check(seed, faults, asking(64, windowsize), size);
        let plain = Options { timeout_secs: luck.bool().then_some(2), ..NONE };
        check(seed, faults, plain, size);
    }
}

#[test]
fn a_dead_network_ends_in_broken() {
    let ended = transfer_over(1, Faults { lost: 1000, ..Faults::default() }, asking(512, 4), 10_000);
    assert_eq!(ended.outcome, Outcome::Broken("the OACK was not acknowledged for 30 s".to_owned()));
}

#[test]
fn more_than_65536_blocks() {
    let faults = Faults { lost: 1, doubled: 1, delay: 0 };
    for (seed, windowsize) in [(1, 1), (2, 4), (3, 64)] {
        for size in [65_534 * 8, 65_535 * 8, 65_535 * 8 + 3, 65_536 * 8, 131_073 * 8 + 5] {
            assert!(check(seed, faults, asking(8, windowsize), size), "window {windowsize}, size {size}");
        }
    }
}

/// A doubled packet must not double the rest of the transfer.
#[test]
fn echoes_do_not_multiply() {
    let blocks = 20_000;
    for windowsize in [1, 2, 4, 16] {
        for seed in 0..8 {
            let faults = Faults { doubled: 1, ..Faults::default() };
            let ended = transfer_over(seed, faults, asking(64, windowsize), blocks * 64 - 1);
            assert_eq!(ended.outcome, Outcome::Complete);
            // Some 20 blocks and as many ACKs are doubled. Each costs a few windows, not all that follow.
            let extra = ended.blocks_sent - blocks;
            assert!(extra <= 300 * u64::from(windowsize), "window {windowsize}, seed {seed}: {extra} more");
        }
        check(0, Faults { doubled: 1000, ..Faults::default() }, asking(64, windowsize), 2000 * 64);
    }
}
