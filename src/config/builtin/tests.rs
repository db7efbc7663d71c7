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
    assert_eq!(render("pi/cmdline.txt", "", "10000000abcdef01", ""), expected);
    assert_eq!(render("pi/cmdline.txt", "", "10000000abcdef01", "quiet splash"), format!("{expected} quiet splash"));
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

/// Runs the script with `/etc` and `/boot` in a scratch directory, and with commands that would touch this machine taken away.
fn first_run(scratch: &Path, hostname: &str) -> Output {
    let etc = scratch.join("etc");
    let script = render("pi/firstrun.sh", hostname, "", "")
        .replace("/etc/", &format!("{}/", etc.display()))
        .replace(" /boot", &format!(" {}/boot", scratch.display()));
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

#[test]
fn the_first_run_takes_itself_out_of_the_command_line_however_it_ends() {
    for (mount, broken) in [("boot", false), ("boot/firmware", false), ("boot/firmware", true)] {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let boot = scratch.path().join(mount);
        std::fs::create_dir_all(&boot).expect("a directory");
        if !broken {
            std::fs::create_dir(scratch.path().join("etc")).expect("a directory");
        }
        if mount != "boot" {
            // What Bookworm leaves there for people who look at the old place.
            std::fs::write(scratch.path().join("boot/cmdline.txt"), "DO NOT EDIT THIS FILE\n").expect("a file");
        }
        std::fs::write(boot.join("firstrun.sh"), "the script").expect("a file");
        let line = format!(
            "console=tty1 rootwait systemd.run=/{mount}/firstrun.sh systemd.run_success_action=reboot \
             systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target\n"
        );
        std::fs::write(boot.join("cmdline.txt"), line).expect("a file");
        let run = first_run(scratch.path(), "KXP2-SPAA-007");
        assert_eq!(run.status.success(), !broken, "without /etc it cannot do its work: {run:?}");
        assert_eq!(std::fs::read_to_string(boot.join("cmdline.txt")).expect("a file"), "console=tty1 rootwait\n");
        assert!(!boot.join("firstrun.sh").exists());
        assert!(!boot.join("cmdline.new").exists());
    }
}

fn vars(more: &[(&str, &str)]) -> Vars {
    let mut vars = needed();
    vars.0.extend(more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    vars
}

/// Keys of today's schema (pve-installer 9.2, kebab-case); the installer refuses every other.
const PROXMOX_KEYS: [(&str, &[&str]); 5] = [
    (
        "global",
        &[
            "country",
            "fqdn",
            "keyboard",
            "mailto",
            "reboot-mode",
            "reboot-on-error",
            "root-password",
            "root-password-hashed",
            "root-ssh-keys",
            "subscription-key",
            "timezone",
        ],
    ),
    ("network", &["cidr", "dns", "filter", "gateway", "interface-name-pinning", "source"]),
    ("disk-setup", &["btrfs", "disk-list", "filesystem", "filter", "filter-match", "lvm", "zfs"]),
    ("post-installation-webhook", &["cert-fingerprint", "url"]),
    ("first-boot", &["cert-fingerprint", "ordering", "source", "url"]),
];

#[test]
fn the_proxmox_answer_has_the_keys_of_todays_schema() {
    let hostile = "a \"quoted\" key\\\n\n[evil]\n";
    let vars = vars(&[("ssh_keys", hostile), ("first_boot_url", "http://192.168.151.1/boot/first.sh")]);
    let text = rendered("proxmox/answer.toml", &Facts { vars, ..facts("KXP2-SPAA-007", "", "") });
    let answer: toml::Table = text.parse().expect("TOML");
    for (section, keys) in &answer {
        let (_, known) = PROXMOX_KEYS.iter().find(|(name, _)| name == section).expect("a section of the schema");
        for key in keys.as_table().expect("a table").keys() {
            assert!(known.contains(&key.as_str()), "[{section}] {key}");
        }
    }
    assert_eq!(answer.len(), PROXMOX_KEYS.len());
    let at = |section: &str, key: &str| answer[section][key].clone();
    assert_eq!(at("global", "fqdn").as_str(), Some("KXP2-SPAA-007.lan"));
    assert_eq!(at("global", "root-password-hashed").as_str(), Some("$6$salt$hash"));
    let keys: Vec<_> = at("global", "root-ssh-keys").as_array().expect("a list").clone();
    assert_eq!(keys, ["a \"quoted\" key\\", "[evil]"].map(toml::Value::from));
    assert_eq!(at("disk-setup", "disk-list").as_array().map(Vec::len), Some(1));
    let webhook = "http://192.168.151.1/api/proxmox/installed";
    assert_eq!(at("post-installation-webhook", "url").as_str(), Some(webhook));
    assert_eq!(at("first-boot", "source").as_str(), Some("from-url"));
}

#[test]
fn the_ubuntu_answers_are_an_autoinstall() {
    let vars = vars(&[("ssh_keys", "ssh-ed25519 AAAA it's me\nssh-rsa BBBB\n"), ("username", "a: {b}")]);
    let facts = Facts { vars, ..facts("KXP2-SPAA-007", "10000000abcdef01", "") };
    let text = rendered("ubuntu/user-data", &facts);
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    let yaml = |text: &str| yaml_rust2::YamlLoader::load_from_str(text).expect("YAML").remove(0);
    let install = &yaml(&text)["autoinstall"];
    assert_eq!(install["version"].as_i64(), Some(1));
    assert_eq!(install["identity"]["hostname"].as_str(), Some("KXP2-SPAA-007"));
    assert_eq!(install["identity"]["username"].as_str(), Some("a: {b}"));
    assert_eq!(install["identity"]["password"].as_str(), Some("$6$salt$hash"));
    assert_eq!(install["ssh"]["authorized-keys"][0].as_str(), Some("ssh-ed25519 AAAA it's me"));
    assert_eq!(install["ssh"]["authorized-keys"].as_vec().map(Vec::len), Some(2));
    assert_eq!(install["ssh"]["allow-pw"].as_bool(), Some(false));
    let report = "curl -fsS -H 'Content-Type: application/json' -d '{\"status\":\"success\"}' \
        'http://192.168.151.1/api/status' || true";
    assert_eq!(install["late-commands"][0].as_str(), Some(report));
    let meta = yaml(&rendered("ubuntu/meta-data", &facts));
    assert_eq!(meta["instance-id"].as_str(), Some("hatchery-10000000abcdef01"));
    assert_eq!(rendered("ubuntu/vendor-data", &facts), "");
}

/// Values of a preseed file by question, with continued lines joined.
fn preseed(text: &str) -> std::collections::BTreeMap<String, String> {
    let joined = text.replace("\\\n", "");
    let lines = joined.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let answer = |line: &str| {
        let mut parts = line.splitn(4, ' ');
        let (_, question, _) = (parts.next(), parts.next().expect("a question"), parts.next().expect("a type"));
        (question.to_owned(), parts.next().unwrap_or_default().trim().to_owned())
    };
    lines.map(answer).collect()
}

#[test]
fn the_debian_answers_are_a_preseed() {
    let vars = vars(&[("ssh_keys", "ssh-ed25519 AAAA it's $(me)\nssh-rsa BBBB\n")]);
    let answers = preseed(&rendered("debian/preseed.cfg", &Facts { vars, ..facts("KXP2-SPAA-007", "", "") }));
    assert_eq!(answers["netcfg/hostname"], "KXP2-SPAA-007");
    assert_eq!(answers["passwd/root-password-crypted"], "$6$salt$hash");
    // The command, run by a shell in a scratch directory, does what it says.
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let target = scratch.path().join("root/.ssh");
    let command = answers["preseed/late_command"].replace("/target", &scratch.path().display().to_string());
    std::fs::create_dir(scratch.path().join("root")).expect("a directory");
    let command = command.replace("in-target", "in_target");
    let script = format!("in_target() {{ printf '%s\\n' \"$@\"; }}\n{command}");
    let run = Command::new("/bin/sh").arg("-c").arg(script).output().expect("a shell");
    let keys = std::fs::read_to_string(target.join("authorized_keys")).expect("keys");
    assert_eq!(keys, "ssh-ed25519 AAAA it's $(me)\nssh-rsa BBBB\n");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let report = "sh\n-c\nwget -q -O /dev/null --header=Content-Type:application/json \
        --post-data='{\"status\":\"success\"}' 'http://192.168.151.1/api/status'\n";
    assert_eq!(said, report, "{run:?}");
}

#[test]
fn the_menus_load_the_same_installer() {
    let facts = facts("KXP2-SPAA-007", "abc \"x\"", "quiet");
    let words = "ip=dhcp hatchery.server=http://192.168.151.1 hatchery.serial=abcx hatchery.product=KXP2 \
        hatchery.venue=SPAA quiet\n";
    let grub = rendered("grub/grub.cfg", &facts);
    assert!(grub.contains(&format!("    linux $files/installer/$arch/vmlinuz {words}    initrd ")), "{grub}");
    let menu = rendered("pxelinux/default", &facts);
    assert!(menu.contains("\n  KERNEL /installer/x86_64/vmlinuz\n"), "{menu}");
    assert!(menu.contains(&format!("  APPEND {words}\nLABEL disk\n")), "{menu}");
    let menu = rendered("pxelinux/default", &Facts { firmware: "u-boot".into(), ..facts.clone() });
    assert!(menu.contains("\n  INITRD /installer/arm64/initrd.img\n"), "{menu}");
    let own = Facts { vars: vars(&[("kernel", "debian/linux"), ("initrd", "debian/initrd.gz")]), ..facts };
    assert!(rendered("grub/grub.cfg", &own).contains(" $files/debian/linux ip=dhcp "));
    assert!(rendered("pxelinux/default", &own).contains("\n  INITRD /debian/initrd.gz\n"));
    assert!(rendered("ipxe/boot.ipxe", &own).contains("\nkernel ${server}/boot/debian/linux initrd=initrd.img "));
}
