//! What ships around the binary: the user-data of the cloud appliance, run on stand-ins, and the list of what the Debian
//! package holds, where it was built.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod inside;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use inside::inside;
use yaml_rust2::{Yaml, YamlLoader};

const USER_DATA: &str = "packaging/cloud-init.yaml";

fn user_data() -> Yaml {
    let text = fs::read_to_string(USER_DATA).expect("the user-data");
    assert!(text.starts_with("#cloud-config\n"), "cloud-init knows it by its first line");
    YamlLoader::load_from_str(&text).expect("YAML").remove(0)
}

#[test]
fn cloud_init_understands_the_user_data() {
    let user_data = user_data();
    let script = user_data["runcmd"][0][0].as_str().expect("a command");
    let written: Vec<&str> =
        user_data["write_files"].as_vec().expect("files").iter().filter_map(|file| file["path"].as_str()).collect();
    assert!(written.contains(&script), "{script} is one of {written:?}");
    match Command::new("cloud-init").args(["schema", "--config-file", USER_DATA]).output() {
        Ok(checked) => assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr)),
        Err(_) => eprintln!("SKIPPED: cloud-init's own check of its schema; apt-get install cloud-init"),
    }
}

/// A stand-in for a program.
fn program(directory: &Path, name: &str, script: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
}

/// Runs the appliance's script below a root of its own, where two interfaces are and these programs.
fn set_up(root: &Path, netplan: bool) -> String {
    for file in user_data()["write_files"].as_vec().expect("files") {
        let path = root.join(file["path"].as_str().expect("a path").trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, file["content"].as_str().expect("text")).expect("a file");
    }
    for directory in ["etc/netplan", "etc/network/interfaces.d", "etc/hatchery", "var/tmp", "bin"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::write(root.join("var/tmp/hatchery.deb"), "").expect("a package");
    let programs = root.join("bin");
    let package = fs::canonicalize("packaging/debian/hatchery.toml").expect("the package's configuration");
    let install = format!("[ -e $ROOT/etc/hatchery/hatchery.toml ] || cp {} $ROOT/etc/hatchery/", package.display());
    program(&programs, "apt-get", &format!("echo apt-get \"$@\" >>$ROOT/did; {install}"));
    for name in ["systemctl", "ifup"] {
        program(&programs, name, &format!("echo {name} \"$@\" >>$ROOT/did"));
    }
    if netplan {
        program(&programs, "netplan", "echo netplan \"$@\" >>$ROOT/did");
    }
    let check = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_hatchery"));
    program(&programs, "hatchery", &check);
    let script = root.join("usr/local/sbin/hatchery-appliance");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("a path"));
    let run = Command::new("sh").arg(script).env("ROOT", root).env("PATH", path).output().expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{}\n{out}\n{err}", run.status);
    fs::read_to_string(root.join("did")).expect("what it did")
}

#[test]
fn a_cloud_vm_becomes_the_appliance() {
    if !inside("a_cloud_vm_becomes_the_appliance") {
        return;
    }
    // Two interfaces and no third one: each is the other's end.
    let network = "ip link add ens4 type veth peer name ens5 && ip address add 10.0.2.15/24 dev ens4 && \
                   ip link set ens4 up && ip link set ens5 up && ip route add default via 10.0.2.2";
    assert!(Command::new("sh").args(["-c", network]).status().expect("ip (iproute2)").success());
    for netplan in [true, false] {
        let scratch = tempfile::tempdir().expect("a directory");
        let root = scratch.path();
        let did = set_up(root, netplan);
        let text = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let network = if netplan {
            let text = text("etc/netplan/60-hatchery.yaml");
            let yaml = YamlLoader::load_from_str(&text).expect("YAML").remove(0);
            assert_eq!(
                yaml["network"]["ethernets"]["ens5"]["addresses"][0].as_str(),
                Some("192.168.151.1/24"),
                "{text}"
            );
            "netplan apply"
        } else {
            let text = text("etc/network/interfaces.d/hatchery");
            assert!(text.contains("iface ens5 inet static\n  address 192.168.151.1/24\n"), "{text}");
            "ifup ens5"
        };
        let deb = root.join("var/tmp/hatchery.deb");
        let expected = format!("{network}\napt-get install -y {}\nsystemctl enable --now hatchery\n", deb.display());
        assert_eq!(did, expected);
        let config = text("etc/hatchery/hatchery.toml");
        assert!(config.contains("interface = \"ens5\"") && config.contains("listen = [\"10.0.2.15:443\"]"), "{config}");

        let own = format!("{config}\n# ours\n");
        fs::write(root.join("etc/hatchery/hatchery.toml"), &own).expect("a file");
        set_up(root, netplan);
        assert_eq!(text("etc/hatchery/hatchery.toml"), own, "what somebody wrote stays");
    }
}

/// The package that `packaging/build-deb` made, if it did.
fn package() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("debian");
    let built = fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    built.filter(|path| path.extension().is_some_and(|end| end == "deb")).max()
}

#[test]
fn the_package_holds_what_the_system_needs() {
    let Some(package) = package() else {
        eprintln!("SKIPPED: there is no package in target/debian; packaging/build-deb makes it, with cargo-deb");
        return;
    };
    let Ok(list) = Command::new("dpkg-deb").arg("--contents").arg(&package).output() else {
        eprintln!("SKIPPED: dpkg-deb is not here; apt-get install dpkg");
        return;
    };
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    for wanted in [
        "./usr/bin/hatchery",
        "./etc/hatchery/hatchery.toml",
        "./usr/lib/sysctl.d/60-hatchery.conf",
        "/systemd/system/hatchery.service",
        "./usr/share/man/man1/hatchery.1",
        "./usr/share/man/man1/hatchery-demo.1",
        "./usr/share/bash-completion/completions/hatchery",
        "./usr/share/zsh/vendor-completions/_hatchery",
        "./usr/share/fish/vendor_completions.d/hatchery.fish",
        "./usr/share/doc/hatchery/examples/hatchery.toml",
    ] {
        assert!(list.contains(wanted), "{wanted} is not in {}:\n{list}", package.display());
    }
}
