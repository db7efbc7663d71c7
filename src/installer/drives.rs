//! The drives of this machine, as the kernel shows them in sysfs.
//!
//! Owns the inventory: what is a drive, what it is called, how it is attached, whether this system runs from it. Which
//! one may be written is decided in `target`. Reads files below a root directory only, so that a test can bring its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::identity::read_text;
use super::job::{Drive, Transport};

/// Block devices that are no drives: made by software, optical, or parts of another.
const NOT_DRIVES: [&str; 10] = ["loop", "ram", "zram", "sr", "fd", "dm-", "md", "mtdblock", "nbd", "drbd"];

/// Sectors of sysfs, whatever the drive's own are (Documentation/block/stat.rst).
const SECTOR: u64 = 512;

/// All drives, ordered by path; `root` is `/` on a machine.
pub fn inventory(root: &Path) -> Vec<Drive> {
    let in_use = in_use(root);
    let entries = fs::read_dir(root.join("sys/block")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut drives: Vec<Drive> = names.filter_map(|name| drive(root, &name, &in_use)).collect();
    drives.sort_by(|one, other| one.path.cmp(&other.path));
    drives
}

/// A regular file in the place of a drive, for rehearsals by hand; nothing if the path is none.
pub fn file_as_drive(path: &Path) -> Option<Drive> {
    let data = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Drive {
        path: path.to_string_lossy().into_owned(),
        model: "regular file".to_owned(),
        serial: String::new(),
        size: data.len(),
        transport: Transport::Virtio,
        removable: false,
        read_only: data.permissions().readonly(),
        boot_medium: false,
    })
}

fn drive(root: &Path, name: &str, in_use: &BTreeSet<String>) -> Option<Drive> {
    let part_of_mmc = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    if part_of_mmc || NOT_DRIVES.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let link = root.join("sys/block").join(name);
    let text = |file: &str| read_text(link.join(file));
    // The paths of an NVMe drive behind several controllers.
    if text("hidden").as_deref() == Some("1") {
        return None;
    }
    let place = fs::canonicalize(&link).ok()?;
    let transport = transport(name, &place)?;
    let model = match transport {
        Transport::Mmc => text("device/name").unwrap_or_default(),
        Transport::Virtio => "virtio disk".to_owned(),
        _ => {
            let maker = text("device/vendor").filter(|maker| maker != "ATA" && !maker.starts_with("0x"));
            format!("{} {}", maker.unwrap_or_default(), text("device/model").unwrap_or_default()).trim().to_owned()
        }
    };
    Some(Drive {
        path: format!("/dev/{name}"),
        model,
        serial: serial(&link, &place).unwrap_or_default(),
        size: text("size")?.parse::<u64>().ok()? * SECTOR,
        transport,
        removable: text("removable").as_deref() == Some("1"),
        read_only: text("ro").as_deref() == Some("1"),
        boot_medium: in_use.contains(name),
    })
}

/// How a drive is attached, by its name and its place in the tree of devices; nothing for what is no hardware.
fn transport(name: &str, place: &Path) -> Option<Transport> {
    let passes = |prefix: &str| {
        place.components().any(|part| {
            let part = part.as_os_str().to_str().and_then(|part| part.strip_prefix(prefix));
            part.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    match name {
        _ if name.starts_with("nvme") => Some(Transport::Nvme),
        _ if name.starts_with("mmcblk") => Some(Transport::Mmc),
        _ if name.starts_with("vd") => Some(Transport::Virtio),
        _ if passes("usb") => Some(Transport::Usb),
        _ if passes("ata") => Some(Transport::Ata),
        _ if name.starts_with("sd") => Some(Transport::Scsi),
        _ => None,
    }
}

/// The serial number, wherever this kind of drive shows it.
fn serial(link: &Path, place: &Path) -> Option<String> {
    // NVMe and MMC; virtio; SCSI and ATA: vital product data page 0x80, four bytes of header before the text.
    let plain = ["device/serial", "serial"].iter().find_map(|file| read_text(link.join(file)));
    let page = || {
        let page = fs::read(link.join("device/vpd_pg80")).ok()?;
        let text = String::from_utf8_lossy(page.get(4..)?).trim_matches(|c: char| c == '\0' || c == ' ').to_owned();
        (!text.is_empty()).then_some(text)
    };
    // A USB bridge that hides the drive's own has one itself.
    let of_bridge = || {
        let bridge = place.ancestors().find(|above| above.join("idVendor").exists())?;
        read_text(bridge.join("serial"))
    };
    plain.or_else(page).or_else(of_bridge)
}

/// The names of drives that this system runs from: something of them is mounted or swapped to, directly or through
/// device mapper and software RAID.
fn in_use(root: &Path) -> BTreeSet<String> {
    let mounts = fs::read_to_string(root.join("proc/self/mounts")).unwrap_or_default();
    let swaps = fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
    let sources = mounts.lines().chain(swaps.lines()).filter_map(|line| line.split_whitespace().next());
    let mut names = BTreeSet::new();
    for source in sources.filter_map(|source| source.strip_prefix("/dev/")) {
        let node = root.join("dev").join(source);
        let node = fs::canonicalize(&node).unwrap_or(node);
        let name = node.file_name().unwrap_or_default();
        drives_below(root, &root.join("sys/class/block").join(name), &mut names);
    }
    names
}

fn drives_below(root: &Path, device: &Path, names: &mut BTreeSet<String>) {
    let Ok(place) = fs::canonicalize(device) else { return };
    let slaves = fs::read_dir(place.join("slaves")).into_iter().flatten().flatten();
    let slaves: Vec<PathBuf> = slaves.map(|entry| root.join("sys/class/block").join(entry.file_name())).collect();
    for slave in &slaves {
        drives_below(root, slave, names);
    }
    // A partition lies in the directory of its drive.
    let whole = if place.join("partition").exists() { place.parent() } else { Some(place.as_path()) };
    if slaves.is_empty() {
        names.extend(whole.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()));
    }
}

#[cfg(test)]
mod tests;
