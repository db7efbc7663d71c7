//! What each kind of client needs beyond a right answer, from the field: leases at the OFFER, loaders that say nothing
//! of themselves, names that nobody may have.

use super::*;

const BIOS_CLASS: &str = "PXEClient:Arch:00000:UNDI:002001";

/// The DISCOVER of a Pi 3 ROM.
fn pi3(last: u8) -> Message {
    let guid = [&[0][..], &[0x44; 16]].concat();
    let discover = Message::new(Discover, last).with(code::VENDOR_CLASS, BIOS_CLASS).with(code::CLIENT_UUID, guid);
    Message { xid: 0x26f3_0339, ..discover }
}

fn pi3_bench() -> World {
    World::with(vec![link(9)], vec![profile("pi", &[Firmware::RaspberryPi3], None)])
}

#[test]
fn a_pi_3_holds_its_lease_from_the_offer_on() {
    let mut world = pi3_bench();
    let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes: pi3(1).bytes() });
    let committed = actions.iter().position(|action| matches!(action, Action::Commit(Change::Lease(_))));
    let sent = actions.iter().position(|action| matches!(action, Action::Send { .. }));
    assert!(committed.is_some() && committed < sent, "in the journal before it leaves: {actions:?}");
    let lease = world.lease(1).expect("a lease");
    assert_eq!((lease.state, lease.machine), (LeaseState::Bound, Some(world.machine(1).id)), "TFTP finds the machine");
    assert_eq!(world.stage(1), "address");
    let offer = world.reply(&pi3(1));
    assert_eq!((offer.kind, offer.yiaddr, offer.siaddr), (Some(Offer), ip(1), SERVER), "it repeats itself");
    let menu = offer.option(code::VENDOR_ENCAPSULATED).map(|menu| menu.escape_ascii().to_string());
    assert!(menu.is_some_and(|menu| menu.ends_with(r"Raspberry Pi Boot   \xff")), "with three spaces");
    world.wait(600);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Released), "a short one");
}

#[test]
fn an_offer_to_a_pi_3_does_not_shorten_the_lease_of_its_system() {
    let mut world = pi3_bench();
    world.bind(1);
    world.reply(&pi3(1));
    world.wait(3999);
    assert_eq!(world.lease(1).map(|lease| lease.state), Some(LeaseState::Bound));
}

#[test]
fn a_pi_3_that_nothing_is_for_costs_us_nothing() {
    let mut world = World::pool(9);
    assert_eq!(world.answer(&pi3(1)), Some((Offer, ip(1))));
    assert_eq!(world.journal, []);
}

/// GRUB, loaded by PXE, asks again with neither class nor identifier, and looks for its files where it came from.
#[test]
fn grubs_bare_discover_is_told_the_server_it_came_from() {
    let mut world = World::with(vec![link(9)], profiles());
    assert_eq!(world.reply(&Message::new(Discover, 1)).siaddr, NONE, "a stranger is no boot loader");
    world.netboot(1);
    let bare = world.reply(&Message::new(Discover, 1).asking_for([1, 3, 6, 12, 15]));
    assert_eq!((bare.siaddr, bare.file.as_str()), (SERVER, "pxelinux.0"));
    let system = world.reply(&Message::new(Discover, 1).with(code::VENDOR_CLASS, "udhcp 1.36.1"));
    assert_eq!((system.siaddr, system.file.as_str()), (NONE, ""));
}

/// The script's profile, and the one that brings iPXE.
fn chained() -> Vec<Profile> {
    vec![
        profile("pc", &[Firmware::BiosPxe, Firmware::UefiX64], Some("snponly.efi")),
        profile("ipxe", &[Firmware::Ipxe], Some("boot.ipxe")),
    ]
}

#[test]
fn ipxe_is_never_told_to_load_itself() {
    let uefi = |last| Message::new(Discover, last).with(code::VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003016");
    let table = [
        (uefi(1).with(code::CLIENT_ARCH, [0, 7]), "snponly.efi"),
        (uefi(2).with(code::CLIENT_ARCH, [0, 9]), "snponly.efi"),
        (uefi(3).with(code::CLIENT_ARCH, [0, 99, 0, 7]), "snponly.efi"),
        (uefi(4).with(code::CLIENT_ARCH, [0, 7]).with(code::USER_CLASS, "iPXE"), "boot.ipxe"),
        (uefi(5).with(code::CLIENT_ARCH, [0, 7]).with(code::USER_CLASS, "\x04iPXE"), "boot.ipxe"),
        // FlexBoot sends no user class (warewulf3#104).
        (uefi(6).with(code::CLIENT_ARCH, [0, 7]).with(code::IPXE, [0xb1, 1, 1]), "boot.ipxe"),
    ];
    let mut world = World::with(vec![link(9)], chained());
    for (message, file) in table {
        let offer = world.reply(&message);
        assert_eq!(offer.file.rsplit('/').next(), Some(file), "{message:?}");
        assert_eq!(offer.option(code::OVERLOAD), None);
    }
}

/// A browser asks the host called wpad for a proxy: no machine bears that name, whatever it says of itself.
#[test]
fn wpad_is_nobodys_name() {
    assert_eq!(Hostname::parse("wpad"), None);
    assert_eq!(Hostname::parse("WPAD"), None);
    let mut world = World::pool(9);
    let discover = Message::new(Discover, 1)
        .with(code::HOST_NAME, "wpad")
        .with(code::CLIENT_FQDN, b"\x00\0\0WPAD.bench")
        .asking_for([code::HOST_NAME, code::CLIENT_FQDN, code::WPAD]);
    let offer = world.reply(&discover);
    for number in [code::HOST_NAME, code::CLIENT_FQDN, code::WPAD] {
        assert_eq!(offer.option(number), None, "option {number}");
    }
}
