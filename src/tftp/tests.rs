//! Rules one by one; whole transfers over a bad network are in [`network`].

mod network;

use super::*;

const MS: Duration = Duration::from_millis(1);
const NONE: Options = Options { blksize: None, timeout_secs: None, tsize: None, windowsize: None };

fn at(millis: u32) -> Instant {
    Instant::START + MS * millis
}

fn ethernet() -> Limits {
    Limits::for_mtu(1500)
}

fn ack(block: u16) -> Packet<'static> {
    Packet::Ack { block }
}

fn client_error(code: u16, message: &str) -> Packet<'static> {
    Packet::Error { code: ErrorCode(code), message: message.to_owned() }
}

/// The block numbers that a step sends.
#[track_caller]
fn numbers(step: Step) -> Vec<u16> {
    match step {
        Step::Send(run) => run.blocks().map(|block| block.number).collect(),
        other => panic!("sends no blocks: {other:?}"),
    }
}

/// A transfer of 100 blocks of 8 bytes in windows of `windowsize`, its OACK acknowledged at 0 ms.
fn windowed(windowsize: u16) -> Transfer {
    let asked = Options { blksize: Some(8), windowsize: Some(windowsize), ..NONE };
    let (mut transfer, first) = Transfer::start(&asked, 99 * 8, ethernet(), at(0));
    assert!(matches!(first, Step::Offer(_)));
    assert_eq!(numbers(transfer.handle(&ack(0), at(0))), (1..=windowsize).collect::<Vec<_>>());
    transfer
}

#[test]
fn options_are_granted_as_asked_or_smaller() {
    let all = Options { blksize: Some(65464), timeout_secs: Some(5), tsize: Some(0), windowsize: Some(65535) };
    let table = [
        (NONE, NONE),
        (all, Options { blksize: Some(1468), timeout_secs: Some(5), tsize: Some(777), windowsize: Some(64) }),
        (Options { blksize: Some(8), ..NONE }, Options { blksize: Some(8), ..NONE }),
        (
            Options { blksize: Some(1432), tsize: Some(9), ..NONE },
            Options { blksize: Some(1432), tsize: Some(777), ..NONE },
        ),
        (Options { windowsize: Some(4), ..NONE }, Options { windowsize: Some(4), ..NONE }),
    ];
    for (asked, granted) in table {
        assert_eq!(Terms::negotiate(&asked, 777, ethernet()).granted, granted, "{asked:?}");
    }
}

#[test]
fn a_window_of_large_blocks_has_fewer() {
    for (blksize, windowsize) in [(8, 64), (1468, 64), (2048, 64), (8192, 16), (65464, 2)] {
        let asked = Options { blksize: Some(blksize), windowsize: Some(65535), ..NONE };
        let terms = Terms::negotiate(&asked, 0, Limits::for_mtu(65536));
        assert_eq!((terms.blksize, terms.windowsize), (blksize, windowsize));
    }
}

#[test]
fn limits_follow_the_mtu() {
    for (mtu, max_blksize) in [(0, 8), (576, 544), (1500, 1468), (9000, 8968), (65536, 65464), (u32::MAX, 65464)] {
        assert_eq!(Limits::for_mtu(mtu).max_blksize, max_blksize, "MTU {mtu}");
    }
}

#[test]
fn without_options_block_1_comes_at_once() {
    let (mut transfer, first) = Transfer::start(&NONE, 1025, ethernet(), at(0));
    let Step::Send(run) = first else { panic!("{first:?}") };
    assert_eq!(run.blocks().collect::<Vec<_>>(), [Block { number: 1, offset: 0, length: 512 }]);
    assert_eq!(numbers(transfer.handle(&ack(1), at(1))), [2]);
    let Step::Send(run) = transfer.handle(&ack(2), at(2)) else { panic!("no third block") };
    assert_eq!(run.blocks().collect::<Vec<_>>(), [Block { number: 3, offset: 1024, length: 1 }]);
    assert_eq!((run.offset(), run.length(), transfer.sent_bytes()), (1024, 1, 1025));
    assert_eq!(transfer.handle(&ack(3), at(3)), Step::End(Outcome::Complete));
}

#[test]
fn a_size_that_is_a_multiple_ends_in_an_empty_block() {
    for (size, lengths) in [(0, vec![0]), (512, vec![512, 0]), (1024, vec![512, 512, 0])] {
        let (mut transfer, mut step) = Transfer::start(&NONE, size, ethernet(), at(0));
        let mut seen = Vec::new();
        while let Step::Send(run) = step {
            let block = run.blocks().next().expect("a run has a block");
            seen.push(block.length);
            step = transfer.handle(&ack(block.number), at(0));
        }
        assert_eq!((seen, step), (lengths, Step::End(Outcome::Complete)), "size {size}");
    }
}

#[test]
fn rfc_1123_4_2_3_1_duplicate_acks_send_nothing_in_lockstep() {
    let mut transfer = windowed(1);
    assert_eq!(transfer.handle(&ack(0), at(1)), Step::Wait);
    assert_eq!(numbers(transfer.handle(&ack(1), at(2))), [2]);
    for stale in [1, 0, 3, 65535] {
        assert_eq!(transfer.handle(&ack(stale), at(3)), Step::Wait, "ACK {stale}");
    }
}

#[test]
fn rfc_7440_4_a_gap_slides_the_window() {
    let mut transfer = windowed(4);
    assert_eq!(numbers(transfer.handle(&ack(2), at(1))), [3, 4, 5, 6]);
    // Block 4 came after the gap; its ACK repeats the number and is no plea.
    assert_eq!(transfer.handle(&ack(2), at(1)), Step::Wait);
    assert_eq!(numbers(transfer.handle(&ack(6), at(2))), [7, 8, 9, 10]);
}

#[test]
fn a_lost_first_block_repeats_the_window_once() {
    let mut transfer = windowed(4);
    assert_eq!(numbers(transfer.handle(&ack(0), at(1))), [1, 2, 3, 4]);
    // Blocks 3 and 4 of the first copy.
    assert_eq!(transfer.handle(&ack(0), at(1)), Step::Wait);
    assert_eq!(transfer.handle(&ack(0), at(1)), Step::Wait);
    assert_eq!(numbers(transfer.handle(&ack(4), at(2))), [5, 6, 7, 8]);
    // Were the first plea a network's double, the client would now repeat ACK 4 for each block of the second copy.
    assert_eq!(transfer.handle(&ack(4), at(2)), Step::Wait);
    assert_eq!(numbers(transfer.handle(&ack(8), at(3))), [9, 10, 11, 12]);
    assert_eq!(numbers(transfer.handle(&ack(8), at(4))), [9, 10, 11, 12]);
}

#[test]
fn block_numbers_wrap_to_0() {
    let asked = Options { blksize: Some(8), windowsize: Some(4), ..NONE };
    let (mut transfer, _) = Transfer::start(&asked, 8 * 70_000, ethernet(), at(0));
    let mut step = transfer.handle(&ack(0), at(0));
    let mut seen = Vec::new();
    while let Step::Send(run) = step {
        seen.extend(run.blocks());
        step = transfer.handle(&ack(seen.last().expect("a run has a block").number), at(0));
    }
    assert_eq!(step, Step::End(Outcome::Complete));
    assert_eq!(seen.len(), 70_001);
    assert_eq!(seen[65_535], Block { number: 0, offset: 8 * 65_535, length: 8 });
    assert_eq!(seen[70_000], Block { number: 4465, offset: 8 * 70_000, length: 0 });
}

/// The ends that firmware makes on purpose are no failures.
#[test]
fn client_errors() {
    let table = [
        (8, "User aborted the transfer.", true), // EDK2, after it has seen tsize
        (0, "Early terminate", true),            // Pi EEPROM
        (0, "TFTP Aborted", true),               // Intel UNDI
        (0, "closed", true),                     // GRUB
        (5, "Unknown transfer ID", true),
        (4, "Malformatted OACK packet", false), // EDK2
        (3, "Disk full", false),
    ];
    for (code, message, abandoned) in table {
        let asked = Options { blksize: Some(1468), tsize: Some(0), windowsize: Some(4), ..NONE };
        let (mut transfer, _) = Transfer::start(&asked, 173_792, ethernet(), at(0));
        match transfer.handle(&client_error(code, message), at(2)) {
            Step::End(Outcome::Abandoned(_)) => assert!(abandoned, "{message}"),
            Step::End(Outcome::Broken(_)) => assert!(!abandoned, "{message}"),
            other => panic!("{message}: {other:?}"),
        }
    }
}

#[test]
fn a_repeated_request_repeats_the_first_answer_only() {
    let (mut transfer, first) = Transfer::start(&Options { tsize: Some(0), ..NONE }, 600, ethernet(), at(0));
    assert_eq!(transfer.asked_again(at(2000)), first);
    assert_eq!(transfer.next_deadline(), at(5000));
    assert_eq!(numbers(transfer.handle(&ack(0), at(2001))), [1]);
    assert_eq!(transfer.asked_again(at(2002)), Step::Wait);

    let (mut transfer, first) = Transfer::start(&NONE, 600, ethernet(), at(0));
    assert_eq!(transfer.asked_again(at(500)), first);
}

/// Deadlines until the end, in ms, of a transfer whose client says nothing more.
fn deadlines_in_silence(mut transfer: Transfer) -> (Vec<u128>, Outcome) {
    let mut deadlines = Vec::new();
    loop {
        let deadline = transfer.next_deadline();
        deadlines.push(deadline.since_start().as_millis());
        assert_eq!(transfer.clone().timed_out(Instant::from_start(deadline.since_start() - MS)), Step::Wait);
        match transfer.timed_out(deadline) {
            Step::End(outcome) => return (deadlines, outcome),
            Step::Wait => panic!("a deadline with nothing to do"),
            _ => {}
        }
    }
}

#[test]
fn silence_backs_off_and_ends_by_name() {
    let (transfer, _) = Transfer::start(&NONE, 600, ethernet(), at(0));
    let broken = Outcome::Broken("block 1 was not acknowledged for 30 s".to_owned());
    assert_eq!(deadlines_in_silence(transfer), (vec![1000, 3000, 7000, 15_000, 23_000, 30_000], broken));

    let (transfer, _) = Transfer::start(&Options { tsize: Some(0), ..NONE }, 600, ethernet(), at(0));
    let broken = Outcome::Broken("the OACK was not acknowledged for 30 s".to_owned());
    assert_eq!(deadlines_in_silence(transfer), (vec![3000, 9000, 17_000, 25_000, 30_000], broken));

    let (transfer, _) = Transfer::start(&Options { timeout_secs: Some(20), ..NONE }, 600, ethernet(), at(0));
    assert_eq!(deadlines_in_silence(transfer).0, [20_000, 40_000]);
}

/// A client that writes to slow flash between ACKs is not sent every block twice.
#[test]
fn patience_learns_from_slow_clients() {
    let mut transfer = windowed(1);
    let mut now = at(0);
    let mut repetitions = 0;
    for block in 1..100 {
        let answer = now + MS * 1200;
        while transfer.next_deadline() <= answer {
            now = transfer.next_deadline();
            assert_eq!(numbers(transfer.timed_out(now)), [block]);
            repetitions += 1;
        }
        now = answer;
        transfer.handle(&ack(block), now);
    }
    assert_eq!(repetitions, 1);
    // Fast answers bring it down again, never below what a Pi needs.
    let mut transfer = windowed(1);
    for block in 1..100 {
        transfer.handle(&ack(block), at(u32::from(block)));
        assert!(transfer.next_deadline() >= at(u32::from(block)) + DATA_PATIENCE);
    }
    assert_eq!(transfer.next_deadline(), at(99) + DATA_PATIENCE);
}

/// A client that keeps acknowledging the same block does not keep its transfer alive.
#[test]
fn only_progress_counts_against_silence() {
    let mut transfer = windowed(1);
    for second in 1..30 {
        assert_eq!(transfer.handle(&ack(0), at(second * 1000)), Step::Wait);
        transfer.timed_out(at(second * 1000));
    }
    assert!(matches!(transfer.timed_out(at(30_000)), Step::End(Outcome::Broken(_))));
}
