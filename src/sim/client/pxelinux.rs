//! pxelinux, and U-Boot's `pxe get; pxe boot`, which reads the same menus: the menu under the most exact name there
//! is, then what its default entry names.
//!
//! Of the menu language it knows `DEFAULT`, `LABEL`, `KERNEL`, `INITRD` and `APPEND`.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::hardware::Hardware;
use super::tftp::{Get, Got, Style};
use super::{Input, Next, Phase};
use crate::time::Instant;

/// Where pxelinux was seen to start counting its ports.
const FIRST_PORT: u16 = 49_152;

/// The menu's reader at work.
#[derive(Debug)]
pub(super) struct Pxelinux {
    is_uboot: bool,
    server: Ipv4Addr,
    get: Get,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// `ldlinux.c32`, most of pxelinux itself.
    Core,
    /// The names that are left to try.
    Menu(VecDeque<String>),
    Files {
        rest: VecDeque<String>,
        append: String,
    },
}

/// The default entry of a menu.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    kernel: String,
    initrd: Option<String>,
    append: String,
}

impl Pxelinux {
    /// pxelinux, just loaded by a PXE ROM.
    pub fn start(server: Ipv4Addr, now: Instant, hw: &mut Hardware) -> Pxelinux {
        hw.count_ports_from(FIRST_PORT);
        let get = Get::start(&Style::PXELINUX, server, "ldlinux.c32".into(), now, hw);
        Pxelinux { is_uboot: false, server, get, step: Step::Core }
    }

    /// U-Boot's command, with an address already.
    pub fn of_uboot(server: Ipv4Addr, now: Instant, hw: &mut Hardware) -> Pxelinux {
        let mut names = menu_names(hw, "-arm");
        let first = names.pop_front().expect("there is a name for every machine");
        let get = Get::start(&Style::UBOOT, server, first, now, hw);
        Pxelinux { is_uboot: true, server, get, step: Step::Menu(names) }
    }

    pub fn deadline(&self) -> Option<Instant> {
        Some(self.get.deadline())
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        let Some(got) = self.get.handle(input, now, hw) else { return Next::Stay };
        let asked = self.get.name().to_owned();
        let next = match (&mut self.step, got) {
            (_, Got::Broken(why)) => return Next::NoBoot(format!("TFTP {asked}: {why}")),
            (Step::Core, Got::File(_)) => {
                let mut names = menu_names(hw, "");
                let first = names.pop_front();
                self.step = Step::Menu(names);
                first
            }
            (Step::Menu(names), Got::Missing) => match names.pop_front() {
                Some(next) => Some(next),
                None => return Next::NoBoot("no menu was found under any name".into()),
            },
            (Step::Menu(_), Got::File(text)) => {
                let Some(entry) = default_entry(&String::from_utf8_lossy(&text)) else {
                    return Next::NoBoot(format!("{asked}: it has no default entry with a kernel"));
                };
                let mut rest = VecDeque::from([entry.kernel]);
                match entry.initrd {
                    // U-Boot wants the kernel last: starting it moves it.
                    Some(initrd) if self.is_uboot => rest.push_front(initrd),
                    Some(initrd) => rest.push_back(initrd),
                    None => {}
                }
                let first = rest.pop_front();
                self.step = Step::Files { rest, append: entry.append };
                first
            }
            (Step::Files { rest, .. }, Got::File(_)) => rest.pop_front(),
            (_, Got::Missing | Got::Exists) => {
                return Next::NoBoot(format!("TFTP {asked}: the server has no such file"));
            }
        };
        let Some(name) = next else {
            let Step::Files { append, .. } = &self.step else { return Next::Stay };
            hw.passed(Phase::Loaded);
            return Next::Kernel { base_url: super::base_url(append, self.server) };
        };
        let style = if self.is_uboot { &Style::UBOOT } else { &Style::PXELINUX };
        self.get = Get::start(style, self.server, name, now, hw);
        Next::Stay
    }
}

/// `01-MAC`, the address in hex with a digit less each time, and the default, for this architecture first.
fn menu_names(hw: &Hardware, arch: &str) -> VecDeque<String> {
    let address = hw.address.map_or(0, u32::from);
    let address = format!("{address:08X}");
    let mac = format!("01-{}", hw.identity.mac.to_string().replace(':', "-"));
    let mut names = vec![mac];
    names.extend((1..=address.len()).rev().map(|digits| address[..digits].to_owned()));
    names.extend(Some(format!("default{arch}")).filter(|_| !arch.is_empty()));
    names.push("default".into());
    names.into_iter().map(|name| format!("pxelinux.cfg/{name}")).collect()
}

fn default_entry(text: &str) -> Option<Entry> {
    let lines = || {
        text.lines().filter_map(|line| {
            let (word, rest) = line.trim().split_once(char::is_whitespace)?;
            Some((word.to_ascii_uppercase(), rest.trim()))
        })
    };
    let default = lines().find(|(word, _)| word == "DEFAULT")?.1;
    let mut entry = Entry::default();
    let mut inside = false;
    for (word, rest) in lines() {
        match word.as_str() {
            "LABEL" => inside = rest == default,
            "KERNEL" | "LINUX" if inside => entry.kernel = rest.to_owned(),
            "INITRD" if inside => entry.initrd = Some(rest.to_owned()),
            "APPEND" if inside => entry.append = rest.to_owned(),
            _ => {}
        }
    }
    (!entry.kernel.is_empty()).then_some(entry)
}

#[cfg(test)]
mod tests;
