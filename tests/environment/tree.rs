//! The tree of Raspberry Pis.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fastrand::Rng;
use hatchery::load::bench::{Bench, Setup};
use hatchery::load::{End, Load, Run};
use hatchery::sim::client::{Client, Identity, Kind, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::inside::{inside, until, wait};
use crate::pi_image::{NEEDS, V8, V2712, boot_files, installer, make, xz};
use crate::tools::{self, are_there, as_str, check_index, files, json, listed, unpacked};

const PATIENCE: Duration = Duration::from_secs(60);

/// Files of the boot partition that do not belong into the tree.
const LEFT: [&str; 5] = ["initramfs8", "config.txt", "cmdline.txt", "LICENCE.broadcom", "start4x.elf"];

#[test]
fn the_tree_has_what_pis_boot_and_the_same_bytes_every_time() {
    let name = "the_tree_has_what_pis_boot_and_the_same_bytes_every_time";
    if !are_there(&NEEDS, name) || !are_there(&["cpio"], name) {
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let image = make(scratch.path(), |_| false);
    let program = installer(scratch.path());
    let build = |image: &Path, boot: &str| {
        let boot = scratch.path().join(boot);
        json(&["build", "pi", "--image", as_str(image), "--installer", as_str(&program), "--boot", as_str(&boot)])
    };
    let (said, good) = build(&image, "first");
    assert!(good, "{said}");
    let versions: Vec<&str> =
        said["kernels"].as_array().expect("a list").iter().filter_map(|it| it["version"].as_str()).collect();
    assert_eq!(versions, [V2712, V8]);
    assert_eq!(said["kernels"][0]["modules"], 8, "{said}");
    assert_eq!(said["kernels"][0]["firmware_missing"], serde_json::json!(["none.fw"]), "{said}");
    assert_eq!((&said["lacking"], &said["warnings"]), (&serde_json::json!({}), &serde_json::json!([])));

    let tree = files(&scratch.path().join("first/pi"));
    let mut expected: BTreeMap<_, _> =
        boot_files().into_iter().filter(|(name, _)| !LEFT.contains(&name.as_str())).collect();
    for (path, bytes) in &tree {
        let path = path.to_str().expect("a plain name");
        match expected.remove(path) {
            Some(from_image) => assert!(*bytes == from_image, "{path} differs"),
            None => assert!(["built.json", "initramfs.img"].contains(&path), "{path} does not belong there"),
        }
    }
    assert!(expected.is_empty(), "{:?} are not there", expected.keys());

    let initramfs = scratch.path().join("first/pi/initramfs.img");
    let listed = listed(&initramfs);
    for line in ["crw-------   1 0        0          5,   1 Jan  1  1970 dev/console", "1970 init", "drwxrwxrwt"] {
        assert!(listed.contains(line), "no {line:?} in\n{listed}");
    }
    let inner = unpacked(&initramfs, &scratch.path().join("unpacked"));
    assert_eq!(inner[Path::new("init")], fs::read(&program).expect("our file"));
    assert_eq!(inner[Path::new("lib/firmware/rtl_nic/rtl8153a-4.fw")], b"microcode");
    for version in [V8, V2712] {
        let mut names = check_index(&inner, version);
        names.sort();
        let all = ["lan78xx", "microchip", "mii", "nvme", "nvme_core", "r8152", "uas", "usb_storage"];
        assert_eq!(names, all);
    }
    // The program, two indexes, two times eight modules, one firmware file: nothing else.
    assert_eq!(inner.len(), 1 + 2 * 9 + 1, "{:?}", inner.keys());

    // Again over itself, and elsewhere from the same image, packed.
    let packed = scratch.path().join("raspios.img.xz");
    fs::write(&packed, xz(&fs::read(&image).expect("our file"))).expect("a file");
    for (image, boot) in [(&image, "first"), (&packed, "second")] {
        let (said, good) = build(image, boot);
        assert!(good, "{said}");
        assert!(files(&scratch.path().join(boot).join("pi")) == tree, "{boot} differs");
        let entries = fs::read_dir(scratch.path().join(boot)).expect("a directory").count();
        assert_eq!(entries, 1, "nothing but the tree");
    }
    let second = scratch.path().join("second");
    let (rows, whole) = json(&["list", "--boot", as_str(&second)]);
    assert!(whole && rows[0]["standing"] == "whole", "{rows}");
    fs::write(second.join("pi/start4.elf"), "changed").expect("a file");
    let (rows, whole) = json(&["list", "--boot", as_str(&second)]);
    assert!(!whole && rows[0]["standing"] == "changed: start4.elf", "{rows}");
}

#[test]
fn what_is_missing_is_named_and_leaves_nothing() {
    if !are_there(&NEEDS, "what_is_missing_is_named_and_leaves_nothing") {
        return;
    }
    let lacks = |omitted: &[&str], says: &[&str]| {
        let scratch = tempfile::tempdir().expect("a directory");
        let image = make(scratch.path(), |name| omitted.iter().any(|part| name.contains(part)));
        let program = installer(scratch.path());
        let boot = scratch.path().join("tree");
        let (said, good) =
            json(&["build", "pi", "--image", as_str(&image), "--installer", as_str(&program), "--boot", as_str(&boot)]);
        for part in says {
            assert!(said.to_string().contains(part), "no {part:?} in {said}");
        }
        assert_eq!(files(&boot).is_empty(), !good, "{said}");
        (said, good)
    };
    // Two of three models boot.
    let (said, good) = lacks(&["kernel_2712.img"], &[]);
    assert!(good, "{said}");
    assert_eq!(said["lacking"], serde_json::json!({ "Raspberry Pi 5": ["kernel_2712.img"] }));
    assert_eq!(said["warnings"][0], "the template pi/config.txt names kernel_2712.img, which the tree does not have");
    // None does.
    let (_, good) =
        lacks(&["kernel", "fixup"], &["kernel8.img in the boot partition", "kernel_2712.img", "fixup4.dat"]);
    assert!(!good);
    let (_, good) = lacks(
        &["mii.ko", "nvme-core"],
        &[
            "the module mii, which r8152 needs (kernel 6.12.47+rpt-rpi-v8)",
            "the module nvme_core, which nvme needs (kernel 6.12.47+rpt-rpi-2712)",
        ],
    );
    assert!(!good);
    let (_, good) = lacks(&[".ko"], &["the modules of kernel 6.12.47+rpt-rpi-2712 (lib/modules/6.12.47+rpt-rpi-2712)"]);
    assert!(!good);
}

#[test]
fn what_is_no_image_or_no_installer_says_what_to_do() {
    let scratch = tempfile::tempdir().expect("a directory");
    let program = installer(scratch.path());
    let boot = scratch.path().join("tree");
    let build = |image: &Path, program: &Path| {
        let output =
            tools::installer(&["build", "pi", "--image", as_str(image), "--installer", as_str(program), "--boot"])
                .arg(&boot)
                .output()
                .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        tools::text(&output)
    };
    let image = scratch.path().join("some.img");
    fs::write(&image, vec![0; 1 << 20]).expect("a file");
    let said = build(&image, &program);
    assert!(said.contains("has no partition table; take an image of Raspberry Pi OS: .img, .img.xz"), "{said}");
    fs::write(&image, &xz(&[7; 1 << 20])[..100]).expect("a file");
    let said = build(&image, &program);
    assert!(said.contains("the file is cut off"), "{said}");
    let said = build(&scratch.path().join("nowhere.img"), &program);
    assert!(said.contains("nowhere.img: No such file"), "{said}");
    let said = build(&image, Path::new("/bin/sh"));
    assert!(said.contains("/bin/sh") && said.contains("packaging/build-installer arm64"), "{said}");
    assert!(!boot.exists() || files(&boot).is_empty());
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let scratch = tempfile::tempdir().expect("a directory");
    let program = installer(scratch.path());
    // Gigabytes of zeros: the same member, many times.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    member.write_all(&vec![0; 64 << 20]).expect("memory");
    let member = member.finish().expect("memory");
    let image = scratch.path().join("zeros.img.gz");
    let mut file = File::create(&image).expect("a file");
    (0..256).for_each(|_| file.write_all(&member).expect("room"));
    let boot = scratch.path().join("tree");
    let mut child =
        tools::installer(&["build", "pi", "--image", as_str(&image), "--installer", as_str(&program), "--boot"])
            .arg(&boot)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
    until(PATIENCE, || boot.join(".pi.building").exists().then_some(())).expect("it begins");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("process ids fit")), Signal::SIGINT).expect("it runs");
    let status = wait(&mut child, PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(fs::read_dir(&boot).expect("a directory").count(), 0);
}

#[test]
fn a_simulated_pi_5_boots_from_the_tree() {
    let name = "tree::a_simulated_pi_5_boots_from_the_tree";
    if !are_there(&NEEDS, name) || !inside(name) {
        return;
    }
    let setup = Setup {
        program: env!("CARGO_BIN_EXE_hatchery").into(),
        image_mib: 3,
        network: String::new(),
        tables: String::new(),
        log: "info".into(),
    };
    let mut bench = Bench::new(&setup).expect("a bench");
    let boot = bench.directory().join("data/boot");
    let scratch = tempfile::tempdir().expect("a directory");
    let image = make(scratch.path(), |_| false);
    let program = installer(scratch.path());
    let arguments =
        ["build", "pi", "--image", as_str(&image), "--installer", as_str(&program), "--boot", as_str(&boot)];
    // The bench has files of its own there, which no build made.
    let (said, good) = json(&arguments);
    assert!(!good && said["error"].as_str().is_some_and(|said| said.contains("move it elsewhere first")), "{said}");
    fs::remove_dir_all(boot.join("pi")).expect("the bench's files");
    let (said, good) = json(&arguments);
    assert!(good, "{said}");

    bench.start_server().expect("a server");
    bench.wait_for_image().expect("an image");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let records = runtime.block_on(async {
        let kinds = [Kind::Pi5, Kind::Pi4];
        let clients = kinds.iter().zip(1..).map(|(kind, number)| {
            let identity = Identity::numbered(*kind, number, &mut Rng::with_seed(u64::from(number)));
            Client::new(*kind, identity, u64::from(number), Options::default())
        });
        let load =
            Load { clients: clients.collect(), link: 0, known: Some(bench.image().clone()), pace: 1, rate: None };
        let mut run = Run::start(load, bench.network()).expect("a port");
        tokio::time::timeout(PATIENCE, run.finished()).await.expect("an end");
        run.records()
    });
    let size = |name: &str| fs::metadata(boot.join("pi").join(name)).expect("a file of the tree").len();
    for (record, kernel) in records.iter().zip(["kernel_2712.img", "kernel8.img"]) {
        assert!(matches!(&record.end, Some((End::Done(_), _))), "{record:#?}\n{}", bench.log_tail(30));
        let least = size(kernel) + size("initramfs.img");
        assert!(
            record.other_bytes > least,
            "{} bytes are less than {kernel} and initramfs, {least}",
            record.other_bytes
        );
    }
}
