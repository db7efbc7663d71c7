use super::message::ARCH_X64;
use super::*;
use crate::net::Mac;
use crate::sim::client::{Identity, Kind, Options, Output};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);

struct Bench {
    hw: Hardware,
    dhcp: Dhcp,
    now: Instant,
}

impl Bench {
    fn new(speaker: Speaker) -> Bench {
        let identity = Identity::numbered(Kind::Pi5, 1, &mut fastrand::Rng::with_seed(1));
        let mut hw = Hardware::new(Kind::Pi5, identity, 1, Options::default());
        let dhcp = Dhcp::start(speaker, Instant::START, &mut hw);
        let bench = Bench { hw, dhcp, now: Instant::START };
        bench.with_nothing_sent()
    }

    fn with_nothing_sent(mut self) -> Bench {
        self.hw.take_outputs();
        self
    }

    fn reply(&self, kind: MessageType, options: &[(u8, &[u8])]) -> Reply {
        let Mac(mac) = self.hw.identity.mac;
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&mac);
        let standard: [(u8, &[u8]); 2] = [(code::SERVER_ID, &[10, 0, 0, 1]), (code::LEASE_TIME, &[0, 0, 0, 100])];
        Reply {
            kind: Some(kind),
            xid: self.dhcp.xid,
            flags: 0,
            hops: 0,
            htype: 1,
            hlen: 6,
            chaddr,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: ADDRESS,
            siaddr: SERVER,
            giaddr: Ipv4Addr::UNSPECIFIED,
            sname: String::new(),
            file: String::new(),
            options: standard.iter().chain(options).map(|(number, value)| (*number, value.to_vec())).collect(),
            relay_agent: None,
            max_size: 576,
        }
    }

    fn hear(&mut self, reply: &Reply) -> (Heard, Vec<Output>) {
        let heard = self.dhcp.handle(&Input::Dhcp(codec::encode(reply).to_vec()), self.now, &mut self.hw);
        (heard, self.hw.take_outputs())
    }

    fn wait(&mut self) -> (Heard, Vec<Output>) {
        self.now = self.dhcp.deadline().expect("it waits for something");
        (self.dhcp.handle(&Input::Timer, self.now, &mut self.hw), self.hw.take_outputs())
    }

    fn bind(&mut self) {
        let offer = self.reply(MessageType::Offer, &[]);
        self.hear(&offer);
        let ack = self.reply(MessageType::Ack, &[]);
        let (heard, outputs) = self.hear(&ack);
        assert!(matches!(heard, Heard::Bound(lease) if lease.address == ADDRESS));
        assert!(outputs.contains(&Output::SetAddress { address: ADDRESS, prefix: 24 }));
    }
}

fn takes(speaker: Speaker, options: &[(u8, &[u8])], file: &str) -> bool {
    let mut bench = Bench::new(speaker);
    let offer = Reply { file: file.into(), ..bench.reply(MessageType::Offer, options) };
    let (_, outputs) = bench.hear(&offer);
    outputs.contains(&Output::Passed(Phase::Offered))
}

#[test]
fn a_pi_takes_an_offer_only_with_its_menu() {
    let menu = b"\x06\x01\x03\x0a\x04\0PXE\x09\x14\0\0\x11Raspberry Pi Boot\xff";
    for (value, taken) in
        [(&menu[..], true), (b"Raspberry Pi Boot", true), (b"\x06\x01\x03\xff", true), (b"PXE", false)]
    {
        assert_eq!(takes(Speaker::Eeprom, &[(code::VENDOR_ENCAPSULATED, value)], ""), taken, "{value:?}");
    }
    assert!(!takes(Speaker::Eeprom, &[], "start.elf"));
}

#[test]
fn uefi_takes_an_offer_with_a_boot_file_and_without_the_class_that_means_port_4011() {
    assert!(takes(Speaker::Uefi(ARCH_X64), &[], "snponly.efi"));
    assert!(takes(Speaker::Uefi(ARCH_X64), &[(code::BOOT_FILE, b"snponly.efi\0")], ""));
    assert!(!takes(Speaker::Uefi(ARCH_X64), &[], ""));
    assert!(!takes(Speaker::Uefi(ARCH_X64), &[(code::VENDOR_CLASS, b"PXEClient")], "snponly.efi"));
}

#[test]
fn ipxe_waits_for_a_proxy_unless_it_is_told_that_there_is_none() {
    let requests = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::SendDhcp { .. }));
    for (options, at_once) in [(&[][..], false), (&[(code::IPXE, &[176, 1, 1][..])][..], true)] {
        let mut bench = Bench::new(Speaker::Ipxe(ARCH_X64));
        let offer = bench.reply(MessageType::Offer, options);
        assert_eq!(requests(&bench.hear(&offer).1), at_once);
    }
}

#[test]
fn a_nak_makes_it_start_over_with_a_new_xid() {
    let mut bench = Bench::new(Speaker::Udhcpc);
    let first = bench.dhcp.xid;
    bench.hear(&bench.reply(MessageType::Offer, &[]));
    let nak = Reply { yiaddr: Ipv4Addr::UNSPECIFIED, ..bench.reply(MessageType::Nak, &[]) };
    let (_, outputs) = bench.hear(&nak);
    assert_ne!(bench.dhcp.xid, first);
    assert!(matches!(&outputs[..], [Output::SendDhcp { bytes, .. }] if bytes[242] == MessageType::Discover.code()));
}

#[test]
fn replies_for_others_are_not_listened_to() {
    let mut bench = Bench::new(Speaker::Udhcpc);
    let mut foreign = bench.reply(MessageType::Offer, &[]);
    foreign.chaddr[5] ^= 1;
    assert!(bench.hear(&foreign).1.is_empty());
    let stale = Reply { xid: bench.dhcp.xid ^ 1, ..bench.reply(MessageType::Offer, &[]) };
    assert!(bench.hear(&stale).1.is_empty());
}

#[test]
fn an_unanswered_extension_goes_from_unicast_to_broadcast_to_the_loss_of_the_lease() {
    let mut bench = Bench::new(Speaker::Udhcpc);
    bench.bind();
    let mut targets = Vec::new();
    let lost_at = loop {
        let (heard, outputs) = bench.wait();
        targets.extend(outputs.iter().filter_map(|output| match output {
            Output::SendDhcp { from, to, .. } => Some((*from == ADDRESS, *to)),
            _ => None,
        }));
        if matches!(heard, Heard::Lost) {
            break bench.now;
        }
    };
    assert_eq!(lost_at.since_start(), Duration::from_secs(100));
    assert_eq!(targets[..3], [(true, SERVER); 3]);
    assert_eq!(targets[3..], [(false, Ipv4Addr::BROADCAST); 3], "two to rebind, one to start over");
}

#[test]
fn an_extension_that_is_acknowledged_runs_on() {
    let mut bench = Bench::new(Speaker::Udhcpc);
    bench.bind();
    bench.wait();
    let ack = Reply { ciaddr: ADDRESS, ..bench.reply(MessageType::Ack, &[]) };
    assert!(matches!(bench.hear(&ack).0, Heard::Extended));
    assert_eq!(bench.dhcp.deadline(), Some(bench.now + Duration::from_secs(50)));
}

#[test]
fn a_pi_3_rom_goes_on_with_the_address_of_the_offer_and_says_nothing_more() {
    let mut bench = Bench::new(Speaker::PiRom);
    bench.hw.kind = Kind::Pi3;
    let menu = b"\x06\x01\x03\x0a\x04\0PXE\x09\x17\0\0\x14Raspberry Pi Boot   \xff";
    let offer = bench.reply(MessageType::Offer, &[(code::VENDOR_ENCAPSULATED, menu)]);
    let (heard, outputs) = bench.hear(&offer);
    assert!(matches!(heard, Heard::Bound(lease) if lease.address == ADDRESS));
    assert!(!outputs.iter().any(|output| matches!(output, Output::SendDhcp { .. })), "{outputs:?}");
    assert_eq!(bench.dhcp.deadline(), None);
}

#[test]
fn an_early_eeprom_looks_at_the_first_entry_alone_and_stumbles_over_pads() {
    let first = b"\x09\x14\0\0\x11Raspberry Pi Boot\x09\x08\0\0\x05Other";
    let second = b"\x09\x08\0\0\x05Other\x09\x14\0\0\x11Raspberry Pi Boot";
    for (menu, taken) in [(&first[..], true), (second, false)] {
        assert_eq!(takes_menu(menu, Kind::Pi4Early, "Raspberry Pi Boot"), taken);
        assert!(takes_menu(menu, Kind::Pi4, "Raspberry Pi Boot"));
    }
    let mut bench = Bench::new(Speaker::Eeprom);
    bench.hw.kind = Kind::Pi4Early;
    let offer = bench.reply(MessageType::Offer, &[(code::VENDOR_ENCAPSULATED, b"Raspberry Pi Boot")]);
    let mut bytes = codec::encode(&offer).to_vec();
    bytes.insert(message::OPTIONS, 0);
    bench.dhcp.handle(&Input::Dhcp(bytes), bench.now, &mut bench.hw);
    assert_eq!(bench.hw.take_outputs(), vec![]);
    assert!(!bench.hear(&offer).1.is_empty());
}

#[test]
fn who_remembers_an_address_asks_for_it_and_starts_over_when_it_is_refused_or_nobody_answers() {
    let discovers = |outputs: &[Output]| {
        outputs.iter().any(
            |output| matches!(output, Output::SendDhcp { bytes, .. } if bytes[242] == MessageType::Discover.code()),
        )
    };
    let mut bench = Bench::new(Speaker::Dhclient);
    bench.dhcp = Dhcp::reboot(Speaker::Dhclient, ADDRESS, bench.now, &mut bench.hw);
    bench.hw.take_outputs();
    let nak = Reply { yiaddr: Ipv4Addr::UNSPECIFIED, ..bench.reply(MessageType::Nak, &[]) };
    assert!(discovers(&bench.hear(&nak).1));
    bench.dhcp = Dhcp::reboot(Speaker::Dhclient, ADDRESS, bench.now, &mut bench.hw);
    let asked_at = bench.now;
    while !discovers(&bench.wait().1) {}
    assert!(bench.now.since(asked_at) <= Duration::from_secs(30));
}
