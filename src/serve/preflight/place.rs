//! What can be told without the network: interfaces, files, room, clock. Needs no running server.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};

use super::{Finding, interface};
use crate::answer::Answers;
use crate::boot::Facts;
use crate::boot::file::RelativePath;
use crate::catalog::Profile;
use crate::clock;
use crate::ids::ProductName;
use crate::serve::{Settings, dhcp};
use crate::site::{Link, Role, Site};
use crate::time::Timestamp;

/// Bytes that must be free for the journal.
const ROOM_MIN: u64 = 100_000_000;

/// What a TFTP client that does not begin block numbers anew can load, at 512 bytes a block.
const TFTP_OLD_MAX: u64 = 32 << 20;

/// Before this there was no hatchery: 2026-01-01.
const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Place {
    site: Arc<Site>,
    profiles: Vec<Profile>,
    /// The image directory, and the file in it that each product has unless an operator activated another.
    images: PathBuf,
    image_files: BTreeMap<ProductName, String>,
    boot: PathBuf,
    journal: PathBuf,
    /// Templates are compiled once for a configuration: what is wrong with them changes with that only.
    templates: Finding,
    /// The kernel's number of each link's interface when its sockets were opened.
    indexes: Vec<Option<u32>>,
    /// Bytes that port 67 holds, if that can be known.
    receive_buffer: Option<usize>,
}

impl Place {
    /// What these settings need.
    pub fn new(settings: &Settings) -> Place {
        let index = |interface: &str| nix::net::if_::if_nametoindex(interface).ok();
        Place {
            site: Arc::new(settings.site.clone()),
            profiles: settings.profiles.clone(),
            images: settings.images.clone(),
            image_files: settings.products.iter().map(|each| (each.name.clone(), each.image_file())).collect(),
            boot: settings.boot.clone(),
            journal: settings.journal.clone(),
            templates: templates(&settings.profiles, &settings.answers),
            indexes: settings.site.wired().map(|(_, _, interface)| index(interface)).collect(),
            receive_buffer: dhcp::receive_buffer().ok(),
        }
    }

    /// What other settings need, for the same sockets.
    pub fn renewed(&self, settings: &Settings) -> Place {
        Place { indexes: self.indexes.clone(), receive_buffer: self.receive_buffer, ..Place::new(settings) }
    }

    /// What we are beside other DHCP servers.
    pub fn role(&self) -> Role {
        self.site.role
    }

    /// The links on interfaces of ours with these, in the order of the site.
    pub fn links(&self) -> impl Iterator<Item = (&Link, &str)> {
        self.site.wired().map(|(_, link, interface)| (link, interface))
    }

    /// Looks at everything; `active` are the image files that products have by an operator's word. Reads files; blocks
    /// for as long as that takes.
    pub fn look(&self, active: &BTreeMap<ProductName, String>) -> Vec<Finding> {
        let mut findings = self.interfaces();
        findings.extend(neighbours());
        findings.extend(self.journal());
        findings.extend(clock_finding(clock::now().timestamp));
        findings.extend(self.receive_buffer.map(buffers_finding));
        findings.extend(self.image_files.iter().map(|(product, file)| {
            let path = self.images.join(active.get(product).unwrap_or(file));
            image(product, &path)
        }));
        findings.extend(self.profiles.iter().map(|profile| self.boot_files(profile)));
        findings.push(self.templates.clone());
        findings
    }

    fn interfaces(&self) -> Vec<Finding> {
        let all = match interface::all() {
            Ok(all) => all,
            Err(error) => {
                let what = format!("the interfaces cannot be listed: {error}");
                return vec![Finding::amber("interfaces", what, "try again; if it stays, look at the system's log")];
            }
        };
        let mut findings = Vec::new();
        for ((link, name), index) in self.links().zip(&self.indexes) {
            findings.extend(interface::look(link, name, &all));
            let now = nix::net::if_::if_nametoindex(name).ok();
            if now.is_some() && now != *index {
                let what = format!("{name} was taken away and came back; our sockets still belong to the old one");
                findings.push(Finding::red(format!("sockets {name}"), what, "restart hatchery"));
            }
        }
        findings
    }

    fn journal(&self) -> Vec<Finding> {
        let directory = self.journal.parent().unwrap_or(Path::new("."));
        let shown = directory.display();
        let system = match statvfs(directory) {
            Ok(system) => system,
            Err(error) => {
                let what = format!("the data directory {shown} cannot be looked at: {error}");
                return vec![Finding::red("journal", what, format!("mkdir -p {shown}"))];
            }
        };
        let writable = access(directory, AccessFlags::W_OK | AccessFlags::X_OK)
            .and_then(|()| if self.journal.exists() { access(&self.journal, AccessFlags::W_OK) } else { Ok(()) });
        let journal = if system.flags().contains(FsFlags::ST_RDONLY) {
            let hint =
                format!("look at the kernel's log: a failing disk is mounted so; then mount -o remount,rw {shown}");
            Finding::red("journal", format!("{shown} is mounted read-only: nothing can be promised"), hint)
        } else if let Err(error) = writable {
            let what = format!("{} cannot be written: {error}", self.journal.display());
            Finding::red("journal", what, "run hatchery as the owner of the data directory")
        } else {
            Finding::green("journal", format!("the journal can be written in {shown}"))
        };
        let room = system.blocks_available().saturating_mul(system.fragment_size());
        vec![journal, room_finding(room, directory)]
    }

    /// The files that a profile's machines will ask for by name.
    fn boot_files(&self, profile: &Profile) -> Finding {
        let check = format!("boot files {}", profile.name);
        let named = profile.boot_file.iter().chain(profile.boot_files.values());
        let here = named.filter(|name| !name.contains("://") && !profile.answers.contains_key(*name));
        let mut missing: Vec<&str> =
            here.map(String::as_str).filter(|name| !self.has_boot_file(profile, name)).collect();
        missing.sort_unstable();
        missing.dedup();
        // A Raspberry Pi asks for its files by fixed names; they are all in the tree.
        let tree = profile.tree.as_deref().filter(|tree| !self.boot.join(tree.trim_matches('/')).is_dir());
        let shown = self.boot.display();
        if !missing.is_empty() {
            let what = format!("profile {} names boot files that are not there: {}", profile.name, missing.join(", "));
            return Finding::amber(
                check,
                what,
                format!("put them below {shown}; `hatchery assets fetch` brings loaders"),
            );
        }
        if let Some(tree) = tree {
            let what = format!("profile {} names the tree {tree}, which is not there", profile.name);
            return Finding::amber(check, what, format!("put the boot files into {shown}/{tree}"));
        }
        if let Some((file, size)) = self.too_large_for_tftp(profile) {
            let mib = size >> 20;
            let what =
                format!("{} has {mib} MiB: an old Raspberry Pi EEPROM loads at most 32 MiB by TFTP", file.display());
            let hint =
                "update the EEPROM of every machine, or make the file smaller (an initramfs compresses well by xz)";
            return Finding::amber(check, what, hint);
        }
        Finding::green(check, format!("the boot files of profile {} are there", profile.name))
    }

    /// The first file of a Raspberry Pi's tree with more blocks than the 16 bits of a block number count: old bootloaders
    /// do not begin anew at 0.
    fn too_large_for_tftp(&self, profile: &Profile) -> Option<(PathBuf, u64)> {
        let pi = profile.firmware.iter().any(|firmware| firmware.is_raspberry_pi());
        let tree = self.boot.join(profile.tree.as_deref().filter(|_| pi)?.trim_matches('/'));
        let mut open = vec![tree];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(&directory).ok()?.flatten() {
                // Links are not followed: they might lead in a circle.
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                    Ok(metadata) if metadata.len() > TFTP_OLD_MAX => return Some((entry.path(), metadata.len())),
                    _ => {}
                }
            }
        }
        None
    }

    fn has_boot_file(&self, profile: &Profile, name: &str) -> bool {
        let Ok(path) = RelativePath::clean(name) else { return false };
        let tree = profile.tree.as_ref().map(|tree| self.boot.join(tree.trim_matches('/')));
        tree.into_iter().chain([self.boot.clone()]).any(|directory| directory.join(path.as_str()).is_file())
    }
}

/// Whether the journal can grow, with that many bytes free.
fn room_finding(free: u64, directory: &Path) -> Finding {
    let shown = directory.display();
    if free < ROOM_MIN {
        let what = format!("less than {} MB are free in {shown}", ROOM_MIN / 1_000_000);
        Finding::red("room", what, "delete old images, or enlarge the file system: a full disk stops every ACK")
    } else {
        Finding::green("room", format!("there is room in {shown}"))
    }
}

fn image(product: &ProductName, path: &Path) -> Finding {
    let check = format!("image {product}");
    if path.is_file() {
        return Finding::green(check, format!("the image of {product} is there"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directory = path.parent().unwrap_or(Path::new(".")).display();
    let hint = format!("hatchery image add FILE --product {product} --activate, or put {name} into {directory}");
    Finding::amber(check, format!("{product} has no image"), hint)
}

/// Renders every template once for its profile. Names that do not exist show only then.
fn templates(profiles: &[Profile], answers: &Answers) -> Finding {
    let facts = |profile: &Profile| Facts {
        mac: "02:00:00:00:00:01".into(),
        serial: "10000000d9780558".into(),
        hostname: "KXP2-SPAA-001".into(),
        address: "192.168.151.100".into(),
        firmware: "raspberry-pi-5".into(),
        profile: "sample".into(),
        product: "KXP2".into(),
        venue: "SPAA".into(),
        server: "192.168.151.1".into(),
        base_url: "http://192.168.151.1".into(),
        kernel_args: "quiet".into(),
        image_url: "http://192.168.151.1/images/sample.img".into(),
        image_size: 1,
        image_sha256: "0".repeat(64),
        vars: profile.vars.clone(),
    };
    let named = profiles.iter().flat_map(|profile| profile.rendered().map(move |(_, name)| (profile, name)));
    let broken = named.filter_map(|(profile, name)| answers.render(name, &facts(profile)).err());
    let broken: BTreeSet<String> = broken.map(|error| error.to_string()).collect();
    if broken.is_empty() {
        return Finding::green("templates", "every answer template renders");
    }
    let what = format!("answer templates do not render: {}", Vec::from_iter(broken).join("; "));
    Finding::red("templates", what, "correct them, then `hatchery reload`: the machines that need them get no answer")
}

fn clock_finding(now: Timestamp) -> Option<Finding> {
    let shown = clock::iso(now);
    (now < EPOCH).then(|| {
        let hint = "set the clock (timedatectl), or let it be set by NTP: leases and reports are dated by it";
        Finding::amber("clock", format!("the clock says {shown}, which is past"), hint)
    })
}

/// Whether another program of this machine has port 67 open, too. The kernel lets it where both allow it, hands every
/// broadcast to both, and neither hears the other.
fn neighbours() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/net/udp").ok()?;
    let own: Vec<u64> =
        std::fs::read_dir("/proc/self/fd").ok()?.flatten().filter_map(|fd| socket_inode(&fd.path())).collect();
    let check = "neighbours";
    Some(if on_port_67(&text).any(|inode| !own.contains(&inode)) {
        let what = "another program of this machine has UDP port 67 open, too";
        let hint = "see which: ss -lunp 'sport = :67'; stop it unless it serves other networks only";
        Finding::amber(check, what, hint)
    } else {
        Finding::green(check, "no other program of this machine has UDP port 67 open")
    })
}

fn socket_inode(fd: &Path) -> Option<u64> {
    let target = std::fs::read_link(fd).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The inodes of the sockets on port 67, from /proc/net/udp (proc(5)).
fn on_port_67(text: &str) -> impl Iterator<Item = u64> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        fields.nth(1).filter(|local| local.ends_with(":0043"))?;
        fields.nth(7)?.parse().ok()
    })
}

/// Whether port 67, which holds so many bytes, holds what a rack of machines says at once.
fn buffers_finding(bytes: usize) -> Finding {
    if bytes < dhcp::RECEIVE_BUFFER {
        let what = format!("port 67 holds {bytes} bytes, and would like to hold {}", dhcp::RECEIVE_BUFFER);
        Finding::amber("buffers", what, format!("sysctl -w net.core.rmem_max={}", dhcp::RECEIVE_BUFFER))
    } else {
        Finding::green("buffers", "the kernel's receive buffers are large enough")
    }
}

#[cfg(test)]
mod tests;
