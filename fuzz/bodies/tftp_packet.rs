//! Any bytes as a TFTP packet: what was understood survives being written and read again.

use hatchery::wire::tftp::{MAX_BLKSIZE, Options, Packet};

/// Whether the datagram was understood.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(packet) = Packet::parse(bytes) else { return false };
    match &packet {
        Packet::Read(request) | Packet::Write(request) => {
            assert!(!request.name.is_empty() && !request.name.contains('\0'));
            check(&request.options);
        }
        Packet::Oack(options) => check(options),
        Packet::Data { .. } | Packet::Ack { .. } | Packet::Error { .. } => {}
    }
    let written = packet.encode();
    assert_eq!(Packet::parse(&written), Ok(packet.clone()), "{}", written.escape_ascii());
    // Nothing grows by being read, but for bytes that are not UTF-8 and become three.
    assert!(written.len() <= 3 * bytes.len() + 16, "{} bytes from {}", written.len(), bytes.len());
    true
}

/// The ranges of RFC 2348, RFC 2349 and RFC 7440.
fn check(options: &Options) {
    assert!(options.blksize.is_none_or(|size| (8..=MAX_BLKSIZE).contains(&size)));
    assert!(options.timeout_secs != Some(0) && options.windowsize != Some(0));
}
