use super::*;

fn read(name: &str, options: Options) -> Packet<'static> {
    Packet::Read(Request { name: name.to_owned(), mode: Mode::Octet, options })
}

/// Requests and answers of real firmware (`tests/captures`), and what each of them says.
#[test]
fn captured_packets_are_understood() {
    let none = Options::default();
    let table: [(&[u8], Packet<'_>); 8] = [
        // iPXE ROM of QEMU, 2019.
        (
            b"\0\x01pxelinux.0\0octet\0blksize\x001432\0tsize\x000\0",
            read("pxelinux.0", Options { blksize: Some(1432), tsize: Some(0), ..none }),
        ),
        // pxelinux 6.04.
        (
            b"\0\x01pxelinux.cfg/01-52-54-00-fb-00-0b\0octet\0tsize\x000\0blksize\x001408\0",
            read("pxelinux.cfg/01-52-54-00-fb-00-0b", Options { blksize: Some(1408), tsize: Some(0), ..none }),
        ),
        // OVMF 2022.11: the size probe, its end, and the real request.
        (
            b"\0\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0",
            read(
                "snponly.efi",
                Options { blksize: Some(1468), tsize: Some(0), windowsize: Some(4), timeout_secs: None },
            ),
        ),
        (
            b"\0\x05\0\x08User aborted the transfer.\0",
            Packet::Error { code: ErrorCode::OPTIONS_REFUSED, message: "User aborted the transfer.".to_owned() },
        ),
        (
            b"\0\x01snponly.efi\0octet\0blksize\x001468\0windowsize\x004\0",
            read("snponly.efi", Options { blksize: Some(1468), windowsize: Some(4), ..none }),
        ),
        // U-Boot 2023.01.
        (
            b"\0\x01boot.scr.uimg\0octet\0timeout\x005\0blksize\x001468\0",
            read("boot.scr.uimg", Options { timeout_secs: Some(5), blksize: Some(1468), ..none }),
        ),
        // GRUB 2.06.
        (
            b"\0\x01/grub/grub.cfg\0octet\0blksize\x001024\0tsize\x000\0",
            read("/grub/grub.cfg", Options { blksize: Some(1024), tsize: Some(0), ..none }),
        ),
        // dnsmasq.
        (
            b"\0\x06blksize\x001468\0tsize\x00173792\0",
            Packet::Oack(Options { blksize: Some(1468), tsize: Some(173_792), ..none }),
        ),
    ];
    for (bytes, packet) in table {
        assert_eq!(Packet::parse(bytes), Ok(packet), "{}", bytes.escape_ascii());
    }
}

#[test]
fn every_packet_survives_the_wire() {
    let options = Options { blksize: Some(8), timeout_secs: Some(255), tsize: Some(u64::MAX), windowsize: Some(65535) };
    let packets = [
        read("P//config.txt", options),
        Packet::Write(Request { name: "x".to_owned(), mode: Mode::Netascii, options: Options::default() }),
        Packet::Data { block: 65535, content: b"\0\xff" },
        Packet::Data { block: 0, content: b"" },
        Packet::Ack { block: 513 },
        Packet::Error { code: ErrorCode(77), message: "no".to_owned() },
        Packet::Oack(options),
        Packet::Oack(Options::default()),
    ];
    for packet in packets {
        assert_eq!(Packet::parse(&packet.encode()), Ok(packet));
    }
}

#[test]
fn an_oack_is_lower_case_pairs() {
    let oack = Packet::Oack(Options { blksize: Some(1468), tsize: Some(7), ..Options::default() });
    assert_eq!(oack.encode(), b"\0\x06blksize\x001468\0tsize\x007\0");
}

/// Requests that are wrong on paper and clear in meaning.
#[test]
fn lenient_where_unambiguous() {
    let blksize = Options { blksize: Some(1024), ..Options::default() };
    let table: [(&[u8], &str, Options); 13] = [
        (b"\0\x01a\0octet", "a", Options::default()),
        (b"\0\x01a\0OcTeT\0", "a", Options::default()),
        (b"\0\x01a\0octet\0blksize\x001024", "a", blksize),
        (b"\0\x01a\0octet\0BLKSIZE\x001024\0", "a", blksize),
        (b"\0\x01a\0octet\0blksize\x001024\0\0\0\0", "a", blksize),
        (b"\0\x01a\0octet\0blksize\x001024\0\xff\xfe", "a", blksize),
        (b"\0\x01a\0octet\0multicast\0\0blksize\x001024\0", "a", blksize),
        (b"\0\x01a\0octet\0blksize\x001024\0blksize\x00512\0", "a", blksize),
        (b"\0\x01a\0octet\0blksize\x007\0blksize\x001024\0", "a", blksize),
        (b"\0\x01a\0octet\0blksize\x0065465\0timeout\x000\0windowsize\x000\0", "a", Options::default()),
        (b"\0\x01a\0octet\0blksize\x00-9\0timeout\x00256\0tsize\x00 1\0", "a", Options::default()),
        (b"\0\x01boot\xff\xff\0octet\0", "boot", Options::default()),
        (b"\0\x01b\xffd\0octet\0", "b\u{fffd}d", Options::default()),
    ];
    for (bytes, name, options) in table {
        assert_eq!(Packet::parse(bytes), Ok(read(name, options)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn refusals_name_the_field() {
    let table: [(&[u8], &str); 12] = [
        (b"", "opcode"),
        (b"\0", "opcode"),
        (b"\0\x09abc", "opcode 9"),
        (b"\0\x01", "file name"),
        (b"\0\x01\0octet\0", "file name"),
        (b"\0\x01\xff\0octet\0", "file name"),
        (b"\0\x01a", "mode"),
        (b"\0\x01a\0\0", "mode"),
        (b"\0\x02a\0binary\0", "mode"),
        (b"\0\x03\0", "DATA block number"),
        (b"\0\x04", "ACK block number"),
        (b"\0\x05\0", "ERROR code"),
    ];
    for (bytes, field) in table {
        match Packet::parse(bytes) {
            Err(Refusal::Unparsable(text)) => assert!(text.contains(field), "{text} does not name {field}"),
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    }
}

/// No bytes panic, and what was understood is understood again after encoding.
#[test]
fn noise_is_harmless() {
    let mut luck = fastrand::Rng::with_seed(0x7f7f);
    let words: [&[u8]; 8] = [b"octet", b"blksize", b"512", b"\0", b"\xff", b"tsize", b"windowsize", b"x"];
    for _ in 0..20_000 {
        let mut bytes = vec![0, luck.u8(0..8)];
        for _ in 0..luck.usize(0..9) {
            bytes.extend_from_slice(words[luck.usize(0..words.len())]);
            if luck.bool() {
                bytes.push(luck.u8(..));
            }
        }
        if let Ok(packet) = Packet::parse(&bytes) {
            assert_eq!(Packet::parse(&packet.encode()).as_ref(), Ok(&packet), "{}", bytes.escape_ascii());
        }
    }
}
