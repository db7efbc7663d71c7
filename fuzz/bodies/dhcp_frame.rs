//! Any bytes, and frames of known options, through the DHCP border and into a fleet.
//!
//! A raw input is one frame. A script is a conversation: frames of a few clients, ends of leases between them. Whatever
//! comes: the codec's round trip holds, the fleet's invariants hold, a frame has one reply at most, which is well formed,
//! no larger than its client takes, and offers nothing but addresses of the place.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hatchery::catalog::Catalog;
use hatchery::config::Config;
use hatchery::fleet::{Action, Event, Fleet};
use hatchery::machine::Evidence;
use hatchery::net::{Destination, LinkId};
use hatchery::time::Now;
use hatchery::wire::dhcp::{Request, code, codec};

use crate::script::Script;

/// A place with few addresses, so that they run out.
const PLACE: &str = r#"
[[network]]
interface = "eth1"
pool = ["192.168.151.100-192.168.151.102", { range = "192.168.151.110", classes = ["kiosk"] }]
bootp = true
[network.options]
26 = { type = "u16", value = 1500 }
[[network.reservation]]
mac = "dc:a6:32:00:00:01"
address = "192.168.151.20"
hostname = "golden-pi"
[[network]]
relayed = true
name = "hall"
subnet = "10.2.0.0/24"
relays = ["172.16.0.9"]
pool = ["10.2.0.10-10.2.0.11"]
[[network.reservation]]
circuit_id = "ge7"
address = "10.2.0.5"
[options]
100 = { type = "text", value = "CET-1CEST,M3.5.0,M10.5.0/3" }
125 = { type = "encapsulated", enterprise = 9, value = { 1 = { type = "bool", value = true } }, always = true }
[[class]]
name = "kiosk"
user_class = "kiosk"
options = { 17 = { type = "text", value = "/srv/kiosk" } }
[[profile]]
name = "pi"
firmware = ["raspberry-pi-4", "raspberry-pi-5"]
[[profile]]
name = "pc"
firmware = ["bios", "uefi-x64", "uefi-http-x64", "ipxe"]
boot_file = "a.efi"
"#;

/// The same machines where another server gives the addresses.
const PROXY: &str = r#"
[[network]]
interface = "eth1"
[dhcp]
mode = "proxy"
[[profile]]
name = "pi"
firmware = ["raspberry-pi-4", "raspberry-pi-5"]
[[profile]]
name = "pc"
firmware = ["bios", "uefi-x64", "uefi-http-x64", "ipxe"]
boot_file = "a.efi"
"#;

/// 0.0.0.0 is what most fields hold.
const ADDRESSES: [[u8; 4]; 20] = [
    [0; 4],
    [0; 4],
    [0; 4],
    [0; 4],
    [0; 4],
    [0; 4],
    [0; 4],
    [192, 168, 151, 100],
    [192, 168, 151, 101],
    [192, 168, 151, 102],
    [192, 168, 151, 110],
    [192, 168, 151, 20],
    [192, 168, 151, 1],
    [10, 2, 0, 10],
    [10, 2, 0, 1],
    [172, 16, 0, 9],
    [127, 0, 0, 1],
    [224, 0, 0, 1],
    [255; 4],
    [192, 168, 151, 255],
];

/// What clients send, and what they should not; a code that stands more than once is more likely.
const CODES: [u8; 32] = [
    50, 50, 54, 54, 55, 55, 57, 57, 60, 60, 61, 61, 77, 82, 82, 93, 97, 12, 12, 43, 51, 81, 94, 118, 175, 116, 1, 52,
    53, 66, 67, 250,
];

/// The magic cookie (RFC 2131 §3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Whether something was understood: of a raw frame its layout, of a conversation anything that was answered.
pub fn run(bytes: &[u8]) -> bool {
    let Some(mut script) = Script::of(bytes) else {
        let mut place = Place::new(false);
        place.hears(bytes, 68, None);
        return codec(bytes);
    };
    let mut place = Place::new(script.rarely());
    let mut answered = false;
    for _ in 0..=script.below(6) {
        let frame = built(&mut script);
        codec(&frame);
        let from = SocketAddrV4::new(Ipv4Addr::from(script.choice(&ADDRESSES[7..])), 68);
        let port = script.choice(&[68, 68, 67, 40_000]);
        answered |= place.hears(&frame, port, script.rarely().then_some(from));
        if script.rarely() {
            place.waits(Duration::from_secs(u64::from(script.word())));
        }
    }
    answered
}

/// Whether the frame is read, as a request or as a reply; what is read is written and read again.
fn codec(bytes: &[u8]) -> bool {
    let request = codec::decode(bytes);
    if let Ok(request) = &request {
        let evidence = Evidence::from_dhcp(request);
        assert!(evidence.firmware.is_some());
        assert!(usize::from(request.hlen) <= request.chaddr.len());
    }
    let reply = codec::decode_reply(bytes);
    if let Ok(reply) = &reply {
        let written = codec::encode(reply);
        assert!((300..=576 - 28).contains(&written.len()), "{} bytes", written.len());
        // What was dropped to fit stays dropped: the second round changes nothing more.
        let read = codec::decode_reply(&written).expect("our own reply is well formed");
        assert_eq!(codec::encode(&read), written);
    }
    request.is_ok() || reply.is_ok()
}

struct Place {
    fleet: Fleet,
    now: Now,
}

impl Place {
    fn new(proxy: bool) -> Place {
        static CONFIGS: [OnceLock<Config>; 2] = [const { OnceLock::new() }; 2];
        let config = CONFIGS[usize::from(proxy)].get_or_init(|| {
            let text = if proxy { PROXY } else { PLACE };
            Config::parse(text, "hatchery.toml").unwrap_or_else(|problems| panic!("{problems}"))
        });
        let catalog = Catalog::new(config.profiles.clone()).with_classes(config.classes.clone());
        let now = Now::default().after(Duration::from_secs(1_000_000));
        let fleet = Fleet::load(Arc::new(config.site.clone()), catalog, config.products.clone(), [], now);
        Place { fleet, now }
    }

    /// Whether the frame is answered, to port 67 or, if it is sent `to_4011` from an address, to port 4011.
    fn hears(&mut self, frame: &[u8], port: u16, to_4011: Option<SocketAddrV4>) -> bool {
        let (link, bytes) = (LinkId(0), Bytes::copy_from_slice(frame));
        let event = match to_4011 {
            Some(from) => Event::BootServer { link, from, bytes },
            None => Event::Dhcp { link, port, bytes },
        };
        let sent = self.happens(event.clone());
        assert_eq!(self.happens(event), sent, "a repeated message has a repeated answer");
        assert!(sent.len() <= 1, "{} replies", sent.len());
        let Some((bytes, _)) = sent.first() else { return false };
        self.check(&codec::decode(frame).expect("what is answered is well formed"), bytes);
        true
    }

    fn check(&self, request: &Request, bytes: &[u8]) {
        let takes = request.option(code::MAX_MESSAGE_SIZE).map_or(576, |size| u16::from_be_bytes([size[0], size[1]]));
        let largest = usize::from(takes.clamp(576, 1500)) - 28;
        assert!((300..=largest).contains(&bytes.len()), "{} bytes of {largest}", bytes.len());
        let reply = codec::decode_reply(bytes).expect("our own reply is well formed");
        assert_eq!((reply.xid, reply.hlen, reply.chaddr), (request.xid, request.hlen, request.chaddr));
        codec::decode_reply(&codec::encode(&reply)).expect("our own reply, written again, is well formed");
        let site = self.fleet.site();
        let given = reply.yiaddr;
        assert!(given.is_unspecified() || site.link_of(given).is_some() && !site.is_ours(given), "{given} is given");
    }

    /// Time goes by, and what is due is done.
    fn waits(&mut self, step: Duration) {
        self.now = self.now.after(step);
        assert_eq!(self.happens(Event::Deadline), [], "a deadline sends nothing");
    }

    /// What is sent.
    fn happens(&mut self, event: Event) -> Vec<(Bytes, Destination)> {
        let actions = self.fleet.handle(event, self.now);
        self.fleet.check().expect("the invariants hold");
        let sent = |action| match action {
            Action::Send { bytes, destination, .. } => Some((bytes, destination)),
            _ => None,
        };
        actions.into_iter().filter_map(sent).collect()
    }
}

/// A client's message, mostly well formed.
fn built(script: &mut Script<'_>) -> Vec<u8> {
    let rare = |script: &mut Script<'_>, usual: u8| if script.rarely() { script.byte() } else { usual };
    let mut frame = vec![rare(script, 1), rare(script, 1), rare(script, 6), rare(script, 0)];
    frame.extend(u32::from(script.byte()).to_be_bytes());
    frame.extend([0, script.byte()]);
    frame.extend(script.choice(&[0u16, 0, 0x8000, 0xffff]).to_be_bytes());
    let ciaddr = script.choice(&ADDRESSES);
    let (yiaddr, siaddr) =
        if script.rarely() { (script.choice(&ADDRESSES), script.choice(&ADDRESSES)) } else { Default::default() };
    let giaddr = if script.below(4) == 1 {
        script.choice(&[[10, 2, 0, 1], [172, 16, 0, 9], [192, 168, 151, 1], [9; 4]])
    } else {
        [0; 4]
    };
    frame.extend([ciaddr, yiaddr, siaddr, giaddr].concat());
    let oui =
        if script.rarely() { [script.byte(), 0, 0] } else { script.choice(&[[0xdc, 0xa6, 0x32], [0x52, 0x54, 0]]) };
    frame.extend(oui);
    frame.extend([0, 0, script.below(4) as u8]);
    frame.resize(28 + 16, 0);
    // Where option 52 says so, `sname` and `file` hold options.
    let overload = if script.rarely() { script.choice(&[1, 2, 3, 0, 4]) } else { 0 };
    for (bit, end) in [(2, 108), (1, 236)] {
        if overload & bit != 0 {
            option(script, &mut frame);
            frame.push(255);
        } else if script.rarely() {
            frame.extend(script.slice(64));
        }
        frame.resize(end, 0);
    }
    frame.extend(COOKIE);
    if script.rarely() {
        let at = script.below(frame.len().min(256));
        frame[at] = script.byte();
    }
    if !script.rarely() {
        let kinds = if script.rarely() { [0, 2, 5, 6, 9] } else { script.choice(&[[1, 3, 1, 3, 8], [1, 3, 4, 7, 3]]) };
        frame.extend([code::MESSAGE_TYPE, 1, script.choice(&kinds)]);
    }
    if overload != 0 {
        frame.extend([code::OVERLOAD, 1, overload]);
    }
    for _ in 0..script.below(10) {
        option(script, &mut frame);
    }
    match script.byte() {
        0xf0..0xf4 => {}
        0xf4..0xf8 => frame.extend([0; 8]),
        0xf8.. => {
            let at = usize::from(script.word()) % frame.len();
            frame.truncate(at);
        }
        _ => {
            frame.push(255);
            frame.resize(frame.len().max(300), 0);
        }
    }
    frame
}

/// One option with a plausible value, at times with any value, a wrong length, or PAD before it.
fn option(script: &mut Script<'_>, frame: &mut Vec<u8>) {
    let code = if script.rarely() { script.byte() } else { script.choice(&CODES[..26]) };
    let any = script.rarely();
    let agent = [[1, 3, b'g', b'e', b'7', 9], [5, 4, 10, 2, 0, 0], [11, 4, 192, 168, 151, 1], [1, 9, 1, 0, 0, 0]];
    let mut uuid = [0; 17];
    uuid[1..5].copy_from_slice(script.choice(&[b"RPi4", b"4iPR", b"RPi5", b"\xff\xff\xff\xff"]));
    let value: &[u8] = match code {
        _ if any => script.slice(255),
        50 | 54 | 118 => &script.choice(&ADDRESSES[7..]),
        55 => script.choice(&[
            &[1, 3, 6, 12, 15, 43, 60, 66, 67, 128][..],
            &[100, 17, 26, 121, 119, 125],
            &[0, 255, 53],
            &[],
        ]),
        57 => script.choice(&[&[2, 64], &[5, 220], &[255, 0], &[0, 0], &[4, 0]]),
        60 => script.choice(&[
            &b"PXEClient:Arch:00000:UNDI:002001"[..],
            b"PXEClient:Arch:00007:UNDI:003016",
            b"HTTPClient:Arch:00016:UNDI:003001",
            b"udhcp 1.36",
            b"PXEClient",
        ]),
        61 => {
            script.choice(&[&[1, 0xdc, 0xa6, 0x32, 0, 0, 1][..], &[1, 0x52, 0x54, 0, 0, 0, 1], b"\0board", &[255, 0]])
        }
        77 => script.choice(&[&b"kiosk"[..], b"iPXE", b"\x05kiosk"]),
        82 => {
            let end = script.choice(&[6, 5, 2]);
            &agent[script.below(agent.len())][..end]
        }
        93 => script.choice(&[&[0, 0], &[0, 7], &[0, 16], &[0, 11], &[0, 99]]),
        94 => &[1, 3, 16],
        97 => &uuid,
        12 => script.choice(&[&b"golden-pi"[..], b"a", b"-bad-\0", "ä".as_bytes()]),
        81 => script.choice(&[&b"\0\0\0pi.example.com"[..], b"\x05\0\0\x02pi\0", b"\x01\0\0"]),
        175 => &[0x21, 1, 1, 0x13, 1, 1],
        51 => script.choice(&[&[0, 0, 0, 60], &[255; 4], &[0; 4]]),
        _ => script.slice(16),
    };
    if script.rarely() {
        frame.extend([0; 3]);
    }
    let length = value.len().min(255) as u8;
    frame.extend([code, if script.rarely() { script.byte() } else { length }]);
    frame.extend(value);
}
