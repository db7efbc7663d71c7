//! Which bytes a name means to one machine: the same for TFTP and HTTP.
//!
//! The result names places below the served directories; that nothing outside them can be opened is decided here by
//! [`RelativePath`] and held once more by the shell that opens the file.

use std::fmt;
use std::net::Ipv4Addr;

use super::{View, leave};
use crate::machine::Order;
use crate::net::Mac;
use crate::refusal::Refusal;

/// A path below a served directory: no empty part, no `.`, no `..`, no NUL, no backslash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelativePath(String);

impl RelativePath {
    /// Cleans a name as firmware writes it: backslashes become slashes, leading and doubled slashes and `.` go away
    /// (a Pi 5 asks for `P//config.txt`), bytes from the first NUL or 0xff on are garbage of unterminated options.
    ///
    /// # Errors
    /// [`Refusal::OutsideTree`] for any `..`, [`Refusal::NoSuchFile`] for a name with no part left, over 1024 bytes, or of
    /// a directory: U-Boot asks for `dtb/` when it has no name for its device tree.
    pub fn clean(name: &str) -> Result<RelativePath, Refusal> {
        let end = name.find(['\0', '\u{ff}', char::REPLACEMENT_CHARACTER]).unwrap_or(name.len());
        let name = name[..end].replace('\\', "/");
        if name.len() > 1024 || name.chars().any(char::is_control) {
            return Err(Refusal::NoSuchFile(name.chars().filter(|c| !c.is_control()).take(80).collect()));
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(Refusal::OutsideTree(name));
        }
        if parts.is_empty() || name.ends_with('/') {
            return Err(Refusal::NoSuchFile(name));
        }
        Ok(RelativePath(parts.join("/")))
    }

    /// The path, parts joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn below(&self, directory: &str) -> RelativePath {
        RelativePath(format!("{}/{}", directory.trim_matches('/'), self.0))
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the file of an image ends that is not whole yet; nobody gets it.
pub const PARTIAL: &str = ".part";

/// Where the bytes of a name come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Rendered for this machine from that template.
    Answer(String),
    /// The first of these that exists in the boot directory.
    BootFiles(Vec<RelativePath>),
    /// That file of the image directory.
    Image(RelativePath),
    /// These bytes: a program that makes a UEFI leave the network.
    Program(Vec<u8>),
}

/// Resolves `name` for the machine whose view is given, or for an unknown one.
///
/// Names are those of TFTP; `images/NAME` is an image. A machine's own prefix (its serial or MAC, as Raspberry Pi
/// firmware puts before every name) may stand before a name or not. The names under which pxelinux and U-Boot look for
/// a machine's own menu mean the answer `pxelinux.cfg/default`, if the profile has it.
///
/// # Errors
/// [`Refusal::OutsideTree`] and [`Refusal::NoSuchFile`] as [`RelativePath::clean`]; the latter also for an image that is
/// still being imported, whose file ends in [`PARTIAL`], and for what is hidden in the image directory.
pub fn resolve(view: Option<&View>, name: &str) -> Result<Source, Refusal> {
    let path = RelativePath::clean(name)?;
    if let Some(image) = path.as_str().strip_prefix("images/") {
        if image.ends_with(PARTIAL) || image.split('/').any(|part| part.starts_with('.')) {
            return Err(Refusal::NoSuchFile(name.to_owned()));
        }
        return Ok(Source::Image(RelativePath(image.to_owned())));
    }
    if let Some(program) = leave::program(path.as_str()) {
        return Ok(Source::Program(program));
    }
    // A prefix may be doubled: firmware that was told its own prefix by an answer puts it before the name again.
    let names: Vec<RelativePath> = std::iter::successors(Some(path), without_prefix).collect();
    let menus: Vec<RelativePath> =
        view.map_or_else(Vec::new, |view| names.iter().filter_map(|name| menu_of(view, name)).collect());
    let profile = view.and_then(|view| view.plan.profile.as_deref());
    let asked = names.iter().chain(&menus);
    let answered = profile.and_then(|profile| asked.into_iter().find_map(|name| profile.answers.get(name.as_str())));
    let installs = view.is_some_and(|view| view.plan.order.installs());
    if let Some(template) = answered.filter(|_| installs) {
        return Ok(Source::Answer(template.clone()));
    }
    // A loader that runs already and asks what to do next, of a machine that is to boot its own disk.
    if view.is_some_and(|view| view.plan.order == Order::Disk)
        && let Some(template) = names.iter().find_map(|name| disk_menu(name, answered.is_some() || !menus.is_empty()))
    {
        return Ok(Source::Answer(template.to_owned()));
    }
    let tree = profile.filter(|_| installs).and_then(|profile| profile.tree.as_deref());
    let in_tree: Vec<RelativePath> =
        tree.map_or_else(Vec::new, |tree| names.iter().map(|name| name.below(tree)).collect());
    Ok(Source::BootFiles(in_tree.into_iter().chain(names).collect()))
}

/// The template by which a loader goes on to the disk, for the name of its script or menu: any menu of pxelinux and GRUB,
/// and a script of iPXE that is this machine's own.
fn disk_menu(name: &RelativePath, own: bool) -> Option<&'static str> {
    let (directory, file) = name.as_str().rsplit_once('/').unwrap_or(("", name.as_str()));
    match file {
        file if own && file.ends_with(".ipxe") => Some("ipxe/disk.ipxe"),
        "grub.cfg" => Some("grub/disk.cfg"),
        file if directory.rsplit('/').next() == Some("pxelinux.cfg") && (own || file == "default") => {
            Some("pxelinux/disk")
        }
        _ => None,
    }
}

/// `DIRECTORY/pxelinux.cfg/default` for the names by which a machine asks for its own menu there first: `01-` (Ethernet)
/// and its MAC with hyphens, then its address in hex, shortened digit by digit. Another machine's names mean nothing.
fn menu_of(view: &View, name: &RelativePath) -> Option<RelativePath> {
    let (directory, own) = name.as_str().rsplit_once('/')?;
    if directory != "pxelinux.cfg" && !directory.ends_with("/pxelinux.cfg") {
        return None;
    }
    let by_mac = own.strip_prefix("01-").and_then(Mac::parse).is_some_and(|mac| view.machine.mac == Some(mac));
    let hex = |address: Ipv4Addr| format!("{:08X}", u32::from(address));
    let by_address = view.address.is_some_and(|address| !own.is_empty() && hex(address).starts_with(own));
    (by_mac || by_address).then(|| RelativePath(format!("{directory}/default")))
}

/// The name behind a machine's prefix: eight hex digits of a serial, or a MAC with hyphens (`TFTP_PREFIX` 0 and 2).
fn without_prefix(path: &RelativePath) -> Option<RelativePath> {
    let (prefix, rest) = path.as_str().split_once('/')?;
    let serial = matches!(prefix.len(), 8 | 16) && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    let mac = prefix.len() == 17 && Mac::parse(prefix).is_some();
    (serial || mac).then(|| RelativePath(rest.to_owned()))
}

#[cfg(test)]
mod tests;
