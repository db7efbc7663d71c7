//! First boots and grown partitions, judged by mtools, dosfstools, gdisk and fdisk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hatchery::disk::compression::Compression;
use hatchery::installer::job::{Failure, Installed, Job, Method};

use crate::bench::{Watcher, install, job};
use crate::images::{MIB, cloud, outcome, pi, run, text, used_drive};
use crate::server::{Fault, Server};
use crate::whole::assert_dead;

const CMDLINE: &str = "console=serial0,115200 console=tty1 root=PARTUUID=1234abcd-02 rootfstype=ext4 fsck.repair=yes \
                       rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n";

const SCRIPT: &str = "#!/bin/sh\nsed -i 's/ systemd.run.*//' /boot/firmware/cmdline.txt\n";

const BOOKWORM: &[(&str, &str)] = &[
    ("config.txt", "[all]\nauto_initramfs=1\n"),
    ("cmdline.txt", CMDLINE),
    ("issue.txt", "Raspberry Pi reference 2024-11-19\nGenerated using pi-gen\n"),
    ("kernel8.img", "kernel"),
];

fn files(names: &[&str]) -> BTreeMap<String, String> {
    let content = |name: &str| match name {
        "firstrun.sh" => SCRIPT.to_owned(),
        // Larger than a cluster.
        "user-data" => format!("#cloud-config\nhostname: unit-1\n# {}\n", "x".repeat(20_000)),
        name => format!("content of {name}\n"),
    };
    names.iter().map(|name| ((*name).to_owned(), content(name))).collect()
}

const ALL: [&str; 4] = ["firstrun.sh", "user-data", "meta-data", "network-config"];

/// Installs `image` on a drive of `length` bytes with these first-boot files, and what `change` makes of the job.
fn installed(
    directory: &Path,
    image: &Path,
    length: u64,
    names: &[&str],
    change: impl FnOnce(&mut Job),
) -> (Result<Installed, Failure>, PathBuf) {
    let raw = fs::read(image).expect("the image");
    let server = Server::start(raw.clone(), |_| Fault::default());
    let target = used_drive(&directory.join("drive"), length);
    let mut job = job(server.url(), &raw, Compression::None, raw.len());
    job.first_boot.files = files(names);
    change(&mut job);
    (install(&job, &target, &Watcher::default()), target)
}

/// The FAT file system at `start`, sound in every respect, as a file of its own.
fn sound_fat(directory: &Path, drive: &Path, start: u64, length: u64) -> PathBuf {
    let bytes = fs::read(drive).expect("the drive");
    let place = |at: u64| usize::try_from(at).expect("a place in memory");
    let path = directory.join("volume");
    fs::write(&path, &bytes[place(start)..place(start + length)]).expect("room");
    let (code, said) = outcome("fsck.vfat", &["-n", text(&path)], "");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.to_lowercase().contains("dirty") && !said.to_lowercase().contains("differ"), "{said}");
    path
}

fn file(volume: &Path, name: &str) -> String {
    run("mtype", &["-i", text(volume), &format!("::{name}")], "")
}

#[test]
fn raspberry_pi_os_runs_the_script_from_its_command_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let image = pi(directory.path(), BOOKWORM);
    let (done, drive) = installed(directory.path(), &image, 96 * MIB, &ALL, |_| {});
    assert_eq!(done.expect("it works").first_boot, Some(Method::Script));
    let volume = sound_fat(directory.path(), &drive, 4 * MIB, 40 * MIB);
    assert_eq!(file(&volume, "firstrun.sh"), SCRIPT);
    let words = "systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot \
                 systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target";
    assert_eq!(file(&volume, "cmdline.txt"), format!("{} {words}\n", CMDLINE.trim_end()));
    assert_eq!(file(&volume, "kernel8.img"), "kernel");
    let listed = run("mdir", &["-b", "-i", text(&volume), "::"], "");
    assert_eq!(listed.lines().filter(|line| line.contains("cmdline")).count(), 1, "{listed}");
    // Everything else is the image's.
    let (image, drive) = (fs::read(image).expect("the image"), fs::read(drive).expect("the drive"));
    assert!(image[44 << 20..] == drive[44 << 20..64 << 20] && image[..4 << 20] == drive[..4 << 20]);
}

#[test]
fn before_bookworm_the_boot_partition_was_elsewhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let old =
        [("config.txt", "[all]\n"), ("cmdline.txt", CMDLINE), ("issue.txt", "Raspberry Pi reference 2023-05-03\n")];
    let image = pi(directory.path(), &old);
    let (done, drive) = installed(directory.path(), &image, 96 * MIB, &ALL, |_| {});
    done.expect("it works");
    let volume = sound_fat(directory.path(), &drive, 4 * MIB, 40 * MIB);
    assert!(file(&volume, "cmdline.txt").contains(" systemd.run=/boot/firstrun.sh "));
}

#[test]
fn raspberry_pi_os_with_cloud_init_gets_its_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let seeded = [BOOKWORM, &[("user-data", "#cloud-config\n"), ("meta-data", "instance_id: rpios-image\n")]].concat();
    let image = pi(directory.path(), &seeded);
    let (done, drive) = installed(directory.path(), &image, 96 * MIB, &ALL, |_| {});
    assert_eq!(done.expect("it works").first_boot, Some(Method::BootPartitionSeed));
    let volume = sound_fat(directory.path(), &drive, 4 * MIB, 40 * MIB);
    for (name, content) in files(&["user-data", "meta-data", "network-config"]) {
        assert_eq!(file(&volume, &name), content);
    }
    assert_eq!(file(&volume, "cmdline.txt"), CMDLINE);
}

#[test]
fn custom_toml_is_for_an_image_that_reads_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let image = pi(directory.path(), BOOKWORM);
    let (done, drive) = installed(directory.path(), &image, 96 * MIB, &["custom.toml", "firstrun.sh"], |_| {});
    assert_eq!(done.expect("it works").first_boot, Some(Method::CustomToml));
    let volume = sound_fat(directory.path(), &drive, 4 * MIB, 40 * MIB);
    assert_eq!(file(&volume, "custom.toml"), "content of custom.toml\n");
}

#[test]
fn a_cloud_image_gets_a_partition_with_its_seed_and_grows_up_to_it() {
    for grow in [false, true] {
        let directory = tempfile::tempdir().expect("a directory");
        let image = cloud(directory.path());
        let (done, drive) = installed(directory.path(), &image, 96 * MIB, &ALL, |job| job.grow = grow);
        let done = done.expect("it works");
        assert_eq!(done.first_boot, Some(Method::SeedPartition));
        let said = run("sgdisk", &["-v", "-p", text(&drive)], "");
        assert!(said.contains("No problems found"), "{said}");
        let dump = run("sfdisk", &["-d", text(&drive)], "");
        let sectors = |number: u32| {
            let line = dump.lines().find(|line| line.contains(&format!("drive{number} ")))?;
            let value = |key: &str| line.split(key).nth(1)?.trim_start().split(',').next()?.trim().parse::<u64>().ok();
            Some((value("start=")? * 512, value("size=")? * 512))
        };
        let seed = sectors(16).expect("the partitions keep their numbers, and 16 is new");
        assert_eq!(seed, (91 * MIB, 4 * MIB), "{dump}");
        let root = sectors(1).expect("the root partition is 1 still");
        assert_eq!(root.0, 40 * MIB, "{dump}");
        if grow {
            assert_eq!(root.0 + root.1, seed.0, "{dump}");
            assert_eq!(done.grown, Some(91 * MIB - 64 * MIB + 33 * 512), "{dump}");
        }
        assert!(sectors(14).is_some() && sectors(15).is_some(), "{dump}");
        let volume = sound_fat(directory.path(), &drive, seed.0, seed.1);
        let found = run("blkid", &["-p", "-o", "export", text(&volume)], "");
        assert!(found.contains("LABEL=CIDATA") && found.contains("TYPE=vfat"), "{found}");
        for (name, content) in files(&["user-data", "meta-data", "network-config"]) {
            assert_eq!(file(&volume, &name), content);
        }
        assert_eq!(file(&sound_fat(directory.path(), &drive, 4 * MIB, 36 * MIB), "marker.txt"), "esp");
    }
}

#[test]
fn the_last_partition_of_an_mbr_grows_to_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let image = pi(directory.path(), BOOKWORM);
    let (done, drive) = installed(directory.path(), &image, 100 * MIB, &[], |job| job.grow = true);
    assert_eq!(done.expect("it works").grown, Some(36 * MIB));
    let dump = run("sfdisk", &["-d", text(&drive)], "");
    let line = dump.lines().find(|line| line.contains("drive2")).expect("a second partition");
    assert!(line.contains(&format!("start={:>12}, size={:>12}", 44 * 2048, 56 * 2048)), "{dump}");
    assert!(dump.contains("label-id: 0x1234abcd"), "{dump}");
    assert_eq!(run("sfdisk", &["-V", text(&drive)], "").matches("No errors detected").count(), 1);
}

#[test]
fn what_cannot_be_prepared_is_a_failure_and_does_not_boot() {
    let directory = tempfile::tempdir().expect("a directory");
    let pi_image = pi(directory.path(), BOOKWORM);
    let cloud_image = cloud(directory.path());
    let bare = directory.path().join("bare.img");
    fs::write(&bare, crate::images::noise(8 << 20, 5)).expect("room");
    let endless = |job: &mut Job| {
        job.first_boot.files.insert("firstrun.sh".to_owned(), "#!/bin/sh\ntrue\n".to_owned());
    };
    let huge = |job: &mut Job| {
        job.first_boot.files.insert("firstrun.sh".to_owned(), "# cmdline.txt\n".repeat(3_000_000));
    };
    let nothing = |_: &mut Job| {};
    type Case<'a> = (&'a Path, u64, &'a [&'a str], &'a dyn Fn(&mut Job), &'a str);
    let cases: [Case<'_>; 6] = [
        (&pi_image, 96, &["user-data", "meta-data"], &nothing, "has no cloud-init, and no firstrun.sh"),
        (&pi_image, 96, &["firstrun.sh"], &endless, "would run at every boot"),
        (&pi_image, 96, &["firstrun.sh"], &huge, "no room"),
        (&cloud_image, 96, &["firstrun.sh"], &nothing, "user-data and meta-data"),
        (&cloud_image, 64, &ALL, &nothing, "to spare"),
        (&bare, 96, &ALL, &nothing, "no partition table"),
    ];
    for (image, length, names, change, sentence) in cases {
        let (done, drive) = installed(directory.path(), image, length * MIB, names, change);
        let failure = done.expect_err(sentence);
        assert!(matches!(failure, Failure::FirstBoot { .. }), "{failure}");
        assert!(failure.to_string().contains(sentence), "{failure}");
        assert_dead(&drive);
    }
}
