//! Any bytes, and packets of known pieces, as a TFTP packet: what was understood survives being written and read again.

use hatchery::wire::tftp::{MAX_BLKSIZE, Options, Packet};

use crate::script::Script;

const NAMES: [&str; 9] =
    ["d9780558/start4.elf", "pxelinux.0", "images/a", "..\\..\\b", "//config.txt", "\u{e9}", "dtb/", "a\u{1}", ""];
const MODES: [&str; 6] = ["octet", "OCTET", "netascii", "NetASCII", "mail", ""];
const OPTIONS: [&str; 8] = ["blksize", "tsize", "timeout", "windowsize", "BlkSize", "multicast", "utimeout", ""];
const NUMBERS: [&str; 16] = [
    "1468",
    "0",
    "512",
    "5",
    "64",
    "1",
    "7",
    "8",
    "65464",
    "65465",
    "65536",
    "18446744073709551616",
    "-1",
    " 8",
    "0x10",
    "",
];

/// Whether the datagram was understood.
pub fn run(bytes: &[u8]) -> bool {
    match Script::of(bytes) {
        Some(mut script) => check(&built(&mut script)),
        None => check(bytes),
    }
}

/// A packet of a known kind, with a wrong kind, end or byte at times.
fn built(script: &mut Script<'_>) -> Vec<u8> {
    let kind = script.choice(&[1, 1, 2, 3, 4, 5, 6]);
    let opcode = if script.rarely() { script.word() } else { kind };
    let mut packet = opcode.to_be_bytes().to_vec();
    let text = |packet: &mut Vec<u8>, text: &str| {
        packet.extend(text.as_bytes());
        packet.push(0);
    };
    if matches!(kind, 1 | 2) {
        text(&mut packet, script.choice(&NAMES));
        let modes = if script.rarely() { &MODES[..] } else { &MODES[..4] };
        text(&mut packet, script.choice(modes));
    }
    if matches!(kind, 1 | 2 | 6) {
        for _ in 0..script.below(6) {
            text(&mut packet, script.choice(&OPTIONS));
            text(&mut packet, script.choice(&NUMBERS));
        }
    } else {
        packet.extend(script.word().to_be_bytes());
        if kind != 4 {
            packet.extend(script.slice(255));
        }
        if kind == 5 {
            packet.push(0);
        }
    }
    match script.byte() {
        0xf0..0xf8 => _ = packet.pop(),
        0xf8.. => {
            let at = script.below(packet.len().min(256));
            packet[at] = script.byte();
        }
        _ => {}
    }
    packet
}

fn check(bytes: &[u8]) -> bool {
    let Ok(packet) = Packet::parse(bytes) else { return false };
    match &packet {
        Packet::Read(request) | Packet::Write(request) => {
            assert!(!request.name.is_empty() && !request.name.contains('\0'));
            ranges(&request.options);
        }
        Packet::Oack(options) => ranges(options),
        Packet::Data { .. } | Packet::Ack { .. } | Packet::Error { .. } => {}
    }
    let written = packet.encode();
    assert_eq!(Packet::parse(&written), Ok(packet.clone()), "{}", written.escape_ascii());
    // Nothing grows by being read, but for bytes that are not UTF-8 and become three.
    assert!(written.len() <= 3 * bytes.len() + 16, "{} bytes from {}", written.len(), bytes.len());
    true
}

/// The ranges of RFC 2348, RFC 2349 and RFC 7440.
fn ranges(options: &Options) {
    assert!(options.blksize.is_none_or(|size| (8..=MAX_BLKSIZE).contains(&size)));
    assert!(options.timeout_secs != Some(0) && options.windowsize != Some(0));
}
