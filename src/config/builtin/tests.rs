use std::path::Path;
use std::process::{Command, Output};

use super::*;
use crate::answer::Answers;
use crate::boot::Facts;
use crate::catalog::Vars;

/// Every built-in template, compiled as the server does.
fn answers() -> Answers {
    let templates = TEMPLATES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let (answers, errors) = Answers::compile(&templates);
    assert_eq!(errors, []);
    answers
}

/// The variables that templates need; everything else has a default.
fn needed() -> Vars {
    let vars = [("root_password_hash", "$6$salt$hash"), ("password_hash", "$6$salt$hash")];
    Vars(vars.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
}

/// A Pi with this name, serial and kernel arguments.
fn facts(hostname: &str, serial: &str, kernel_args: &str) -> Facts {
    Facts {
        mac: "dc:a6:32:01:36:c2".into(),
        serial: serial.into(),
        hostname: hostname.into(),
        address: "192.168.151.100".into(),
        firmware: "raspberry-pi-5".into(),
        profile: "raspberry-pi".into(),
        product: "KXP2".into(),
        venue: "SPAA".into(),
        server: "192.168.151.1".into(),
        base_url: "http://192.168.151.1".into(),
        kernel_args: kernel_args.into(),
        vars: needed(),
        ..Facts::default()
    }
}

fn render(name: &str, hostname: &str, serial: &str, kernel_args: &str) -> String {
    rendered(name, &facts(hostname, serial, kernel_args))
}

fn rendered(name: &str, facts: &Facts) -> String {
    answers().render(name, facts).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_template_of_the_repository_is_built_in() {
    fn walk(directory: &Path, names: &mut Vec<String>, root: &Path) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, names, root);
            } else {
                names.push(path.strip_prefix(root).expect("below the root").display().to_string());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("answer-templates");
    let mut names = Vec::new();
    walk(&root, &mut names, &root);
    names.sort();
    assert_eq!(names, TEMPLATES.map(|(name, _)| name));
}

#[test]
fn a_machine_of_which_nothing_is_known_renders_every_template() {
    let nothing = Facts { firmware: "unknown".into(), vars: needed(), ..Facts::default() };
    for (name, _) in TEMPLATES {
        let text = rendered(name, &nothing);
        assert!(!text.contains("{{") && !text.contains("{%"), "{name}: {text}");
    }
}

#[test]
fn the_command_line_is_one_line() {
    let expected = "console=serial0,115200 console=tty1 ip=dhcp hatchery.server=http://192.168.151.1 \
        hatchery.serial=10000000abcdef01 hatchery.product=KXP2 hatchery.venue=SPAA";
    assert_eq!(render("pi/cmdline.txt", "", "10000000abcdef01", ""), format!("{expected}\n"));
    assert_eq!(render("pi/cmdline.txt", "", "10000000abcdef01", "quiet splash"), format!("{expected} quiet splash\n"));
}

#[test]
fn a_serial_cannot_add_words_or_commands() {
    let serial = "a\"b c${x}&&d";
    assert!(render("pi/cmdline.txt", "", serial, "").contains(" hatchery.serial=abcxd hatchery.product="));
    assert!(render("ipxe/boot.ipxe", "", serial, "").contains(" hatchery.serial=abcxd hatchery.product="));
}

#[test]
fn config_txt_is_small_enough_for_every_pi() {
    let text = render("pi/config.txt", "", "10000000abcdef01", "");
    assert!(text.len() <= 4096, "{} bytes", text.len());
    let section = |name: &str| text.split(&format!("[{name}]")).nth(1).and_then(|rest| rest.split('[').next());
    assert!(section("pi4").is_some_and(|section| section.contains("\nkernel=kernel8.img\n")), "{text}");
    assert!(section("pi5").is_some_and(|section| section.contains("\nkernel=kernel_2712.img\n")), "{text}");
    assert!(text.contains("\narm_64bit=1\n") && text.contains("\ninitramfs initramfs.img followkernel"), "{text}");
}

#[test]
fn the_ipxe_script_loads_by_http_and_ends_in_a_shell() {
    let text = render("ipxe/boot.ipxe", "", "abc", "quiet");
    assert!(text.starts_with("#!ipxe\n"), "{text}");
    let kernel = "\nkernel ${server}/boot/installer/${arch}/vmlinuz initrd=initrd.img ip=dhcp \
        hatchery.server=http://192.168.151.1 hatchery.serial=abc hatchery.product=KXP2 hatchery.venue=SPAA quiet || goto failed\n";
    assert!(text.contains(kernel), "{text}");
    assert!(text.contains("\n:failed\n") && text.contains("\nshell\n"), "{text}");
}

/// Runs the script with `/etc` in a scratch directory, and with commands that would touch this machine taken away.
fn first_run(scratch: &Path, hostname: &str) -> Output {
    let etc = scratch.join("etc");
    let script = render("pi/firstrun.sh", hostname, "", "").replace("/etc/", &format!("{}/", etc.display()));
    let path = format!("{}:/usr/bin:/bin", scratch.join("bin").display());
    Command::new("/bin/sh").arg("-c").arg(script).env("PATH", path).output().expect("a shell")
}

#[test]
fn the_first_run_names_the_machine_once() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for directory in ["etc", "bin"] {
        std::fs::create_dir(scratch.path().join(directory)).expect("a directory");
    }
    for command in ["hostname", "logger"] {
        let path = scratch.path().join("bin").join(command);
        std::fs::write(&path, "#!/bin/sh\n").expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("a mode");
    }
    let read = |name: &str| std::fs::read_to_string(scratch.path().join("etc").join(name)).unwrap_or_default();
    std::fs::write(scratch.path().join("etc/hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\told\n").expect("a file");

    let run = first_run(scratch.path(), "");
    assert!(run.status.success() && read("hostname").is_empty(), "{run:?}");

    for said in ["the name is now KXP2-SPAA-007", "the name is KXP2-SPAA-007 already"] {
        let run = first_run(scratch.path(), "KXP2-SPAA-007");
        assert!(run.status.success(), "{run:?}");
        assert_eq!(String::from_utf8_lossy(&run.stdout), format!("hatchery-firstrun: {said}\n"));
        assert_eq!(read("hostname"), "KXP2-SPAA-007\n");
        assert_eq!(read("hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\tKXP2-SPAA-007\n");
    }
}
