//! The TFTP server over loopback, with a client of our own; the same checks also run against async-tftp.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[path = "tftp_engine/harness.rs"]
mod harness;
#[path = "common/inside.rs"]
mod lab;
#[path = "tftp_engine/peer.rs"]
mod peer;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hatchery::serve::content::Content;
use hatchery::serve::tftp::{Config, Server};
use hatchery::transfer::Outcome;
use hatchery::wire::tftp::{ErrorCode, Options, Packet};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use harness::{Client, DEADLINE, Files, NONE, Ours, file_content};
use peer::{InMemory, content};

#[tokio::test(flavor = "multi_thread")]
async fn every_size_window_and_kind_arrives_whole() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut files = Files::default();
    let sizes = [0, 1, 511, 512, 513, 1468 * 64, 400_000];
    for size in sizes {
        let bytes = content(size);
        files.contents.insert(format!("file-{size}"), file_content(&directory.path().join(size.to_string()), &bytes));
        files.contents.insert(format!("text-{size}"), Content::Text(bytes.into()));
    }
    let server = Ours::start(files, |_| {});
    let mut transfers = 0;
    for size in sizes {
        for kind in ["file", "text"] {
            for (blksize, windowsize) in [
                (None, None),
                (Some(1468), None),
                (Some(1468), Some(16)),
                (Some(512), Some(64)),
                (Some(65464), Some(2)),
            ] {
                let asked = Options { blksize, windowsize, ..NONE };
                let file = Client::new(server.address).await.fetch(&format!("{kind}-{size}"), asked).await;
                assert!(file == content(size), "{kind} of {size} bytes, {asked:?}: {} bytes", file.len());
                transfers += 1;
            }
        }
    }
    assert!(server.files.outcomes(transfers).await.iter().all(|outcome| *outcome == Outcome::Complete));
    assert!(server.files.told().iter().all(|told| told.finished[0].0 == told.size));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn block_numbers_wrap_on_the_wire() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let bytes = content(8 * 65_536 + 3);
    let mut files = Files::default();
    files.contents.insert("long".to_owned(), file_content(&directory.path().join("long"), &bytes));
    let server = Ours::start(files, |_| {});
    let asked = Options { blksize: Some(8), windowsize: Some(64), ..NONE };
    assert!(Client::new(server.address).await.fetch("long", asked).await == bytes);
    assert_eq!(server.files.outcomes(1).await, [Outcome::Complete]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc_2347_only_asked_options_are_granted() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |_| {});
    // The OACK, or DATA 1 when nothing is granted, byte by byte.
    let table: [(&[u8], &[u8]); 5] = [
        (b"\0\x01a\0octet\0tsize\x000\0BLKSIZE\x001024\0", b"\0\x06blksize\x001024\0tsize\x001000\0"),
        (b"\0\x01a\0octet\0timeout\x005\0windowsize\x00500\0", b"\0\x06timeout\x005\0windowsize\x0064\0"),
        (b"\0\x01a\0octet", b"\0\x03\0\x01"),
        (b"\0\x01a\0octet\0multicast\0\0", b"\0\x03\0\x01"),
        (b"\0\x01a\0octet\0blksize\x007\0", b"\0\x03\0\x01"),
    ];
    for (request, answer) in table {
        let client = Client::new(server.address).await;
        client.request(request).await;
        let (heard, from) = client.hear().await;
        assert!(heard.starts_with(answer), "{}: {}", request.escape_ascii(), heard.escape_ascii());
        assert!(heard.len() == answer.len() || heard.len() == 4 + 512, "{}", heard.escape_ascii());
        assert_ne!(from.port(), server.address.port(), "each transfer has a port of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_abandoned_and_their_port_is_free_at_once() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |_| {});
    let client = Client::new(server.address).await;
    let asked = Options { tsize: Some(0), blksize: Some(1468), windowsize: Some(4), ..NONE };
    client.read("a", asked).await;
    let (granted, from) = client.hear_oack().await;
    assert_eq!(granted, Options { tsize: Some(1000), ..asked });
    let aborted = Packet::Error { code: ErrorCode(8), message: "User aborted the transfer.".to_owned() };
    client.say(from, &aborted).await;
    assert!(matches!(server.files.outcomes(1).await[..], [Outcome::Abandoned(_)]));

    client.read("a", NONE).await;
    let (block, _, from) = client.hear_block().await;
    assert_eq!(block, 1);
    client.say(from, &Packet::Error { code: ErrorCode(0), message: "Early terminate".to_owned() }).await;
    assert!(matches!(server.files.outcomes(2).await[..], [_, Outcome::Abandoned(_)]));

    assert!(client.fetch("a", asked).await == content(1000));
    assert_eq!(server.files.outcomes(3).await[2], Outcome::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_client_port_ends_its_transfer() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |_| {});
    let client = Client::new(server.address).await;
    client.read("a", NONE).await;
    client.hear_block().await;
    drop(client);
    // Block 1 comes again after a second; the kernel answers it with "port unreachable".
    assert!(matches!(server.files.outcomes(1).await[..], [Outcome::Abandoned(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_by_the_same_transfer() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |_| {});
    let client = Client::new(server.address).await;
    let asked = Options { tsize: Some(0), ..NONE };
    client.read("a", asked).await;
    let (_, first) = client.hear_oack().await;
    client.read("a", asked).await;
    let (_, second) = client.hear_oack().await;
    assert_eq!(first, second);
    client.ack(first, 0).await;
    assert_eq!(client.hear_block().await.0, 1);
    assert_eq!(server.files.told().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_request_from_the_same_port_supersedes() {
    let server = Ours::start(Files::with(&[("a", 2000), ("b", 3000)]), |_| {});
    let client = Client::new(server.address).await;
    client.read("a", NONE).await;
    let (_, _, first) = client.hear_block().await;
    client.ack(first, 1).await;
    assert_eq!(client.hear_block().await.0, 2);

    assert!(client.fetch("b", NONE).await == content(3000));
    let outcomes = server.files.outcomes(2).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Abandoned(why), Outcome::Complete] if why.contains("anew")),
        "{outcomes:?}"
    );
    assert_eq!(server.files.told()[1].name, "b");

    // The same file again after a restart of the machine: repeated as a ROM does, until a new transfer answers.
    client.read("a", NONE).await;
    let (_, _, before) = client.hear_block().await;
    client.ack(before, 1).await;
    assert_eq!(client.hear_block().await.0, 2);
    let again = async {
        loop {
            client.read("a", NONE).await;
            if let Some((bytes, from)) = client.hear_within(Duration::from_millis(50)).await
                && from != before
            {
                return bytes;
            }
        }
    };
    let bytes = timeout(DEADLINE, again).await.expect("the restarted machine gets no answer");
    assert!(bytes.starts_with(b"\0\x03\0\x01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_refuse_with_an_error() {
    let files = || Files::with(&[("a", 1000)]);
    for (server, limit) in [
        (Ours::start(files(), |config| config.max_per_client = 2), "one client"),
        (Ours::start(files(), |config| config.max_transfers = 2), "at one time"),
    ] {
        let mut clients = Vec::new();
        for _ in 0..2 {
            let client = Client::new(server.address).await;
            client.read("a", NONE).await;
            let (_, _, from) = client.hear_block().await;
            clients.push((client, from));
        }
        let third = Client::new(server.address).await;
        third.read("a", NONE).await;
        let (code, message) = third.hear_error().await;
        assert_eq!(code, ErrorCode::NOT_DEFINED);
        assert!(message.contains(limit), "{message}");
        // A place becomes free.
        let (client, from) = clients.remove(0);
        client.say(from, &Packet::Error { code: ErrorCode(0), message: "closed".to_owned() }).await;
        let free = async {
            loop {
                third.read("a", NONE).await;
                if matches!(Packet::parse(&third.hear().await.0), Ok(Packet::Data { .. })) {
                    return;
                }
            }
        };
        timeout(DEADLINE, free).await.expect("the place does not become free");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_error_packets() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |_| {});
    let table: [(&[u8], u16, &str); 7] = [
        (b"\0\x01missing\0octet\0", 1, "missing"),
        (b"\0\x01b\xffd\0octet\0", 1, "not found"),
        (b"\0\x01../etc/shadow\0octet\0", 2, "leaves"),
        (b"\0\x02a\0octet\0", 2, "does not take files"),
        (b"\0\x01a\0netascii\0", 0, "use octet mode"),
        (b"\0\x01a\0binary\0", 4, "mode"),
        (b"\0\x09", 4, "opcode"),
    ];
    for (request, code, text) in table {
        let client = Client::new(server.address).await;
        // Packets of a transfer do not belong here and are not answered: the refusal below comes first.
        client.say(server.address.into(), &Packet::Ack { block: 1 }).await;
        client.say(server.address.into(), &Packet::Error { code: ErrorCode(0), message: String::new() }).await;
        client.request(request).await;
        let (heard, message) = client.hear_error().await;
        assert_eq!(heard, ErrorCode(code), "{}", request.escape_ascii());
        assert!(message.contains(text), "{message}");
    }
    assert!(server.files.told().is_empty());
    let mut counted = server.files.refused.lock().expect("no test panics while it holds this").clone();
    counted.retain(|kind| *kind != "not-ours");
    assert_eq!(counted, ["forbidden", "invalid", "unparsable", "unparsable"], "counted as those of DHCP are");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_leave_from_the_address_that_was_asked() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |config| config.listen.set_ip(Ipv4Addr::UNSPECIFIED));
    for last in 1..4 {
        let address = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), server.address.port());
        let client = Client::new(address).await;
        client.read("a", NONE).await;
        let (_, _, from) = client.hear_block().await;
        assert_eq!(from.ip(), *address.ip());
        let client = Client::new(address).await;
        client.request(b"\0\x02a\0octet\0").await;
        assert_eq!(client.hear().await.1.ip(), *address.ip());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_port_mode_sends_everything_from_the_port_of_the_service() {
    let server = Ours::start(Files::with(&[("a", 1000), ("b", 300_000)]), |config| config.single_port = true);
    let address = SocketAddr::from(server.address);
    // Two clients on one address: their ports tell them apart.
    let (first, second) = (Client::new(server.address).await, Client::new(server.address).await);
    first.read("a", NONE).await;
    let (block, start, from) = first.hear_block().await;
    assert_eq!((block, from), (1, address));
    second.read("a", Options { tsize: Some(0), ..NONE }).await;
    assert_eq!(second.hear_oack().await, (Options { tsize: Some(1000), ..NONE }, address));
    // The request again: the same transfer answers.
    second.read("a", Options { tsize: Some(0), ..NONE }).await;
    second.hear_oack().await;
    second.say(address, &Packet::Error { code: ErrorCode(8), message: String::new() }).await;
    first.ack(address, 1).await;
    let (block, end, from) = first.hear_block().await;
    assert_eq!((block, from), (2, address));
    first.ack(address, 2).await;
    assert!([start, end].concat() == content(1000));
    assert!(matches!(server.files.outcomes(2).await[..], [Outcome::Complete, Outcome::Abandoned(_)]));

    // Large windows, several clients at once.
    let asked = Options { blksize: Some(1468), windowsize: Some(64), ..NONE };
    let fetches = [asked, Options { windowsize: None, ..asked }, NONE].map(|asked| {
        tokio::spawn(async move {
            Client::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port())).await.fetch("b", asked).await
        })
    });
    for fetch in fetches {
        assert!(fetch.await.expect("no panic") == content(300_000));
    }
    let refused = Client::new(server.address).await;
    refused.read("none", NONE).await;
    assert_eq!(refused.hear().await.1, address);
    assert!(server.files.outcomes(5).await[2..].iter().all(|outcome| *outcome == Outcome::Complete));
    server.stop().await;
}

/// In a lab of its own, where the loopback is as narrow as some tunnel.
#[test]
fn blksize_is_capped_by_the_mtu_towards_the_client() {
    if !lab::inside("blksize_is_capped_by_the_mtu_towards_the_client") {
        return;
    }
    let narrowed = Command::new("ip").args(["link", "set", "lo", "mtu", "1400", "up"]).status();
    assert!(narrowed.expect("ip(8)").success());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for single_port in [false, true] {
            let server = Ours::start(Files::with(&[("a", 10_000)]), |config| config.single_port = single_port);
            let client = Client::new(server.address).await;
            client.read("a", Options { blksize: Some(1468), ..NONE }).await;
            let (granted, from) = client.hear_oack().await;
            assert_eq!(granted.blksize, Some(1400 - 32));
            client.say(from, &Packet::Error { code: ErrorCode(8), message: String::new() }).await;
            let client = Client::new(server.address).await;
            assert!(client.fetch("a", Options { blksize: Some(65_464), ..NONE }).await == content(10_000));
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_shrinks_ends_in_an_error() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path = directory.path().join("shrinking");
    let mut files = Files::default();
    files.contents.insert("shrinking".to_owned(), file_content(&path, &content(100_000)));
    let server = Ours::start(files, |_| {});
    let client = Client::new(server.address).await;
    client.read("shrinking", Options { tsize: Some(0), ..NONE }).await;
    let (_, from) = client.hear_oack().await;
    File::options().write(true).open(&path).and_then(|file| file.set_len(10)).expect("a scratch file");
    client.ack(from, 0).await;
    let (code, message) = client.hear_error().await;
    assert_eq!(code, ErrorCode::NOT_DEFINED);
    assert!(message.contains("shorter"), "{message}");
    assert!(matches!(server.files.outcomes(1).await[..], [Outcome::Broken(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_every_transfer() {
    let server = Ours::start(Files::with(&[("a", 1000)]), |_| {});
    let clients = [Client::new(server.address).await, Client::new(server.address).await];
    for client in &clients {
        client.read("a", NONE).await;
        client.hear_block().await;
    }
    let files = Arc::clone(&server.files);
    server.stop().await;
    // `run` has returned, so nothing is left to wait for.
    let told = files.told();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|told| matches!(told.finished[..], [(512, Outcome::Broken(_))])), "{told:?}");
}

#[tokio::test]
async fn bind_errors_name_the_address_and_the_remedy() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port of loopback");
    let SocketAddr::V4(address) = taken.local_addr().expect("it is bound") else { panic!("not IPv4") };
    let error = Server::bind(Config { listen: address, ..Config::default() }).err().expect("the port is taken");
    assert!(error.to_string().contains(&address.to_string()) && error.to_string().contains("ss -lunp"), "{error}");
    let config = Config { interface: Some("none0".to_owned()), listen: address, ..Config::default() };
    let error = Server::bind(config).err().expect("there is no such interface");
    assert!(error.to_string().contains("ip link"), "{error}");
}

/// Points on which servers differ, for [`conformance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    PlainRead,
    OptionsAndWindow,
    RolloverTo0,
    DuplicateAckSendsNothing,
    LostFirstBlockComesAtOnce,
    PortIsFreeAfterClientError,
    WindowIsLimited,
    BadModeIsAnswered,
    EverySizeAndWindowArrives,
    OptionsOfAnyCaseAreGranted,
    UnknownOptionsAreIgnored,
    BadValuesAreIgnored,
    UnfinishedModeIsTaken,
    MissingFileIsRefused,
    WriteIsRefused,
    NetasciiIsRefused,
    UnknownOpcodeIsAnswered,
    RepeatedRequestIsAnswered,
}

/// Requests, and how what comes back begins.
const REQUESTS: [(Point, &[u8], &[u8]); 8] = [
    (
        Point::OptionsOfAnyCaseAreGranted,
        b"\0\x01small\0octet\0tsize\x000\0BLKSIZE\x001024\0",
        b"\0\x06blksize\x001024\0tsize\x001000\0",
    ),
    (Point::UnknownOptionsAreIgnored, b"\0\x01small\0octet\0multicast\0\0", b"\0\x03\0\x01"),
    (Point::BadValuesAreIgnored, b"\0\x01small\0octet\0blksize\x007\0", b"\0\x03\0\x01"),
    (Point::UnfinishedModeIsTaken, b"\0\x01small\0octet", b"\0\x03\0\x01"),
    (Point::MissingFileIsRefused, b"\0\x01missing\0octet\0", b"\0\x05\0\x01"),
    (Point::WriteIsRefused, b"\0\x02small\0octet\0", b"\0\x05\0\x02"),
    (Point::NetasciiIsRefused, b"\0\x01small\0netascii\0", b"\0\x05"),
    (Point::UnknownOpcodeIsAnswered, b"\0\x09", b"\0\x05\0\x04"),
];

/// Which points the server at `address` keeps. It serves "small" (1000 bytes), "even" (1024), "empty" and "long"
/// (65,537 blocks of 8).
async fn conformance(address: SocketAddrV4) -> Vec<Point> {
    // What must come at once comes within this; the peer repeats itself after 3 s.
    let at_once = Duration::from_millis(500);
    let windowed = Options { blksize: Some(8), windowsize: Some(4), ..NONE };
    let mut kept = Vec::new();
    let mut note = |point, keeps: bool| kept.extend(keeps.then_some(point));

    note(Point::PlainRead, Client::new(address).await.fetch("small", NONE).await == content(1000));
    let asked = Options { blksize: Some(100), windowsize: Some(4), tsize: Some(0), ..NONE };
    note(Point::OptionsAndWindow, Client::new(address).await.fetch("small", asked).await == content(1000));
    let long = Client::new(address).await.fetch("long", Options { windowsize: Some(64), ..windowed }).await;
    note(Point::RolloverTo0, long == content(8 * 65_536));

    let client = Client::new(address).await;
    client.read("small", Options { blksize: Some(8), ..NONE }).await;
    let (_, from) = client.hear_oack().await;
    client.ack(from, 0).await;
    client.hear_block().await;
    client.ack(from, 0).await;
    client.ack(from, 1).await;
    note(Point::DuplicateAckSendsNothing, client.hear_block().await.0 == 2);

    let client = Client::new(address).await;
    client.read("small", windowed).await;
    let (_, from) = client.hear_oack().await;
    client.ack(from, 0).await;
    for _ in 0..4 {
        client.hear_block().await;
    }
    client.ack(from, 0).await;
    let again = client.hear_within(at_once).await;
    note(Point::LostFirstBlockComesAtOnce, again.is_some_and(|(bytes, _)| bytes.starts_with(b"\0\x03\0\x01")));

    let client = Client::new(address).await;
    client.read("small", Options { tsize: Some(0), ..NONE }).await;
    let (_, from) = client.hear_oack().await;
    client.say(from, &Packet::Error { code: ErrorCode(8), message: "User aborted the transfer.".to_owned() }).await;
    client.read("small", NONE).await;
    let answer = client.hear_within(at_once).await;
    note(Point::PortIsFreeAfterClientError, answer.is_some_and(|(bytes, _)| bytes.starts_with(b"\0\x03\0\x01")));

    let client = Client::new(address).await;
    client.read("small", Options { windowsize: Some(65535), ..NONE }).await;
    note(Point::WindowIsLimited, client.hear_oack().await.0.windowsize < Some(65535));

    let client = Client::new(address).await;
    client.request(b"\0\x01small\0binary\0").await;
    note(Point::BadModeIsAnswered, client.hear_within(at_once).await.is_some());

    let mut whole = true;
    for (name, size) in [("small", 1000), ("even", 1024), ("empty", 0)] {
        for (blksize, windowsize) in [(None, None), (Some(512), Some(2)), (Some(1468), Some(16)), (Some(8), Some(4))] {
            let asked = Options { blksize, windowsize, ..NONE };
            whole &= Client::new(address).await.fetch(name, asked).await == content(size);
        }
    }
    note(Point::EverySizeAndWindowArrives, whole);
    for (point, request, answer) in REQUESTS {
        let client = Client::new(address).await;
        client.request(request).await;
        let heard = client.hear_within(at_once).await;
        note(point, heard.is_some_and(|(bytes, _)| bytes.starts_with(answer)));
    }

    let client = Client::new(address).await;
    client.read("small", Options { tsize: Some(0), ..NONE }).await;
    let (_, from) = client.hear_oack().await;
    client.read("small", Options { tsize: Some(0), ..NONE }).await;
    let again = client.hear_within(at_once).await;
    note(Point::RepeatedRequestIsAnswered, again.is_some_and(|(_, again)| again == from));
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn conformance_of_ours_and_of_async_tftp() {
    use Point::*;
    const SERVED: [(&str, usize); 4] = [("small", 1000), ("even", 1024), ("empty", 0), ("long", 8 * 65_536)];
    let server = Ours::start(Files::with(&SERVED), |_| {});
    let all = [
        PlainRead,
        OptionsAndWindow,
        RolloverTo0,
        DuplicateAckSendsNothing,
        LostFirstBlockComesAtOnce,
        PortIsFreeAfterClientError,
        WindowIsLimited,
        BadModeIsAnswered,
        EverySizeAndWindowArrives,
        OptionsOfAnyCaseAreGranted,
        UnknownOptionsAreIgnored,
        BadValuesAreIgnored,
        UnfinishedModeIsTaken,
        MissingFileIsRefused,
        WriteIsRefused,
        NetasciiIsRefused,
        UnknownOpcodeIsAnswered,
        RepeatedRequestIsAnswered,
    ];
    assert_eq!(conformance(server.address).await, all);
    let single = Ours::start(Files::with(&SERVED), |config| config.single_port = true);
    assert_eq!(conformance(single.address).await, all);

    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of loopback");
    let SocketAddr::V4(address) = socket.local_addr().expect("it is bound") else { panic!("not IPv4") };
    let files = BTreeMap::from(SERVED.map(|(name, size)| (name.to_owned(), &*content(size).leak())));
    let builder = async_tftp::server::TftpServerBuilder::with_handler(InMemory(files));
    let peer = builder.std_socket(socket).expect("a socket").build().await.expect("a server");
    let peer = tokio::spawn(async move { peer.serve().await });
    // Known deviations of async-tftp 0.4: a lost first block waits for the timer, errors of a client are ignored and
    // its port locked, windows have no limit, and what it cannot read gets no answer: a bad mode, a mode without its
    // NUL, an opcode that is none. It sends netascii as octets, and a request that is repeated waits for the timer.
    let deviates = [
        LostFirstBlockComesAtOnce,
        PortIsFreeAfterClientError,
        WindowIsLimited,
        BadModeIsAnswered,
        UnfinishedModeIsTaken,
        NetasciiIsRefused,
        UnknownOpcodeIsAnswered,
        RepeatedRequestIsAnswered,
    ];
    let keeps: Vec<Point> = all.into_iter().filter(|point| !deviates.contains(point)).collect();
    assert_eq!(conformance(address).await, keeps);
    peer.abort();
}
