//! What each kind of client would boot with these profiles, and whether the files are there.

use std::path::Path;

use crate::catalog::Profile;
use crate::machine::firmware::Firmware;

/// The first file of one kind of client, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boots {
    /// The kind.
    pub firmware: Firmware,
    /// The profile that serves it.
    pub profile: Option<String>,
    /// What it boots, in order.
    pub files: Vec<Needed>,
}

/// A file that a boot needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub name: String,
    /// Whether it is there, or rendered for each machine.
    pub there: There,
}

/// Where the bytes of a name come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// Rendered from that template.
    Rendered(String),
    /// A file of the boot directory.
    File,
    /// Nowhere.
    Missing,
}

impl There {
    /// For people.
    pub fn words(&self) -> String {
        match self {
            There::Rendered(template) => format!("rendered from {template}"),
            There::File => "there".to_owned(),
            There::Missing => "missing".to_owned(),
        }
    }
}

impl Boots {
    /// Whether everything it needs is there.
    pub fn is_whole(&self) -> bool {
        self.profile.is_some() && self.files.iter().all(|file| file.there != There::Missing)
    }
}

/// Looks at every kind of client that netboots. Profiles for classes of clients alone say nothing about a kind.
pub fn look(profiles: &[Profile], boot: &Path) -> Vec<Boots> {
    let kinds = Firmware::ALL.into_iter().filter(|kind| kind.netboots() && *kind != Firmware::Unknown);
    kinds.map(|kind| boots(kind, profiles, boot)).collect()
}

fn boots(firmware: Firmware, profiles: &[Profile], boot: &Path) -> Boots {
    let served = |profile: &&Profile| profile.classes.is_empty() && profile.firmware.contains(&firmware);
    let Some(profile) = profiles.iter().find(served) else {
        return Boots { firmware, profile: None, files: Vec::new() };
    };
    let mut names = Vec::new();
    if firmware.is_raspberry_pi() {
        names.extend(raspberry_pi(firmware));
    } else {
        let first = profile.boot_file_for(firmware).unwrap_or_default();
        names.push(first);
        names.extend(follow(first, firmware, profile));
    }
    let needed = |name: &str| Needed { name: name.to_owned(), there: there(name, profile, boot) };
    Boots { firmware, profile: Some(profile.name.clone()), files: names.into_iter().map(needed).collect() }
}

/// What a Raspberry Pi cannot do without, by its fixed names.
fn raspberry_pi(firmware: Firmware) -> &'static [&'static str] {
    match firmware {
        Firmware::RaspberryPi3 => {
            &["bootcode.bin", "start.elf", "fixup.dat", "config.txt", "kernel8.img", "initramfs.img"]
        }
        Firmware::RaspberryPi4 => &["start4.elf", "fixup4.dat", "config.txt", "kernel8.img", "initramfs.img"],
        _ => &["config.txt", "kernel_2712.img", "initramfs.img"],
    }
}

/// What the loaders of the manifest ask for after themselves; nothing for others, whose ways are their own.
fn follow<'a>(first: &str, firmware: Firmware, profile: &'a Profile) -> Vec<&'a str> {
    let menus = ["grub/grub.cfg", "pxelinux.cfg/default", "pxelinux/pxelinux.cfg/default"];
    let named = |part: &str| {
        menus.into_iter().filter(|menu| menu.contains(part)).find(|menu| profile.answers.contains_key(*menu))
    };
    let arch: [&str; 2] = match firmware {
        Firmware::UefiArm64 | Firmware::UefiHttpArm64 | Firmware::UBoot => {
            ["installer/arm64/vmlinuz", "installer/arm64/initrd.img"]
        }
        _ => ["installer/x86_64/vmlinuz", "installer/x86_64/initrd.img"],
    };
    let menu = if first.contains("grub") {
        named("grub.cfg")
    } else if first.contains("pxelinux") {
        named("pxelinux.cfg")
    } else {
        None
    };
    let scripted = profile.answers.contains_key(first);
    match menu {
        Some(menu) => [menu].into_iter().chain(arch).collect(),
        None if scripted => arch.into(),
        None => Vec::new(),
    }
}

fn there(name: &str, profile: &Profile, boot: &Path) -> There {
    if let Some(template) = profile.answers.get(name) {
        return There::Rendered(template.clone());
    }
    let tree = profile.tree.as_ref().map(|tree| boot.join(tree));
    let mut places = tree.into_iter().chain([boot.to_owned()]);
    if places.any(|place| place.join(name).is_file()) { There::File } else { There::Missing }
}

#[cfg(test)]
mod tests;
