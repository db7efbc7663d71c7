//! What machines get, and the reasons they are shown.

use super::*;
use crate::ids::{Digest, Hostname, MachineId, VenueCode};
use crate::lease::fixture::{LINK, SERVER, ip, link, mac, reservation, site};
use crate::machine::Evidence;
use crate::machine::stage::Stage;
use crate::naming::NameState;
use crate::site::Identifiers;
use crate::time::Timestamp;
use std::collections::BTreeMap;

pub(super) fn profile(name: &str, firmware: &[Firmware]) -> Profile {
    Profile { name: name.to_owned(), firmware: firmware.to_vec(), ..Profile::default() }
}

fn profiles() -> Vec<Profile> {
    use Firmware::*;
    let pi = profile("pi", &[RaspberryPi4, RaspberryPi5]);
    let mut pc = profile("pc", &[BiosPxe, UefiX64, UefiHttpX64, Ipxe, UBoot]);
    pc.boot_file = Some("boot.ipxe".into());
    pc.boot_files = BTreeMap::from([(BiosPxe, "undionly.kpxe".into()), (UefiX64, "snponly.efi".into())]);
    let second = profile("second", &[UefiX64, UefiArm64]);
    vec![pi, pc, second, profile("bench", &[])]
}

fn machine(order: Order) -> Machine {
    let evidence = Evidence { mac: Some(mac(1)), ..Evidence::default() };
    Machine { order, ..Machine::new(MachineId(1), &evidence, Timestamp::default()) }
}

fn planned(site: &Site, order: Order, firmware: Firmware) -> BootPlan {
    let catalog = Catalog::new(profiles());
    let machine = machine(order);
    let identifiers = Identifiers { mac: machine.mac, ..Identifiers::default() };
    let reservation = site.reservation(LINK, &identifiers);
    let link = &site.links[0];
    plan(&Question {
        machine: &machine,
        named: true,
        firmware,
        link,
        reservation,
        classes: &[],
        site,
        catalog: &catalog,
    })
}

/// A plan as a line: what, and the last reason.
fn line(plan: &BootPlan) -> String {
    let what = match &plan.boot {
        Boot::Net(net) => {
            let name = plan.profile.as_ref().map_or("", |profile| &profile.name);
            format!("{name} {} {:?}", net.next_server, net.boot_file)
        }
        Boot::Disk(None) => "disk".into(),
        Boot::Disk(Some(leave)) => format!("disk {} {:?}", leave.next_server, leave.boot_file),
        Boot::AddressOnly => "address".into(),
    };
    format!("{what}: {}", plan.reasons.last().expect("a decision has a reason"))
}

#[test]
fn what_a_machine_gets_and_why() {
    use Firmware::*;
    use Order::{Disk, Hold, Install};
    let pi = r#"pi 192.168.50.252 "": a Raspberry Pi asks for its files by name, below its serial number"#;
    let pc = |file: &str, firmware: &str, name: &str| {
        format!("pc 192.168.50.252 {file:?}: the boot file of that profile for {firmware} is {name}")
    };
    let url = "http://192.168.50.252/boot/boot.ipxe";
    let table = [
        (Install, RaspberryPi5, pi.to_owned()),
        (Install, RaspberryPi3, "address: no profile is for raspberry-pi-3".into()),
        (Install, BiosPxe, pc("undionly.kpxe", "bios", "undionly.kpxe")),
        // The first profile for a firmware is taken.
        (Install, UefiX64, pc("snponly.efi", "uefi-x64", "snponly.efi")),
        (Install, UefiHttpX64, pc(url, "uefi-http-x64", "boot.ipxe")),
        (Install, Ipxe, pc(url, "ipxe", "boot.ipxe")),
        (Install, UBoot, pc("boot.ipxe", "u-boot", "boot.ipxe")),
        (Install, UefiArm64, "address: that profile names no boot file for uefi-arm64".into()),
        (Install, Unknown, "address: no profile is for unknown".into()),
        (Install, Plain, "address: it wants an address, not a boot file".into()),
        (
            Disk,
            RaspberryPi5,
            "disk: its deployment succeeded, so it boots its own disk until a reinstall is asked for".into(),
        ),
        (
            Disk,
            UefiX64,
            r#"disk 192.168.50.252 "leave/x64.efi": a UEFI gets a program that makes it do so at once"#.into(),
        ),
        (
            Disk,
            UefiHttpArm64,
            r#"disk 192.168.50.252 "http://192.168.50.252/boot/leave/arm64.efi": a UEFI gets a program that makes it do so at once"#.into(),
        ),
        (Disk, Plain, "address: it wants an address, not a boot file".into()),
        (Hold, Ipxe, "address: an operator holds it".into()),
    ];
    let site = site(vec![link(9)]);
    for (order, firmware, expected) in table {
        let plan = planned(&site, order, firmware);
        assert_eq!(line(&plan), expected, "{order:?} {firmware}");
        assert_eq!(plan.reasons[0].to_string(), format!("it asks as {firmware}"));
    }
}

#[test]
fn a_reservation_chooses_the_profile() {
    let mut bench = link(9);
    bench.reservations = vec![reservation(1, None)];
    bench.reservations[0].profile = Some("pc".into());
    let here = site(vec![bench.clone()]);
    let plan = planned(&here, Order::Install, Firmware::BiosPxe);
    let reasons: Vec<String> = plan.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "it asks as bios",
            "its order is to install (stage: waiting)",
            "its reservation names the profile pc",
            "the boot file of that profile for bios is undionly.kpxe",
        ]
    );
    bench.reservations[0].profile = Some("bench".into());
    let plan = planned(&site(vec![bench]), Order::Install, Firmware::BiosPxe);
    assert_eq!(line(&plan), "address: that profile names no boot file for bios");
}

/// `unassigned` and `failed` of a profile, each with its reason.
#[test]
fn what_a_profile_says_of_machines_without_name_and_after_a_failure() {
    use Order::{Disk, Hold, Install, Reinstall};
    let failed = Stage::Failed("no disk".into());
    let net = "pc: the boot file of that profile for bios is undionly.kpxe";
    let table = [
        (Install, Install, Install, false, Stage::Waiting, net),
        (Disk, Install, Install, true, Stage::Waiting, net),
        (
            Disk,
            Install,
            Install,
            false,
            Stage::Waiting,
            "disk: it has no name yet, and its profile has such machines boot their own disk",
        ),
        (
            Hold,
            Install,
            Install,
            false,
            Stage::Waiting,
            "address: it has no name yet, and its profile holds such machines",
        ),
        (
            Install,
            Disk,
            Install,
            true,
            failed.clone(),
            "disk: its last run failed (no disk), and its profile has such machines boot their own disk",
        ),
        (
            Disk,
            Hold,
            Install,
            false,
            failed.clone(),
            "address: its last run failed (no disk), and its profile holds such machines",
        ),
        // A failure that is to be tried again is, name or not; so is what an operator asks for.
        (Disk, Install, Install, false, failed.clone(), net),
        (Disk, Hold, Reinstall, false, failed.clone(), net),
        (
            Install,
            Install,
            Disk,
            true,
            Stage::Done,
            "disk: its deployment succeeded, so it boots its own disk until a reinstall is asked for",
        ),
        (Install, Install, Hold, true, Stage::Waiting, "address: an operator holds it"),
    ];
    let site = site(vec![link(9)]);
    for (unassigned, after_failure, order, named, stage, expected) in table {
        let mut profiles = profiles();
        (profiles[1].unassigned, profiles[1].failed) = (unassigned, after_failure);
        let catalog = Catalog::new(profiles);
        let machine = Machine { stage, ..machine(order) };
        let (link, firmware) = (&site.links[0], Firmware::BiosPxe);
        let (machine, catalog) = (&machine, &catalog);
        let plan =
            plan(&Question { machine, named, firmware, link, reservation: None, classes: &[], site: &site, catalog });
        let what = line(&plan).replace(" 192.168.50.252 \"undionly.kpxe\"", "");
        assert_eq!(what, expected, "{unassigned:?} {after_failure:?} {order:?}");
    }
}

/// An installer from a USB stick asks for an address as any system does, and then for its answers.
#[test]
fn what_does_not_netboot_has_the_answers_of_its_profile() {
    let mut bench = link(9);
    bench.reservations = vec![reservation(1, None)];
    bench.reservations[0].profile = Some("bench".into());
    let reserved = planned(&site(vec![bench]), Order::Install, Firmware::Plain);
    assert_eq!(line(&reserved), "address: it wants an address, not a boot file");
    assert_eq!(reserved.installs().map(|profile| profile.name.as_str()), Some("bench"));
    let stranger = planned(&site(vec![link(9)]), Order::Install, Firmware::Plain);
    assert_eq!(stranger.profile, None);
}

#[test]
fn urls_name_the_port_unless_it_is_80() {
    let mut here = site(vec![link(9)]);
    here.http_port = 8888;
    let Boot::Net(net) = planned(&here, Order::Install, Firmware::Ipxe).boot else { panic!("it netboots") };
    assert_eq!(net.boot_file, "http://192.168.50.252:8888/boot/boot.ipxe");
    let image = Image::raw("kxp2.img".into(), 1, Digest([0; 32]));
    assert_eq!(image_url(&here, &here.links[0], &image), "http://192.168.50.252:8888/images/kxp2.img");
}

fn name(text: &str) -> Name {
    let product = ProductName::parse("KXP2");
    let venue = VenueCode::parse("ARLT");
    let hostname = Hostname::parse(text).expect("a host name");
    Name { product, venue, number: Some(1), state: NameState::Assigned(MachineId(1)), ..Name::blank(hostname) }
}

#[test]
fn facts_say_what_is_known_and_are_empty_otherwise() {
    let site = site(vec![link(9)]);
    let mut catalog = Catalog::new(profiles());
    std::sync::Arc::make_mut(&mut catalog.profiles[1]).kernel_args = "quiet".into();
    let mut view = View {
        machine: machine(Order::Install),
        name: None,
        address: None,
        link: LINK,
        plan: planned(&site, Order::Hold, Firmware::Ipxe),
    };
    let facts = view.facts(&site, &catalog).expect("its link is served");
    let bare = Facts {
        mac: "52:54:00:fb:00:01".into(),
        firmware: "plain".into(),
        server: SERVER.to_string(),
        base_url: "http://192.168.50.252".into(),
        ..Facts::default()
    };
    assert_eq!(facts, bare);

    let product = ProductName::parse("KXP2").expect("a product name");
    let image = Image::raw("kxp2.img".into(), 27, Digest([0xab; 32]));
    catalog.set_image(product, ImageState::Ready(image));
    view.name = Some(name("KXP2-ARLT-001"));
    view.address = Some(ip(1));
    view.plan = planned(&site, Order::Install, Firmware::Ipxe);
    let facts = view.facts(&site, &catalog).expect("its link is served");
    let full = Facts {
        hostname: "KXP2-ARLT-001".into(),
        address: "192.168.50.1".into(),
        profile: "pc".into(),
        product: "KXP2".into(),
        venue: "ARLT".into(),
        image_url: "http://192.168.50.252/images/kxp2.img".into(),
        image_size: 27,
        image_sha256: "ab".repeat(32),
        ..bare
    };
    assert_eq!(facts, full);
    assert_eq!(View { link: LinkId(7), ..view }.facts(&site, &catalog), None);
}

#[test]
fn what_people_call_a_machine() {
    let site = site(vec![link(9)]);
    let plan = planned(&site, Order::Install, Firmware::Plain);
    let mut view = View { machine: machine(Order::Install), name: None, address: None, link: LINK, plan };
    view.machine.stage = Stage::Writing;
    assert_eq!(view.label(), "52:54:00:fb:00:01");
    view.machine.serial = crate::ids::Serial::parse("e0ff06da");
    assert_eq!(view.label(), "e0ff06da");
    view.name = Some(name("KXP2-ARLT-001"));
    assert_eq!(view.label(), "KXP2-ARLT-001");
    let nameless = Machine { mac: None, serial: None, ..view.machine.clone() };
    assert_eq!(View { machine: nameless, name: None, ..view }.label(), "machine 1");
}
