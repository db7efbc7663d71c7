//! iPXE: an address once more, then a script by HTTP, whose kernel and initrd it loads.
//!
//! Of the script language it knows `set`, `iseq`, `kernel`, `initrd`, `boot` and `&&`; every other command succeeds.

use std::collections::VecDeque;
use std::time::Duration;

use super::dhcp::{ARCH_BIOS, ARCH_X64, Dhcp, Heard, Lease, Speaker};
use super::hardware::Hardware;
use super::{Input, Kind, Next, Phase};
use crate::time::Instant;

/// An HTTP server that says nothing for this long is not there.
const HTTP_PATIENCE: Duration = Duration::from_secs(30);

/// The loader at work.
#[derive(Debug)]
pub(super) struct Ipxe {
    dhcp: Dhcp,
    lease: Option<Lease>,
    step: Step,
    exchange: u32,
    deadline: Instant,
}

#[derive(Debug)]
enum Step {
    Address,
    Script { url: String },
    Files { loading: String, rest: VecDeque<String>, cmdline: String },
}

/// What a script comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Script {
    /// Absolute URLs, the kernel first.
    files: VecDeque<String>,
    cmdline: String,
}

impl Ipxe {
    pub fn start(now: Instant, hw: &mut Hardware) -> Ipxe {
        let arch = if is_rom(hw) { ARCH_BIOS } else { ARCH_X64 };
        let dhcp = Dhcp::start(Speaker::Ipxe(arch), now, hw);
        Ipxe { dhcp, lease: None, step: Step::Address, exchange: 0, deadline: now }
    }

    pub fn deadline(&self) -> Option<Instant> {
        if matches!(self.step, Step::Address) { self.dhcp.deadline() } else { Some(self.deadline) }
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        match (&self.step, input) {
            (Step::Address, _) => self.address(input, now, hw),
            (_, Input::Timer) if now >= self.deadline => Next::NoBoot(format!("{}: connection timed out", self.url())),
            (Step::Script { .. }, Input::Http { exchange, response }) if *exchange == self.exchange => match response {
                Ok((200, body)) => self.run(&String::from_utf8_lossy(body), now, hw),
                Ok((status, _)) => Next::NoBoot(format!("{}: HTTP {status}", self.url())),
                Err(why) => Next::NoBoot(format!("{}: {why}", self.url())),
            },
            (Step::Files { .. }, Input::Downloading { exchange, .. }) if *exchange == self.exchange => {
                self.deadline = now + HTTP_PATIENCE;
                Next::Stay
            }
            (Step::Files { .. }, Input::Downloaded { exchange, result }) if *exchange == self.exchange => {
                match result {
                    Ok(_) => self.load(now, hw),
                    Err(why) => Next::NoBoot(format!("{}: {why}", self.url())),
                }
            }
            _ => Next::Stay,
        }
    }

    fn address(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        match self.dhcp.handle(input, now, hw) {
            Heard::Bound(lease) => {
                if is_rom(hw) {
                    hw.passed(Phase::Bound);
                }
                let url = lease.boot_file();
                self.lease = Some(lease);
                if url.is_empty() {
                    return Next::NoBoot("iPXE: nothing to boot: no file name was given".into());
                }
                if !url.starts_with("http://") {
                    return Next::NoBoot(format!("iPXE: {url}: only http:// is simulated here"));
                }
                self.deadline = now + HTTP_PATIENCE;
                self.exchange = hw.get(url.clone());
                self.step = Step::Script { url };
                Next::Stay
            }
            Heard::GaveUp(why) => Next::NoBoot(format!("iPXE: {why}")),
            Heard::Nothing | Heard::Extended | Heard::Lost => Next::Stay,
        }
    }

    fn run(&mut self, text: &str, now: Instant, hw: &mut Hardware) -> Next {
        if !text.starts_with("#!ipxe") {
            return Next::NoBoot(format!("{}: exec format error", self.url()));
        }
        let server = self.lease.as_ref().map_or(String::new(), |lease| lease.next_server().to_string());
        let script = interpret(text, self.url(), &server, hw);
        if script.files.is_empty() {
            return Next::NoBoot(format!("{}: the script loads nothing", self.url()));
        }
        self.step = Step::Files { loading: String::new(), rest: script.files, cmdline: script.cmdline };
        self.load(now, hw)
    }

    /// Loads the next file, or starts the kernel.
    fn load(&mut self, now: Instant, hw: &mut Hardware) -> Next {
        let Step::Files { loading, rest, cmdline } = &mut self.step else { return Next::Stay };
        match (rest.pop_front(), &self.lease) {
            (Some(url), _) => {
                self.deadline = now + HTTP_PATIENCE;
                self.exchange = hw.download(url.clone());
                *loading = url;
                Next::Stay
            }
            (None, Some(lease)) => {
                hw.passed(Phase::Loaded);
                Next::Kernel { base_url: super::base_url(cmdline, lease.next_server()) }
            }
            (None, None) => Next::Stay,
        }
    }

    fn url(&self) -> &str {
        match &self.step {
            Step::Address => "",
            Step::Script { url } => url,
            Step::Files { loading, .. } => loading,
        }
    }
}

/// Whether it lies in the ROM of a network card, and was not loaded by another firmware.
fn is_rom(hw: &Hardware) -> bool {
    matches!(hw.kind, Kind::BiosIpxe | Kind::FlexBoot)
}

fn interpret(text: &str, script_url: &str, server: &str, hw: &Hardware) -> Script {
    let mut settings = vec![
        ("next-server".to_owned(), server.to_owned()),
        ("net0/mac".to_owned(), hw.identity.mac.to_string()),
        ("mac".to_owned(), hw.identity.mac.to_string()),
        // A BIOS starts the 32-bit build on every processor.
        ("buildarch".to_owned(), if is_rom(hw) { "i386" } else { "x86_64" }.to_owned()),
        ("serial".to_owned(), hw.identity.serial.clone()),
    ];
    let mut script = Script::default();
    let mut initrds = VecDeque::new();
    for line in text.lines() {
        // Of `A && B || C` only the part that success leads through.
        for command in line.trim().split(" || ").next().unwrap_or_default().split(" && ") {
            let command = expand(command, &settings);
            let mut words = command.split_whitespace().filter(|word| *word != "||");
            match words.next().unwrap_or_default() {
                "set" => {
                    if let Some(name) = words.next() {
                        settings.push((name.to_owned(), words.collect::<Vec<_>>().join(" ")));
                    }
                }
                "iseq" if words.next() != words.next() => break,
                "kernel" => {
                    script.files.extend(url_of(&mut words).map(|url| absolute(url, script_url)));
                    script.cmdline = words.collect::<Vec<_>>().join(" ");
                }
                "initrd" => initrds.extend(url_of(&mut words).map(|url| absolute(url, script_url))),
                "boot" => {
                    script.files.append(&mut initrds);
                    return script;
                }
                _ => {}
            }
        }
    }
    script.files.append(&mut initrds);
    script
}

/// The URL of a command, behind its options; `--name NAME` and `-n NAME` take a word more.
fn url_of<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    loop {
        match words.next()? {
            "--name" | "-n" => drop(words.next()),
            option if option.starts_with('-') => {}
            url => return Some(url),
        }
    }
}

/// Puts the last value of each `${name}` in its place; unknown names vanish, as in iPXE.
fn expand(line: &str, settings: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        let value = settings.iter().rev().find(|(each, _)| each == name);
        out.push_str(value.map_or("", |(_, value)| value.as_str()));
        rest = behind;
    }
    out + rest
}

/// A URL as it stands, or beside the script (RFC 3986 §5.2, as far as scripts use it).
fn absolute(url: &str, script_url: &str) -> String {
    if url.contains("://") {
        return url.to_owned();
    }
    let (scheme, place) = script_url.split_once("://").unwrap_or(("http", script_url));
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    if let Some(path) = url.strip_prefix('/') {
        return format!("{scheme}://{host}/{path}");
    }
    let directory = path.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("{directory}/"));
    format!("{scheme}://{host}/{directory}{url}")
}

#[cfg(test)]
mod tests;
