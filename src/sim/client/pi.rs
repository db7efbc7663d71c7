//! The bootloader of a Raspberry Pi (the ROM of a Pi 3, the EEPROM of a Pi 4 or 5): an address, then files by fixed
//! names, then the kernel.
//!
//! Owns the order of the files, which of them may be missing, and what `config.txt` changes about the rest. The orders
//! were taken from server logs of a Pi 3 (firmware#1012), a Pi 4 (EEPROM 2020-01: rpi-eeprom#74; EEPROM 2021) and a
//! Pi 5 (EEPROM 2026-05).

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::dhcp::{Dhcp, Heard, Speaker};
use super::hardware::Hardware;
use super::tftp::{Get, Got, Style};
use super::{Input, Kind, Next, Phase};
use crate::time::Instant;

const PI4_CONFIG_MAX: usize = 4096;

/// The bootloader at work.
#[derive(Debug)]
pub(super) struct Pi {
    dhcp: Dhcp,
    loading: Option<Loading>,
}

#[derive(Debug)]
struct Loading {
    server: Ipv4Addr,
    /// `<serial>/`, or empty where the server has no such directory.
    prefix: String,
    queue: VecDeque<Fetch>,
    now: Fetch,
    get: Get,
    config: String,
    cmdline: String,
}

/// One file of the boot.
#[derive(Clone, Debug)]
struct Fetch {
    name: String,
    need: Need,
    keep: Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Without it there is no boot.
    Must,
    /// A 404 is as good.
    May,
    /// The first of these probes that exists stands for all; none of them means that there is no such prefix.
    Prefix,
    /// Is it there? The kernel is looked for before it is loaded.
    Probe,
    /// Asked for by the ROM, which knows no prefix. Without it there is no boot.
    Rom,
    /// The same, and a 404 is as good.
    RomMay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    Config,
    /// As `Config`, and from here on its contents decide what is fetched.
    LastConfig,
    Cmdline,
}

impl Fetch {
    fn of(need: Need, name: impl Into<String>) -> Fetch {
        Fetch { name: name.into(), need, keep: Keep::Nothing }
    }

    fn prefix<'a>(&self, prefix: &'a str) -> &'a str {
        if matches!(self.need, Need::Rom | Need::RomMay) { "" } else { prefix }
    }

    fn keeping(self, keep: Keep) -> Fetch {
        Fetch { keep, ..self }
    }
}

impl Pi {
    pub fn start(now: Instant, hw: &mut Hardware) -> Pi {
        let speaker = if hw.kind == Kind::Pi3 { Speaker::PiRom } else { Speaker::Eeprom };
        Pi { dhcp: Dhcp::start(speaker, now, hw), loading: None }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.loading {
            Some(loading) => Some(loading.get.deadline()),
            None => self.dhcp.deadline(),
        }
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        if let Some(loading) = &mut self.loading {
            return match loading.get.handle(input, now, hw) {
                Some(got) => loading.fetched(got, now, hw),
                None => Next::Stay,
            };
        }
        match self.dhcp.handle(input, now, hw) {
            Heard::Bound(lease) => {
                hw.passed(Phase::Bound);
                // The ROM takes the server of option 66, and passes over siaddr (firmware#670, #801).
                let named = lease.server_name().filter(|_| hw.kind == Kind::Pi3);
                self.loading = Some(Loading::start(named.unwrap_or(lease.next_server()), now, hw));
                Next::Stay
            }
            Heard::GaveUp(why) => Next::NoBoot(why),
            Heard::Nothing | Heard::Extended | Heard::Lost => Next::Stay,
        }
    }
}

impl Loading {
    fn start(server: Ipv4Addr, now: Instant, hw: &mut Hardware) -> Loading {
        let prefix = format!("{:08x}/", hw.identity.serial_low32());
        let mut queue: VecDeque<Fetch> = first_files(hw.kind).into();
        let first = queue.pop_front().expect("every model asks for something first");
        let name = format!("{}{}", first.prefix(&prefix), first.name);
        let get = Get::start(style(hw.kind, first.need), server, name, now, hw);
        Loading { server, prefix, queue, now: first, get, config: String::new(), cmdline: String::new() }
    }

    fn fetched(&mut self, got: Got, now: Instant, hw: &mut Hardware) -> Next {
        let asked = self.get.name().to_owned();
        match (got, self.now.need) {
            (Got::File(bytes), _) => self.keep(&bytes, hw.kind),
            (Got::Exists, Need::Prefix) => self.queue.retain(|fetch| fetch.need != Need::Prefix),
            (Got::Exists, _) | (Got::Missing, Need::May | Need::RomMay) => {}
            (Got::Missing, Need::Prefix) => {
                if self.queue.front().is_none_or(|next| next.need != Need::Prefix) {
                    self.prefix.clear();
                }
            }
            (Got::Missing, Need::Must | Need::Probe | Need::Rom) => {
                return Next::NoBoot(format!("TFTP {asked}: the server has no such file"));
            }
            (Got::Broken(why), _) => return Next::NoBoot(format!("TFTP {asked}: {why}")),
        }
        let Some(next) = self.queue.pop_front() else {
            hw.passed(Phase::Loaded);
            return Next::Kernel { base_url: super::base_url(&self.cmdline, self.server) };
        };
        let name = format!("{}{}", next.prefix(&self.prefix), next.name);
        self.get = Get::start(style(hw.kind, next.need), self.server, name, now, hw);
        self.now = next;
        Next::Stay
    }

    fn keep(&mut self, bytes: &[u8], kind: Kind) {
        let is_config = matches!(self.now.keep, Keep::Config | Keep::LastConfig);
        // A Pi 4 passes over a larger config.txt without a word (raspberrypi/firmware#1012).
        let pi4 = matches!(kind, Kind::Pi4 | Kind::Pi4Early);
        let bytes = if pi4 && is_config && bytes.len() > PI4_CONFIG_MAX { &[] } else { bytes };
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match self.now.keep {
            Keep::Nothing => {}
            Keep::Config => self.config = text(),
            Keep::Cmdline => self.cmdline = text(),
            Keep::LastConfig => {
                self.config = text();
                self.queue.extend(later_files(kind, &self.config));
            }
        }
    }
}

fn style(kind: Kind, need: Need) -> &'static Style {
    let probe = matches!(need, Need::Prefix | Need::Probe);
    match (kind, probe) {
        (Kind::Pi3, _) if matches!(need, Need::Rom | Need::RomMay) => &Style::PI3_ROM,
        (Kind::Pi3, false) => &Style::PI3,
        (Kind::Pi3, true) => &Style::PI3_PROBE,
        (Kind::Pi5, false) => &Style::PI5,
        (Kind::Pi5, true) => &Style::PI5_PROBE,
        (_, false) => &Style::PI4,
        (_, true) => &Style::PI4_PROBE,
    }
}

/// Up to the last reading of `config.txt`.
fn first_files(kind: Kind) -> Vec<Fetch> {
    let may = |name: &str| Fetch::of(Need::May, name);
    let must = |name: &str| Fetch::of(Need::Must, name);
    match kind {
        Kind::Pi3 => {
            return vec![
                Fetch::of(Need::Rom, "bootcode.bin"),
                Fetch::of(Need::RomMay, "bootsig.bin"),
                Fetch::of(Need::Prefix, "start.elf"),
                may("autoboot.txt"),
                must("config.txt").keeping(Keep::Config),
                may("recovery.elf"),
                must("start.elf"),
                must("fixup.dat"),
                may("recovery.elf"),
                must("config.txt").keeping(Keep::Config),
                may("dt-blob.bin"),
                may("bootcfg.txt"),
                must("config.txt").keeping(Keep::LastConfig),
            ];
        }
        Kind::Pi5 => {
            return vec![
                must("config.txt").keeping(Keep::Config),
                may("pieeprom.sig"),
                // The doubled slash behind the prefix is the firmware's own.
                must("/config.txt").keeping(Keep::Config),
                must("/config.txt").keeping(Keep::LastConfig),
            ];
        }
        Kind::Pi4Early => {
            return vec![
                Fetch::of(Need::Prefix, "start4.elf"),
                Fetch::of(Need::Prefix, "start.elf"),
                must("config.txt").keeping(Keep::Config),
                may("recover4.elf"),
                may("recovery.elf"),
                must("start4.elf"),
                must("fixup4.dat"),
                must("config.txt").keeping(Keep::LastConfig),
            ];
        }
        _ => {}
    }
    vec![
        Fetch::of(Need::Prefix, "start4.elf"),
        Fetch::of(Need::Prefix, "start.elf"),
        must("config.txt").keeping(Keep::Config),
        may("vl805.sig"),
        may("pieeprom.sig"),
        may("recover4.elf"),
        may("recovery.elf"),
        must("start4.elf"),
        must("fixup4.dat"),
        may("recovery.elf"),
        must("config.txt").keeping(Keep::Config),
        may("dt-blob.bin"),
        may("recovery.elf"),
        must("config.txt").keeping(Keep::LastConfig),
    ]
}

/// What `config.txt` asks for, the kernel last.
fn later_files(kind: Kind, config: &str) -> Vec<Fetch> {
    let lines = || settings(kind, config);
    let value = |key: &str| lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).last();
    let pi5 = kind == Kind::Pi5;
    let kernel = value("kernel").unwrap_or("kernel8.img");
    let cmdline = value("cmdline").unwrap_or("cmdline.txt");
    let mut initramfs = lines().filter_map(|line| line.strip_prefix("initramfs ")?.split_whitespace().next());
    let overlays: Vec<&str> = lines().filter_map(|line| line.strip_prefix("dtoverlay=")?.split(',').next()).collect();

    let may = |name: &str| Fetch::of(Need::May, name);
    let mut files = Vec::new();
    if pi5 {
        files.push(Fetch::of(Need::Probe, kernel));
    } else if kind == Kind::Pi4 {
        files.push(may("bootcfg.txt"));
    }
    files.extend(initramfs.next().map(|name| Fetch::of(Need::Must, name)));
    let device_tree = match kind {
        Kind::Pi3 => "bcm2710-rpi-3-b.dtb",
        Kind::Pi5 => "bcm2712-rpi-5-b.dtb",
        _ => "bcm2711-rpi-4-b.dtb",
    };
    files.push(Fetch::of(Need::Must, device_tree));
    if !overlays.is_empty() {
        files.push(may("overlays/overlay_map.dtb"));
        files.extend(overlays.iter().map(|name| may(&format!("overlays/{name}.dtbo"))));
    }
    if pi5 {
        files.push(may(&format!("/{cmdline}")).keeping(Keep::Cmdline));
        files.push(may("armstub8-2712.bin"));
    } else {
        files.push(may(cmdline).keeping(Keep::Cmdline));
        files.push(Fetch::of(Need::Probe, kernel));
        files.push(may(if kind == Kind::Pi3 { "armstub8.bin" } else { "armstub8-gic.bin" }));
    }
    files.push(Fetch::of(Need::Must, kernel));
    files
}

/// The lines of `config.txt` that are for this model: those below `[all]`, its own filter, or none.
fn settings(kind: Kind, config: &str) -> impl Iterator<Item = &str> {
    let model = match kind {
        Kind::Pi3 => "[pi3]",
        Kind::Pi5 => "[pi5]",
        _ => "[pi4]",
    };
    let mut ours = true;
    config.lines().map(str::trim).filter(move |line| {
        if line.starts_with('[') {
            ours = matches!(*line, "[all]") || *line == model;
        }
        ours && !line.starts_with(['[', '#'])
    })
}

#[cfg(test)]
mod tests;
