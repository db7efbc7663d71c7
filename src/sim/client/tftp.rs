//! The reading side of TFTP (RFC 1350, 2347–2349, 7440), with the options and timers of each firmware.
//!
//! Owns one request and what came of it. Windows, gaps and repetitions are the client's half of the protocol; the
//! server's half is `crate::tftp`.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::Input;
use super::hardware::Hardware;
use crate::time::Instant;
use crate::wire::tftp::{DEFAULT_BLKSIZE, ErrorCode, Packet};

const TFTP_PORT: u16 = 69;

/// A firmware's manner of TFTP.
#[derive(Debug)]
pub(super) struct Style {
    /// Options of the RRQ, in the order on the wire.
    options: &'static [(&'static str, &'static str)],
    /// Before a packet is repeated, and how often.
    patience: Duration,
    tries: u32,
    /// Set if the request only asks whether there is such a file: the ERROR that ends it.
    aborts: Option<(ErrorCode, &'static str)>,
    /// Whether a size must be in the answer.
    needs_size: bool,
    /// Whether the answer must begin with an OACK.
    needs_oack: bool,
    /// Whether its port follows the clock, and not the last one: two requests in a row may then use the same.
    port_by_clock: bool,
}

const EEPROM_2022: [(&str, &str); 2] = [("tsize", "0"), ("blksize", "1468")];
const EEPROM_2021: [(&str, &str); 2] = [("tsize", "0"), ("blksize", "1024")];
/// A Pi repeats itself every 2 s (rpi-eeprom#74) until `TFTP_FILE_TIMEOUT`, 30 s.
const EEPROM: Style = Style {
    options: &EEPROM_2022,
    patience: Duration::from_secs(2),
    tries: 15,
    aborts: None,
    needs_size: false,
    needs_oack: false,
    port_by_clock: false,
};
const EARLY_TERMINATE: Option<(ErrorCode, &str)> = Some((ErrorCode::NOT_DEFINED, "Early terminate"));

impl Style {
    /// The ROM of a Pi 3 asks without options, its bootcode.bin for the size alone (firmware#1041, #1700).
    pub const PI3_ROM: Style = Style { options: &[], ..EEPROM };
    pub const PI3: Style = Style { options: &[("tsize", "0")], ..EEPROM };
    pub const PI3_PROBE: Style = Style { aborts: EARLY_TERMINATE, ..Style::PI3 };
    pub const PI5: Style = EEPROM;
    pub const PI5_PROBE: Style = Style { aborts: EARLY_TERMINATE, ..EEPROM };
    pub const PI4: Style = Style { options: &EEPROM_2021, ..EEPROM };
    pub const PI4_PROBE: Style = Style { options: &EEPROM_2021, aborts: EARLY_TERMINATE, ..EEPROM };
    /// EDK2: six times four seconds (`PXEBC_MTFTP_TIMEOUT`, `PXEBC_MTFTP_RETRIES`).
    pub const UEFI: Style = Style {
        options: &[("blksize", "1468"), ("windowsize", "4")],
        patience: Duration::from_secs(4),
        tries: 6,
        ..EEPROM
    };
    /// The same, asking for the size first; without one it says "NBP filesize is 0" and gives up.
    pub const UEFI_PROBE: Style = Style {
        options: &[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")],
        aborts: Some((ErrorCode::OPTIONS_REFUSED, "User aborted the transfer")),
        needs_size: true,
        ..Style::UEFI
    };
    /// The PXE ROM of a BIOS asks for the size, hangs up, and asks again from the next port (pixiecore#21).
    pub const BIOS_PROBE: Style =
        Style { options: &[("tsize", "0")], aborts: Some((ErrorCode::NOT_DEFINED, "TFTP Aborted")), ..Style::BIOS };
    pub const BIOS: Style =
        Style { options: &[("blksize", "1456")], patience: Duration::from_secs(4), tries: 6, ..EEPROM };
    /// pxelinux waits longer and longer, 100 s in all.
    pub const PXELINUX: Style = Style {
        options: &[("tsize", "0"), ("blksize", "1408")],
        patience: Duration::from_secs(4),
        tries: 25,
        ..EEPROM
    };
    /// GRUB takes no file from a server that leaves options out ("time out opening").
    pub const GRUB: Style = Style {
        options: &[("blksize", "1024"), ("tsize", "0")],
        patience: Duration::from_secs(2),
        tries: 20,
        needs_oack: true,
        ..EEPROM
    };
    /// U-Boot: `tftptimeout` 5 s, ten times.
    pub const UBOOT: Style = Style {
        options: &[("timeout", "5"), ("blksize", "1468")],
        patience: Duration::from_secs(5),
        tries: 10,
        port_by_clock: true,
        ..EEPROM
    };
}

/// The port that U-Boot draws from its clock, in milliseconds.
fn port_of(now: Instant) -> u16 {
    1024 + (now.since_start().as_millis() % 3072) as u16
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Got {
    File(Vec<u8>),
    /// It is there; a probe does not read it.
    Exists,
    /// The server has no such file.
    Missing,
    Broken(String),
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Get {
    style: &'static Style,
    name: String,
    server: Ipv4Addr,
    port: u16,
    /// The server's port for this transfer, once it has answered.
    peer: Option<SocketAddrV4>,
    /// Whether options were agreed on.
    agreed: bool,
    blksize: usize,
    windowsize: u16,
    /// The last block that arrived in order, and how many of the window have.
    last: u64,
    in_window: u16,
    /// A gap in this window was complained about.
    complained: bool,
    content: Vec<u8>,
    tries: u32,
    deadline: Instant,
}

impl Get {
    pub fn start(style: &'static Style, server: Ipv4Addr, name: String, now: Instant, hw: &mut Hardware) -> Get {
        let get = Get {
            style,
            name,
            server,
            port: if style.port_by_clock { port_of(now) } else { hw.open_tftp() },
            peer: None,
            agreed: false,
            blksize: usize::from(DEFAULT_BLKSIZE),
            windowsize: 1,
            last: 0,
            in_window: 0,
            complained: false,
            content: Vec::new(),
            tries: 0,
            deadline: now + style.patience,
        };
        get.ask(hw);
        get
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Option<Got> {
        let got = match input {
            Input::Tftp { port, from, bytes } if *port == self.port && *from.ip() == self.server => {
                self.heard(*from, bytes, now, hw)
            }
            Input::Timer if now >= self.deadline => self.timed_out(now, hw),
            _ => None,
        };
        if got.is_some() {
            hw.close_tftp(self.port);
        }
        got
    }

    fn heard(&mut self, from: SocketAddrV4, bytes: &[u8], now: Instant, hw: &mut Hardware) -> Option<Got> {
        let packet = Packet::parse(bytes).ok()?;
        if self.peer.is_some_and(|peer| peer != from) {
            // Another transfer's packet must not disturb this one (RFC 1350 §4).
            let stray = Packet::Error { code: ErrorCode::UNKNOWN_TRANSFER, message: "unknown transfer ID".into() };
            hw.send_tftp(self.port, from, stray.encode());
            return None;
        }
        self.peer = Some(from);
        match packet {
            Packet::Error { code: ErrorCode::FILE_NOT_FOUND, .. } => Some(Got::Missing),
            Packet::Error { code, message } => Some(Got::Broken(format!("server error {}: {message}", code.0))),
            Packet::Oack(granted) if self.last == 0 => {
                if let Some(end) = self.ends_probe(granted.tsize.is_some(), from, hw) {
                    return Some(end);
                }
                self.blksize = usize::from(granted.blksize.unwrap_or(DEFAULT_BLKSIZE));
                self.windowsize = granted.windowsize.unwrap_or(1);
                self.agreed = true;
                self.progressed(now);
                self.acknowledge(hw);
                None
            }
            Packet::Data { .. } if self.style.needs_oack && self.last == 0 && !self.agreed => {
                Some(Got::Broken("time out opening: the server knows no options".into()))
            }
            Packet::Data { block, content } => {
                if let Some(end) = self.ends_probe(false, from, hw) {
                    return Some(end);
                }
                self.take(block, content, now, hw)
            }
            _ => None,
        }
    }

    fn ends_probe(&self, has_size: bool, from: SocketAddrV4, hw: &mut Hardware) -> Option<Got> {
        let (code, message) = self.style.aborts?;
        hw.send_tftp(self.port, from, Packet::Error { code, message: message.into() }.encode());
        if self.style.needs_size && !has_size {
            return Some(Got::Broken("PXE-E99: NBP filesize is 0".into()));
        }
        Some(Got::Exists)
    }

    fn take(&mut self, block: u16, content: &[u8], now: Instant, hw: &mut Hardware) -> Option<Got> {
        // Block numbers wrap to 0; only the distance from the last one counts.
        if block != (self.last + 1) as u16 {
            // Larger windows complain once, or every block behind a gap would be answered by a whole window.
            if self.windowsize == 1 || !self.complained {
                self.complained = true;
                self.in_window = 0;
                self.acknowledge(hw);
            }
            return None;
        }
        self.last += 1;
        self.in_window += 1;
        self.content.extend_from_slice(content);
        self.progressed(now);
        let ended = content.len() < self.blksize;
        if ended || self.in_window >= self.windowsize {
            self.in_window = 0;
            self.acknowledge(hw);
        }
        ended.then(|| Got::File(std::mem::take(&mut self.content)))
    }

    fn progressed(&mut self, now: Instant) {
        self.complained = false;
        self.tries = 0;
        self.deadline = now + self.style.patience;
    }

    fn timed_out(&mut self, now: Instant, hw: &mut Hardware) -> Option<Got> {
        self.tries += 1;
        if self.tries >= self.style.tries {
            let secs = self.style.patience.as_secs() * u64::from(self.style.tries);
            return Some(Got::Broken(format!("nothing came for {secs} s after block {}", self.last)));
        }
        self.deadline = now + self.style.patience;
        self.in_window = 0;
        if self.peer.is_some() {
            self.acknowledge(hw)
        } else {
            self.ask(hw)
        }
        None
    }

    fn acknowledge(&self, hw: &mut Hardware) {
        if let Some(peer) = self.peer {
            hw.send_tftp(self.port, peer, Packet::Ack { block: self.last as u16 }.encode());
        }
    }

    /// Written by hand: every firmware has its own order of options.
    fn ask(&self, hw: &mut Hardware) {
        let mut bytes = vec![0, 1];
        let mut put = |text: &str| {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        };
        put(&self.name);
        put("octet");
        for (name, value) in self.style.options {
            put(name);
            put(value);
        }
        hw.send_tftp(self.port, SocketAddrV4::new(self.server, TFTP_PORT), bytes);
    }
}

#[cfg(test)]
mod tests;
