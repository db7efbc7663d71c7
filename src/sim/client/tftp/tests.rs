use super::*;
use crate::sim::client::{Identity, Kind, Options, Output};
use crate::wire::tftp::Options as Granted;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const TRANSFER: SocketAddrV4 = SocketAddrV4::new(SERVER, 40_000);

struct Bench {
    hw: Hardware,
    get: Get,
    now: Instant,
}

impl Bench {
    fn new(style: &'static Style) -> Bench {
        let identity = Identity::numbered(Kind::Pi5, 1, &mut fastrand::Rng::with_seed(1));
        let mut hw = Hardware::new(Kind::Pi5, identity, 1, Options::default());
        let get = Get::start(style, SERVER, "a".into(), Instant::START, &mut hw);
        hw.take_outputs();
        Bench { hw, get, now: Instant::START }
    }

    fn hear_from(&mut self, from: SocketAddrV4, packet: &Packet<'_>) -> (Option<Got>, Vec<Vec<u8>>) {
        let input = Input::Tftp { port: self.get.port, from, bytes: packet.encode() };
        let got = self.get.handle(&input, self.now, &mut self.hw);
        (got, self.sent())
    }

    fn hear(&mut self, packet: &Packet<'_>) -> (Option<Got>, Vec<Vec<u8>>) {
        self.hear_from(TRANSFER, packet)
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let sent = |output| if let Output::SendTftp { bytes, .. } = output { Some(bytes) } else { None };
        self.hw.take_outputs().into_iter().filter_map(sent).collect()
    }

    /// The OACK of a server that grants blocks of 8 bytes.
    fn agree(&mut self, windowsize: Option<u16>) {
        let granted = Granted { blksize: Some(8), windowsize, ..Granted::default() };
        assert_eq!(self.hear(&Packet::Oack(granted)).1, [ack(0)]);
    }
}

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack { block }.encode()
}

fn data(block: u16, content: &[u8]) -> Packet<'_> {
    Packet::Data { block, content }
}

#[test]
fn a_doubled_block_is_acknowledged_again_and_taken_once() {
    let mut bench = Bench::new(&Style::PI5);
    bench.agree(None);
    assert_eq!(bench.hear(&data(1, b"12345678")).1, [ack(1)]);
    assert_eq!(bench.hear(&data(1, b"12345678")).1, [ack(1)]);
    let (got, sent) = bench.hear(&data(2, b"9"));
    assert_eq!(sent, [ack(2)]);
    assert!(matches!(got, Some(Got::File(bytes)) if bytes == b"123456789"));
}

#[test]
fn a_gap_in_a_window_is_complained_about_once() {
    let mut bench = Bench::new(&Style::UEFI);
    bench.agree(Some(4));
    assert_eq!(bench.hear(&data(1, b"12345678")).1, Vec::<Vec<u8>>::new());
    assert_eq!(bench.hear(&data(3, b"xxxxxxxx")).1, [ack(1)]);
    assert_eq!(bench.hear(&data(4, b"xxxxxxxx")).1, Vec::<Vec<u8>>::new());
    for block in 2..5 {
        assert_eq!(bench.hear(&data(block, b"12345678")).1, Vec::<Vec<u8>>::new());
    }
    assert_eq!(bench.hear(&data(5, b"12345678")).1, [ack(5)]);
}

#[test]
fn probes_end_with_the_error_of_their_firmware() {
    let mut pi = Bench::new(&Style::PI5_PROBE);
    let (got, sent) = pi.hear(&data(1, b"1"));
    assert!(matches!(got, Some(Got::Exists)));
    assert_eq!(sent, [b"\0\x05\0\0Early terminate\0"]);

    let mut uefi = Bench::new(&Style::UEFI_PROBE);
    let sized = Granted { tsize: Some(7), ..Granted::default() };
    let (got, sent) = uefi.hear(&Packet::Oack(sized));
    assert!(matches!(got, Some(Got::Exists)));
    assert_eq!(sent, [b"\0\x05\0\x08User aborted the transfer\0"]);
}

#[test]
fn uefi_boots_from_no_server_that_tells_no_size() {
    for packet in [Packet::Oack(Granted { blksize: Some(1468), ..Granted::default() }), data(1, b"1")] {
        let (got, _) = Bench::new(&Style::UEFI_PROBE).hear(&packet);
        assert!(matches!(got, Some(Got::Broken(why)) if why.starts_with("PXE-E99")));
    }
}

#[test]
fn a_stranger_is_turned_away_and_disturbs_nothing() {
    let mut bench = Bench::new(&Style::PI5);
    bench.agree(None);
    let (got, sent) = bench.hear_from(SocketAddrV4::new(SERVER, 41_000), &data(1, b"wrong"));
    assert!(got.is_none() && sent[0].starts_with(&[0, 5, 0, 5]));
    assert!(matches!(bench.hear(&data(1, b"right")).0, Some(Got::File(bytes)) if bytes == b"right"));
}

#[test]
fn silence_ends_it_after_the_firmware_s_number_of_tries() {
    for (style, secs) in [(&Style::PI5, 30), (&Style::UEFI, 24)] {
        let mut bench = Bench::new(style);
        let got = loop {
            bench.now = bench.get.deadline();
            if let Some(got) = bench.get.handle(&Input::Timer, bench.now, &mut bench.hw) {
                break got;
            }
        };
        assert!(matches!(got, Got::Broken(_)));
        assert_eq!(bench.now.since_start().as_secs(), secs);
    }
}
