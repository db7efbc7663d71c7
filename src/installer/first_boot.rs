//! Prepares the first boot of what was written, without mounting anything: FAT partitions are edited in place.
//!
//! The way is chosen by what the image is, and what was asked for and cannot be done is a failure:
//!
//! | the image | is told by |
//! |---|---|
//! | Raspberry Pi OS or Ubuntu with cloud-init: `user-data` lies on the boot partition | `user-data`, `meta-data`, `network-config` there |
//! | Raspberry Pi OS that reads `custom.toml`, which was given | `custom.toml` on the boot partition |
//! | any other Raspberry Pi OS | `firstrun.sh` there, started by `systemd.run` in `cmdline.txt`; it has to remove itself |
//! | anything else with a partition table | the three cloud-init files on a FAT partition `CIDATA` at the end of the drive |
//!
//! The last one works on images with cloud-init and is not looked at by others; whether an ext4 root has cloud-init is
//! not examined. Contents come ready from the server; only `cmdline.txt` is edited here.

use std::io;

use crate::disk::fat::Fat;
use crate::disk::partitions::{self, Kind, Partition, grow};

use super::job::{Failure, FirstBoot, Method};
use super::withheld::Disk;

#[cfg(test)]
mod tests;

/// The files of a cloud-init NoCloud seed.
const SEED: [&str; 3] = ["user-data", "meta-data", "network-config"];

/// Bytes of the partition with the seed.
const SEED_LENGTH: u64 = 4 << 20;

/// The label by which cloud-init finds it.
const SEED_LABEL: &str = "CIDATA";

/// Files by name.
type Files = Vec<(String, Vec<u8>)>;

/// What was prepared.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// How.
    pub method: Method,
    /// The partition that was added for it.
    pub added: Option<u32>,
    partition: Partition,
    files: Files,
}

/// Prepares what `wanted` asks for; nothing if it asks for nothing.
///
/// # Errors
///
/// [`Failure::FirstBoot`].
pub fn prepare(disk: &mut Disk<'_>, wanted: &FirstBoot) -> Result<Option<Prepared>, Failure> {
    if wanted.files.is_empty() {
        return Ok(None);
    }
    let size = disk.size();
    let table = partitions::read(disk, size).map_err(refused)?;
    let table = table.ok_or_else(|| refused("the image has no partition table"))?;
    for partition in table.partitions.iter().filter(|one| matches!(one.kind, Kind::Fat | Kind::Esp)) {
        // Other kinds of partitions carry these types too.
        let Ok(fat) = Fat::open(disk, partition.start, partition.length) else { continue };
        let Some((method, files)) = pi_files(&fat, wanted)? else { continue };
        drop(fat);
        write(disk, partition, &files)?;
        return Ok(Some(Prepared { method, added: None, partition: partition.clone(), files }));
    }
    let files = seed(wanted);
    if !(wanted.files.contains_key("user-data") && wanted.files.contains_key("meta-data")) {
        return Err(refused(
            "the image is no Raspberry Pi OS, and any other one is told by user-data and meta-data, which are not both given",
        ));
    }
    let partition = grow::append(disk, SEED_LENGTH, SEED_LABEL).map_err(refused)?;
    Fat::format(disk, partition.start, partition.length, SEED_LABEL).and_then(Fat::close).map_err(refused)?;
    write(disk, &partition, &files)?;
    Ok(Some(Prepared { method: Method::SeedPartition, added: Some(partition.number), partition, files }))
}

/// Reads back what was prepared.
///
/// # Errors
///
/// [`Failure::FirstBoot`]: it is not there.
pub fn confirm(disk: &mut Disk<'_>, prepared: &Prepared) -> Result<(), Failure> {
    let fat = Fat::open(disk, prepared.partition.start, prepared.partition.length).map_err(refused)?;
    for (name, bytes) in &prepared.files {
        if fat.read(name).map_err(refused)?.as_ref() != Some(bytes) {
            return Err(refused(format!("{name} was written and reads differently; the drive is probably faulty")));
        }
    }
    Ok(())
}

fn refused(what: impl ToString) -> Failure {
    Failure::FirstBoot { what: what.to_string() }
}

fn write(disk: &mut Disk<'_>, partition: &Partition, files: &Files) -> Result<(), Failure> {
    let written = (|| -> io::Result<()> {
        let mut fat = Fat::open(disk, partition.start, partition.length)?;
        for (name, bytes) in files {
            fat.write(name, bytes)?;
        }
        fat.close()
    })();
    written.map_err(refused)
}

fn seed(wanted: &FirstBoot) -> Files {
    let given =
        SEED.iter().filter_map(|name| Some(((*name).to_owned(), wanted.files.get(*name)?.clone().into_bytes())));
    given.collect()
}

/// What goes onto the boot partition of a Raspberry Pi; nothing if this is none.
fn pi_files<D>(fat: &Fat<'_, D>, wanted: &FirstBoot) -> Result<Option<(Method, Files)>, Failure>
where
    D: io::Read + io::Write + io::Seek,
{
    let text = |name: &str| match fat.read(name) {
        Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err(refused(error)),
    };
    let (Some(config), Some(cmdline)) = (text("config.txt")?, text("cmdline.txt")?) else { return Ok(None) };
    let names = fat.list("").map_err(refused)?;
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let given = |name: &str| wanted.files.get(name);
    if has("user-data") && given("user-data").is_some() {
        return Ok(Some((Method::BootPartitionSeed, seed(wanted))));
    }
    // The first boot of Raspberry Pi OS since 2023 reads custom.toml (raspberrypi-sys-mods, init_config).
    if cmdline.contains("init=/usr/lib/raspberrypi-sys-mods/firstboot")
        && let Some(custom) = given("custom.toml")
    {
        return Ok(Some((Method::CustomToml, vec![("custom.toml".to_owned(), custom.clone().into_bytes())])));
    }
    let Some(script) = given("firstrun.sh") else {
        return Err(refused("this Raspberry Pi OS has no cloud-init, and no firstrun.sh is given"));
    };
    if !script.contains("cmdline.txt") {
        return Err(refused("firstrun.sh never removes itself from cmdline.txt, so it would run at every boot"));
    }
    let mount = mount_point(&config, &cmdline, &names, text("issue.txt")?.as_deref());
    let files = vec![
        ("firstrun.sh".to_owned(), script.clone().into_bytes()),
        ("cmdline.txt".to_owned(), started_once(&cmdline, mount).into_bytes()),
    ];
    Ok(Some((Method::Script, files)))
}

/// Where the installed system mounts its boot partition: `/boot/firmware` since Bookworm (October 2023), `/boot` before.
fn mount_point(config: &str, cmdline: &str, names: &[String], issue: Option<&str>) -> &'static str {
    let names_it = cmdline.contains("/boot/firmware") || config.contains("/boot/firmware");
    // Bookworm was the first with an initramfs on the boot partition and with this line in its config.txt.
    let initramfs = config.lines().any(|line| line.trim().starts_with("auto_initramfs="))
        || names.iter().any(|name| name.to_ascii_lowercase().starts_with("initramfs"));
    // "Raspberry Pi reference 2023-10-10"
    let date = issue.and_then(|issue| issue.split("reference ").nth(1)).and_then(|rest| rest.get(..10));
    if names_it || initramfs || date.is_some_and(|date| date >= "2023-10-10") { "/boot/firmware" } else { "/boot" }
}

/// `cmdline.txt` that starts `firstrun.sh` once instead of the usual system, and restarts the machine after it.
fn started_once(cmdline: &str, mount: &str) -> String {
    let line = cmdline.lines().next().unwrap_or_default();
    let ours = |word: &&str| !word.starts_with("systemd.run") && *word != "systemd.unit=kernel-command-line.target";
    let mut words: Vec<&str> = line.split_ascii_whitespace().filter(ours).collect();
    let run = format!("systemd.run={mount}/firstrun.sh");
    // The script takes these words out again, by their beginnings.
    words.extend([
        run.as_str(),
        "systemd.run_success_action=reboot",
        "systemd.run_failure_action=reboot",
        "systemd.unit=kernel-command-line.target",
    ]);
    words.join(" ") + "\n"
}
