//! Which bytes a name means, and which names mean none.

use std::sync::Arc;

use super::super::tests::profile;
use super::*;
use crate::boot::{Boot, BootPlan, NetBoot};
use crate::catalog::PiMenu;
use crate::ids::MachineId;
use crate::lease::fixture::{LINK, SERVER};
use crate::machine::firmware::Firmware;
use crate::machine::{Evidence, Machine};
use crate::time::Timestamp;

/// A Pi whose profile has a tree and renders config.txt.
fn view(boots: bool) -> View {
    let mut pi = profile("pi", &[Firmware::RaspberryPi5]);
    pi.tree = Some("pi".into());
    pi.answers = [("config.txt".to_owned(), "pi/config.txt".to_owned())].into();
    let net = NetBoot { next_server: SERVER, boot_file: String::new(), pi_menu: PiMenu::default() };
    let (boot, order) = if boots { (Boot::Net(net), Order::Install) } else { (Boot::Disk(None), Order::Disk) };
    View {
        machine: Machine::new(MachineId(1), &Evidence::default(), Timestamp::default()),
        name: None,
        address: None,
        link: LINK,
        plan: BootPlan { boot, profile: Some(Arc::new(pi)), order, reasons: Vec::new() },
    }
}

/// A source as a line; a refusal as its kind.
fn line(view: Option<&View>, name: &str) -> String {
    match resolve(view, name) {
        Ok(Source::Answer(template)) => format!("answer {template}"),
        Ok(Source::BootFiles(paths)) => paths.iter().map(RelativePath::as_str).collect::<Vec<_>>().join(" | "),
        Ok(Source::Image(path)) => format!("image {path}"),
        Ok(Source::Program(bytes)) => format!("program of {} bytes", bytes.len()),
        Err(refusal) => refusal.kind().to_owned(),
    }
}

#[test]
fn what_a_name_means_to_a_machine_that_boots() {
    let table = [
        ("kernel8.img", "pi/kernel8.img | kernel8.img"),
        ("/kernel8.img", "pi/kernel8.img | kernel8.img"),
        // The prefixes of TFTP_PREFIX 0 and 2, before an answer, a file, and doubled.
        ("e0ff06da/kernel8.img", "pi/e0ff06da/kernel8.img | pi/kernel8.img | e0ff06da/kernel8.img | kernel8.img"),
        ("e0ff06da/config.txt", "answer pi/config.txt"),
        ("10000000e0ff06da/config.txt", "answer pi/config.txt"),
        ("dc-a6-32-01-36-c2/config.txt", "answer pi/config.txt"),
        ("e0ff06da/e0ff06da/config.txt", "answer pi/config.txt"),
        // A Pi 5 doubles the slash.
        ("e0ff06da//config.txt", "answer pi/config.txt"),
        ("//e0ff06da///config.txt", "answer pi/config.txt"),
        ("config.txt", "answer pi/config.txt"),
        ("./config.txt", "answer pi/config.txt"),
        ("e0ff06da\\config.txt", "answer pi/config.txt"),
        // Names that only look so.
        ("CONFIG.TXT", "pi/CONFIG.TXT | CONFIG.TXT"),
        ("sub/config.txt", "pi/sub/config.txt | sub/config.txt"),
        ("notahexa/config.txt", "pi/notahexa/config.txt | notahexa/config.txt"),
        ("e0ff06d/config.txt", "pi/e0ff06d/config.txt | e0ff06d/config.txt"),
        ("e0ff06da", "pi/e0ff06da | e0ff06da"),
        // Bytes behind an unterminated option 67 (RFC 2132 §9.5).
        ("config.txt\0\0junk", "answer pi/config.txt"),
        ("config.txt\u{ff}", "answer pi/config.txt"),
        ("config.txt\u{fffd}", "answer pi/config.txt"),
        ("images/kxp2.img", "image kxp2.img"),
        ("/images//kxp2.img", "image kxp2.img"),
        ("images/sub/kxp2.img", "image sub/kxp2.img"),
        ("images/kxp2.img.part", "no-such-file"),
        ("images", "pi/images | images"),
        ("grub/x86_64-efi/command.lst", "pi/grub/x86_64-efi/command.lst | grub/x86_64-efi/command.lst"),
        ("a b/ä.txt", "pi/a b/ä.txt | a b/ä.txt"),
    ];
    for (name, expected) in table {
        assert_eq!(line(Some(&view(true)), name), expected, "{name:?}");
    }
}

/// A loader that runs already on a machine that is to boot its own disk is told to go on to it.
#[test]
fn what_a_loader_of_a_finished_machine_finds() {
    let mut view = view(false);
    view.machine.mac = Mac::parse("52:54:00:fb:00:01");
    let profile = Arc::make_mut(view.plan.profile.as_mut().expect("it has one"));
    profile.answers = ["boot.ipxe", "grub/grub.cfg", "pxelinux.cfg/default", "answer.toml"]
        .map(|name| (name.to_owned(), format!("t:{name}")))
        .into();
    let table = [
        ("boot.ipxe", "answer ipxe/disk.ipxe"),
        ("grub/grub.cfg", "answer grub/disk.cfg"),
        ("/grub/arm64/grub.cfg", "answer grub/disk.cfg"),
        ("pxelinux.cfg/default", "answer pxelinux/disk"),
        ("pxelinux.cfg/01-52-54-00-fb-00-01", "answer pxelinux/disk"),
        ("efi64/pxelinux.cfg/default", "answer pxelinux/disk"),
        // Another machine's menu, a script of nobody's, what an installer asks for, and plain files.
        ("pxelinux.cfg/01-52-54-00-fb-00-02", "pxelinux.cfg/01-52-54-00-fb-00-02"),
        ("tools/memtest.ipxe", "tools/memtest.ipxe"),
        ("answer.toml", "answer.toml"),
        ("grub/x86_64-efi/command.lst", "grub/x86_64-efi/command.lst"),
        ("config.txt", "config.txt"),
    ];
    for (name, expected) in table {
        assert_eq!(line(Some(&view), name), expected, "{name:?}");
    }
    view.plan.order = Order::Hold;
    view.plan.profile = None;
    assert_eq!(line(Some(&view), "boot.ipxe"), "boot.ipxe", "held: nothing is said of any disk");
}

#[test]
fn a_machine_that_does_not_boot_from_us_and_a_stranger_see_the_boot_directory_alone() {
    let finished = view(false);
    for view in [Some(&finished), None] {
        assert_eq!(line(view, "config.txt"), "config.txt");
        assert_eq!(line(view, "e0ff06da/config.txt"), "e0ff06da/config.txt | config.txt");
        assert_eq!(line(view, "images/kxp2.img"), "image kxp2.img");
    }
}

#[test]
fn nothing_leaves_the_tree() {
    let names = [
        "..",
        "../etc/passwd",
        "/../etc/passwd",
        "a/../../etc/passwd",
        "a/..",
        "..\\..\\etc\\passwd",
        "a\\..\\b",
        "a/..\\b",
        "//..//etc",
        "./../etc",
        "e0ff06da/../config.txt",
        "images/../hatchery.db",
        "images\\..\\hatchery.db",
        "images/..",
        "..\0.txt",
        "../\u{ff}",
    ];
    for name in names {
        assert_eq!(line(Some(&view(true)), name), "outside-tree", "{name:?}");
        assert_eq!(line(None, name), "outside-tree", "{name:?}");
    }
    // Three dots, a dot file and an encoded `..` are names like others: percent signs are decoded before, or never.
    for name in ["...", "..a", "a..", ".hidden", "%2e%2e/x", "..;/x"] {
        assert_eq!(line(None, name), name, "{name:?}");
    }
}

#[test]
fn names_that_mean_nothing() {
    let long = "a/".repeat(512) + "b";
    for name in ["", "/", "//", ".", "./.", "\0", "\0config.txt", "\u{ff}", "a\nb", "a\x1b[2J", "a\tb", "a\x7fb", &long]
    {
        assert_eq!(line(Some(&view(true)), name), "no-such-file", "{name:?}");
    }
    let longest = "a".repeat(1024);
    assert_eq!(line(None, &longest), longest);
    let Err(Refusal::NoSuchFile(shown)) = resolve(None, "evil\x1b[2J\nname") else { panic!("it is refused") };
    assert_eq!(shown, "evil[2Jname", "what a log shows holds no control characters");
}

#[test]
fn a_machine_finds_its_own_menu_under_every_name_that_pxelinux_tries() {
    let mut view = view(true);
    view.machine.mac = Mac::parse("52:54:00:fb:00:01");
    view.address = Some(Ipv4Addr::new(192, 168, 151, 60));
    let profile = Arc::make_mut(view.plan.profile.as_mut().expect("it has one"));
    profile.tree = None;
    profile.answers = ["pxelinux.cfg/default", "arm/pxelinux.cfg/default", "grub/grub.cfg"]
        .map(|name| (name.to_owned(), format!("t:{name}")))
        .into();
    let table = [
        ("pxelinux.cfg/default", "answer t:pxelinux.cfg/default"),
        ("pxelinux.cfg/01-52-54-00-fb-00-01", "answer t:pxelinux.cfg/default"),
        ("/pxelinux.cfg/01-52-54-00-FB-00-01", "answer t:pxelinux.cfg/default"),
        ("pxelinux.cfg/C0A8973C", "answer t:pxelinux.cfg/default"),
        ("pxelinux.cfg/C0A89", "answer t:pxelinux.cfg/default"),
        ("pxelinux.cfg/C", "answer t:pxelinux.cfg/default"),
        ("arm/pxelinux.cfg/C0A8973C", "answer t:arm/pxelinux.cfg/default"),
        // Another machine's, another kind of hardware, and no menu at all.
        ("pxelinux.cfg/01-52-54-00-fb-00-02", "pxelinux.cfg/01-52-54-00-fb-00-02"),
        ("pxelinux.cfg/C0A8973D", "pxelinux.cfg/C0A8973D"),
        ("pxelinux.cfg/06-52-54-00-fb-00-01", "pxelinux.cfg/06-52-54-00-fb-00-01"),
        ("pxelinux.cfg/C0A8973C0", "pxelinux.cfg/C0A8973C0"),
        ("x/pxelinux.cfg/C0A8973C", "x/pxelinux.cfg/C0A8973C"),
        ("C0A8973C", "C0A8973C"),
        ("/grub/grub.cfg", "answer t:grub/grub.cfg"),
        ("/grub/x86_64-efi/command.lst", "grub/x86_64-efi/command.lst"),
    ];
    for (name, expected) in table {
        assert_eq!(line(Some(&view), name), expected, "{name:?}");
    }
    assert_eq!(line(None, "pxelinux.cfg/C0A8973C"), "pxelinux.cfg/C0A8973C", "a stranger has no menu");
}
