//! Any bytes, and names of known parts, as the name of a file: whatever it means lies below a served directory.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hatchery::boot::file::{RelativePath, Source, resolve};
use hatchery::boot::{Boot, BootPlan, NetBoot, View};
use hatchery::catalog::{PiMenu, Profile};
use hatchery::ids::MachineId;
use hatchery::machine::{Evidence, Machine, Order};
use hatchery::net::LinkId;
use hatchery::time::Timestamp;

use crate::script::Script;

const PARTS: [&str; 22] = [
    "config.txt",
    "d9780558",
    "images",
    "boot",
    "dc-a6-32-01-36-c2",
    "KXP2.img",
    "grub",
    "pi",
    "snponly.efi",
    "pxelinux.cfg",
    "01-dc-a6-32-01-36-c2",
    ".",
    "%2e%2e",
    "a.part",
    "~",
    "...",
    "C:",
    "ä",
    "dtb",
    " ",
    "default",
    "",
];
const SEPARATORS: [&str; 6] = ["/", "/", "/", "\\", "//", "/./"];
const ENDS: [&str; 7] = ["", "", "", "\0octet", "\u{ff}", "?x=1", "/"];

/// Whether the name means a file.
pub fn run(bytes: &[u8]) -> bool {
    let name = match Script::of(bytes) {
        Some(mut script) => Cow::Owned(built(&mut script)),
        None => String::from_utf8_lossy(bytes),
    };
    if let Ok(path) = RelativePath::clean(&name) {
        check(&path);
        assert_eq!(RelativePath::clean(path.as_str()), Ok(path.clone()), "what is clean stays as it is");
    }
    let mut means = false;
    for view in [None, Some(view())] {
        match resolve(view.as_ref(), &name) {
            Ok(Source::Answer(template)) => assert!(view.is_some() && template == "pi/config.txt"),
            Ok(Source::Image(path)) => check(&path),
            Ok(Source::Program(bytes)) => assert!(bytes.starts_with(b"MZ")),
            Ok(Source::BootFiles(paths)) => {
                assert!(!paths.is_empty());
                paths.iter().for_each(check);
            }
            Err(_) => continue,
        }
        means = true;
    }
    means
}

/// A name of known parts; now and then one leads upwards or has what no name has.
fn built(script: &mut Script<'_>) -> String {
    let mut name = script.choice(&["", "", "/", "./"]).to_owned();
    for index in 0..=script.below(5) {
        if index > 0 {
            name += script.choice(&SEPARATORS);
        }
        name +=
            if script.rarely() { script.choice(&["..", "\u{1}", "a\tb", "\u{fffd}"]) } else { script.choice(&PARTS) };
    }
    if script.rarely() {
        name = name.repeat(1 + script.below(64));
    }
    name + script.choice(&ENDS)
}

fn check(path: &RelativePath) {
    let path = path.as_str();
    assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
    assert!(!path.contains('\\') && !path.contains(char::is_control), "{path:?}");
}

/// A machine whose profile has a tree and an answer.
fn view() -> View {
    let profile = Profile {
        name: "pi".into(),
        tree: Some("pi".into()),
        answers: [("config.txt".into(), "pi/config.txt".into())].into(),
        ..Profile::default()
    };
    let net = NetBoot { next_server: Ipv4Addr::LOCALHOST, boot_file: String::new(), pi_menu: PiMenu::default() };
    let profile = Some(Arc::new(profile));
    View {
        machine: Machine::new(MachineId(1), &Evidence::default(), Timestamp::default()),
        name: None,
        address: None,
        link: LinkId(0),
        plan: BootPlan { boot: Boot::Net(net), profile, order: Order::Install, reasons: Vec::new() },
    }
}
