//! GRUB as a network boot file: `grub/grub.cfg`, then the kernel and initrd of its first menu entry.
//!
//! Loaded by PXE it keeps the firmware's address and reads by TFTP; loaded by HTTP boot it asks for an address of its
//! own and reads by HTTP. Of the script language it knows `set`, `if insmod http`, `if [ A = B ]`, `menuentry`, `linux`
//! and `initrd`.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::dhcp::{Dhcp, Heard, Speaker};
use super::hardware::Hardware;
use super::tftp::{Get, Got, Style};
use super::{Input, Next, Phase};
use crate::time::Instant;

const HTTP_PATIENCE: Duration = Duration::from_secs(30);
/// Where its ports were seen to start, after every start.
const FIRST_PORT: u16 = 25_300;
/// Lists of modules that a GRUB with all of them inside can do without.
const LISTS: [&str; 4] = ["command", "fs", "crypto", "terminal"];

/// The loader at work.
#[derive(Debug)]
pub(super) struct Grub {
    server: Ipv4Addr,
    reading: Reading,
    step: Step,
}

/// How a file comes.
#[derive(Debug)]
enum Reading {
    Address(Dhcp),
    Tftp(Get),
    Http { url: String, exchange: u32, deadline: Instant },
}

#[derive(Debug)]
enum Step {
    Lists(VecDeque<String>),
    Config,
    Files { rest: VecDeque<String>, cmdline: String },
}

/// What a script comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Script {
    files: VecDeque<String>,
    cmdline: String,
}

impl Grub {
    /// Loaded by PXE: there is an address.
    pub fn by_tftp(server: Ipv4Addr, now: Instant, hw: &mut Hardware) -> Grub {
        hw.count_ports_from(FIRST_PORT);
        let mut lists: VecDeque<String> = LISTS.map(|list| format!("/grub/arm64-efi/{list}.lst")).into();
        let first = lists.pop_front().expect("there are four of them");
        let get = Get::start(&Style::GRUB, server, first, now, hw);
        Grub { server, reading: Reading::Tftp(get), step: Step::Lists(lists) }
    }

    /// Loaded by HTTP boot: it takes nothing over from the firmware.
    pub fn by_http(server: Ipv4Addr, now: Instant, hw: &mut Hardware) -> Grub {
        let dhcp = Dhcp::start(Speaker::Grub, now, hw);
        Grub { server, reading: Reading::Address(dhcp), step: Step::Config }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.reading {
            Reading::Address(dhcp) => dhcp.deadline(),
            Reading::Tftp(get) => Some(get.deadline()),
            Reading::Http { deadline, .. } => Some(*deadline),
        }
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Next {
        match (&mut self.reading, input) {
            (Reading::Address(dhcp), _) => match dhcp.handle(input, now, hw) {
                Heard::Bound(_) => {
                    let url = format!("http://{}/boot/grub/grub.cfg", self.server);
                    let exchange = hw.get(url.clone());
                    self.reading = Reading::Http { url, exchange, deadline: now + HTTP_PATIENCE };
                    Next::Stay
                }
                Heard::GaveUp(why) => Next::NoBoot(format!("net_dhcp: {why}")),
                Heard::Nothing | Heard::Extended | Heard::Lost => Next::Stay,
            },
            (Reading::Tftp(get), _) => match get.handle(input, now, hw) {
                Some(got) => self.read(got, now, hw),
                None => Next::Stay,
            },
            (Reading::Http { deadline, .. }, Input::Timer) if now >= *deadline => {
                self.read(Got::Broken("connection timed out".into()), now, hw)
            }
            (Reading::Http { exchange: ours, .. }, Input::Http { exchange, response }) if ours == exchange => {
                let got = match response {
                    Ok((200, body)) => Got::File(body.clone()),
                    Ok((404, _)) => Got::Missing,
                    Ok((status, _)) => Got::Broken(format!("HTTP {status}")),
                    Err(why) => Got::Broken(why.clone()),
                };
                self.read(got, now, hw)
            }
            (Reading::Http { exchange: ours, deadline, .. }, Input::Downloading { exchange, .. })
                if ours == exchange =>
            {
                *deadline = now + HTTP_PATIENCE;
                Next::Stay
            }
            (Reading::Http { exchange: ours, .. }, Input::Downloaded { exchange, result }) if ours == exchange => {
                let got = match result {
                    Ok(_) => Got::File(Vec::new()),
                    Err(why) => Got::Broken(why.clone()),
                };
                self.read(got, now, hw)
            }
            _ => Next::Stay,
        }
    }

    fn read(&mut self, got: Got, now: Instant, hw: &mut Hardware) -> Next {
        let asked = self.asked().to_owned();
        let next = match (&mut self.step, got) {
            (_, Got::Broken(why)) => return Next::NoBoot(format!("{asked}: {why}")),
            (Step::Lists(lists), _) => match lists.pop_front() {
                Some(list) => Some(list),
                None => {
                    self.step = Step::Config;
                    Some("/grub/grub.cfg".to_owned())
                }
            },
            (Step::Config, Got::File(text)) => {
                let has_http = matches!(self.reading, Reading::Http { .. });
                let mut script = interpret(&String::from_utf8_lossy(&text), has_http, "arm64");
                // It opens a kernel twice: to see whether it is compressed, and to load it.
                if let Some(kernel) = script.files.front().cloned() {
                    script.files.push_front(kernel);
                }
                let first = script.files.pop_front();
                self.step = Step::Files { rest: script.files, cmdline: script.cmdline };
                if first.is_none() {
                    return Next::NoBoot(format!("{asked}: its first entry loads nothing"));
                }
                first
            }
            (Step::Files { rest, .. }, Got::File(_)) => rest.pop_front(),
            (Step::Config | Step::Files { .. }, Got::Missing | Got::Exists) => {
                return Next::NoBoot(format!("{asked}: file not found"));
            }
        };
        match (next, &self.step) {
            (Some(name), _) => self.open(&name, now, hw),
            (None, Step::Files { cmdline, .. }) => {
                hw.passed(Phase::Loaded);
                Next::Kernel { base_url: super::base_url(cmdline, self.server) }
            }
            (None, _) => Next::Stay,
        }
    }

    /// Opens a name: `(tftp,SERVER)/PATH`, `(http,SERVER)/PATH`, or a path on the device it was loaded from.
    fn open(&mut self, name: &str, now: Instant, hw: &mut Hardware) -> Next {
        let (device, path) = match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((device, path)) => (device, path),
            None => ("", name),
        };
        let http = matches!(self.reading, Reading::Http { .. });
        self.reading = if http {
            let server = device.strip_prefix("http,").map_or_else(|| self.server.to_string(), str::to_owned);
            let url = format!("http://{server}{path}");
            let exchange = hw.download(url.clone());
            Reading::Http { url, exchange, deadline: now + HTTP_PATIENCE }
        } else {
            Reading::Tftp(Get::start(&Style::GRUB, self.server, path.to_owned(), now, hw))
        };
        Next::Stay
    }

    fn asked(&self) -> &str {
        match &self.reading {
            Reading::Address(_) => "",
            Reading::Tftp(get) => get.name(),
            Reading::Http { url, .. } => url,
        }
    }
}

fn interpret(text: &str, has_http: bool, cpu: &str) -> Script {
    let mut settings = vec![("grub_cpu".to_owned(), cpu.to_owned())];
    let mut script = Script::default();
    // Of every `if` around a statement, whether its branch is taken.
    let mut taken: Vec<bool> = Vec::new();
    let mut entries = 0;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    for statement in lines.flat_map(|line| line.split(';')).map(str::trim) {
        let statement = expand(statement.strip_prefix("then").unwrap_or(statement).trim(), &settings);
        let mut words = statement.split_whitespace();
        match words.next().unwrap_or_default() {
            "if" => taken.push(match words.collect::<Vec<_>>()[..] {
                ["insmod", "http"] => has_http,
                ["[", a, "=", b, "]"] => a == b,
                _ => false,
            }),
            "else" => {
                if let Some(branch) = taken.last_mut() {
                    *branch = !*branch;
                }
            }
            "fi" => drop(taken.pop()),
            _ if taken.contains(&false) => {}
            "set" => {
                if let Some((name, value)) = words.next().and_then(|word| word.split_once('=')) {
                    settings.push((name.to_owned(), value.to_owned()));
                }
            }
            "menuentry" => entries += 1,
            "linux" if entries == 1 => {
                script.files.extend(words.next().map(str::to_owned));
                script.cmdline = words.collect::<Vec<_>>().join(" ");
            }
            "initrd" if entries == 1 => script.files.extend(words.map(str::to_owned)),
            _ => {}
        }
    }
    script
}

/// Puts the last value of each `$name` in its place and takes the quotes away.
fn expand(statement: &str, settings: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut parts = statement.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let part = part.replace(['{', '}'], "");
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let value = settings.iter().rev().find(|(name, _)| *name == part[..end]);
        out.push_str(value.map_or("", |(_, value)| value));
        out.push_str(&part[end..]);
    }
    out.replace('"', "")
}

#[cfg(test)]
mod tests;
