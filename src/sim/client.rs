//! A simulated machine: its firmware, bootloader and installer as one sans-IO machine, byte-faithful on the wire.
//!
//! The same client runs in the simulated world and over real sockets. It owns everything a machine does by itself
//! (packets, timers, retries, vices) and touches no socket, clock or file: inputs come in, outputs go out, and
//! [`Client::next_deadline`] says when it wants [`Input::Timer`].

mod dhcp;
mod grub;
mod hardware;
pub mod identity;
mod installer;
mod ipxe;
mod linux;
mod pi;
mod pxe;
mod pxelinux;
mod tftp;
mod uboot;
mod uefi_http;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::ids::Digest;
use crate::time::Instant;
use grub::Grub;
use hardware::Hardware;
pub use identity::{Identity, Kind, mixed};
use ipxe::Ipxe;
use linux::Linux;
use pi::Pi;
use pxe::Pxe;
use pxelinux::Pxelinux;
use uboot::UBoot;
use uefi_http::UefiHttp;

/// Something that happens to a client.
#[derive(Clone, Debug)]
pub enum Input {
    /// Power comes on (again): everything but the disk is forgotten.
    PowerOn,
    /// Its disk was exchanged for an empty one, while it was off.
    NewDisk,
    /// Its cable was pulled out and plugged in again, here or elsewhere.
    Replugged,
    /// [`Client::next_deadline`] has passed.
    Timer,
    /// A UDP payload arrived on port 68.
    Dhcp(Vec<u8>),
    /// A UDP payload arrived on a TFTP port of ours.
    Tftp {
        /// Our port.
        port: u16,
        /// The sender.
        from: SocketAddrV4,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// A small HTTP exchange ended.
    Http {
        /// Which.
        exchange: u32,
        /// Status code and whole body, or why there is none.
        response: Result<(u16, Vec<u8>), String>,
    },
    /// So many bytes of a download have arrived.
    Downloading {
        /// Which.
        exchange: u32,
        /// Bytes so far.
        received: u64,
    },
    /// A download ended.
    Downloaded {
        /// Which.
        exchange: u32,
        /// Size and digest of what arrived, or why it broke off.
        result: Result<(u64, Digest), String>,
    },
}

/// Something a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a UDP payload from port 68 to port 67.
    SendDhcp {
        /// The source address: 0.0.0.0 before there is one.
        from: Ipv4Addr,
        /// 255.255.255.255, or the server.
        to: Ipv4Addr,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// Use this address from now on.
    SetAddress {
        /// The address.
        address: Ipv4Addr,
        /// Bits of the mask.
        prefix: u8,
    },
    /// Use no address from now on; every exchange under way is gone.
    ClearAddress,
    /// Send a UDP payload from a TFTP port of ours.
    SendTftp {
        /// Our port.
        port: u16,
        /// Port 69 of the server, or the transfer's port.
        to: SocketAddrV4,
        /// The payload.
        bytes: Vec<u8>,
    },
    /// A TFTP port of ours is not used any more.
    CloseTftp {
        /// Our port.
        port: u16,
    },
    /// Make a small HTTP exchange; [`Input::Http`] ends it.
    Http {
        /// Chosen by the client, never reused.
        exchange: u32,
        /// `GET`, `HEAD` or `POST`.
        method: &'static str,
        /// `http://HOST[:PORT]/PATH`.
        url: String,
        /// A JSON body, for `POST`.
        body: Option<String>,
    },
    /// Download and hash a large file; [`Input::Downloaded`] ends it.
    Download {
        /// Chosen by the client, never reused.
        exchange: u32,
        /// `http://HOST[:PORT]/PATH`.
        url: String,
    },
    /// A milestone was passed, for tables and stories.
    Passed(Phase),
    /// It reached its end: installed, verified and reported.
    Done {
        /// The name it was given.
        hostname: String,
    },
    /// It gave up; the sentence says where and why. It stays silent until [`Input::PowerOn`].
    Faulted(String),
}

/// The milestones of a boot as the client sees them, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Power is on.
    Power,
    /// An OFFER was accepted.
    Offered,
    /// The first address is bound.
    Bound,
    /// Boot files and answers are fetched.
    Loaded,
    /// The configuration came.
    Configured,
    /// The image is down.
    Downloaded,
    /// Success was reported and received.
    Reported,
}

/// What can be set about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The product its installer asks for.
    pub product: String,
    /// The venue its installer was told.
    pub venue: Option<String>,
    /// Between UEFI's OFFER and REQUEST; OVMF takes 3.8 s.
    pub uefi_offer_wait: Duration,
    /// How long iPXE waits for a proxyDHCP server, unless it is told not to.
    pub ipxe_proxy_wait: Duration,
    /// A plain Linux extends its lease once, so long after it got it.
    pub plain_extends_after: Duration,
    /// What the installer does after the download, verifying and customizing, takes so long each.
    pub install_work: Duration,
    /// So many addresses a plain Linux finds in use by somebody else, and declines.
    pub plain_declines: u32,
    /// A plain Linux asks for further options once it has its address.
    pub plain_informs: bool,
    /// A plain Linux gives its address back in the end.
    pub plain_releases: bool,
    /// The menu entry that the EEPROM of a Raspberry Pi looks for (`PXE_OPTION43`).
    pub pi_menu_entry: String,
    /// Between a network boot that failed and the next one.
    pub restart_pause: Duration,
    /// How many network boots may fail in a row before it gives up.
    pub restarts_max: u32,
    /// How often a step of its installer may fail before that gives up.
    pub installer_tries_max: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            product: "KXP2".into(),
            venue: None,
            uefi_offer_wait: Duration::from_millis(3800),
            ipxe_proxy_wait: Duration::from_secs(2),
            plain_extends_after: Duration::from_secs(10),
            install_work: Duration::ZERO,
            plain_declines: 0,
            plain_informs: false,
            plain_releases: false,
            pi_menu_entry: "Raspberry Pi Boot".into(),
            restart_pause: Duration::from_secs(5),
            restarts_max: 20,
            installer_tries_max: 15,
        }
    }
}

/// A simulated machine.
#[derive(Debug)]
pub struct Client {
    hardware: Hardware,
    program: Program,
    restarts: u32,
    /// Whoever saw it finish took the installer's stick out.
    stick_is_out: bool,
}

/// What runs on it.
#[derive(Debug)]
enum Program {
    Off,
    Pi(Box<Pi>),
    Pxe(Box<Pxe>),
    UefiHttp(Box<UefiHttp>),
    UBoot(Box<UBoot>),
    Ipxe(Box<Ipxe>),
    Grub(Box<Grub>),
    Pxelinux(Box<Pxelinux>),
    Linux(Box<Linux>),
    /// The firmware starts over at that time.
    Restarting(Instant),
    /// It reached an end, and is silent.
    Ended,
}

/// What a program leads to.
#[derive(Debug)]
enum Next {
    Stay,
    /// A boot file, loaded from that server, takes over.
    BootFile {
        name: String,
        server: Ipv4Addr,
    },
    /// A kernel and its installer, which was told where the server is.
    Kernel {
        base_url: String,
    },
    /// The network has nothing to boot: on to the disk.
    NoBoot(String),
    Done(String),
    Fault(String),
}

impl Client {
    /// A machine that is switched off. Whatever it draws comes from `seed`.
    pub fn new(kind: Kind, identity: Identity, seed: u64, options: Options) -> Client {
        Client {
            hardware: Hardware::new(kind, identity, seed, options),
            program: Program::Off,
            restarts: 0,
            stick_is_out: false,
        }
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.hardware.kind
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.hardware.identity
    }

    /// When it wants [`Input::Timer`]; earlier ones change nothing.
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.program {
            Program::Off | Program::Ended => None,
            Program::Pi(pi) => pi.deadline(),
            Program::Pxe(pxe) => pxe.deadline(),
            Program::UefiHttp(uefi) => uefi.deadline(),
            Program::UBoot(uboot) => uboot.deadline(),
            Program::Ipxe(ipxe) => ipxe.deadline(),
            Program::Grub(grub) => grub.deadline(),
            Program::Pxelinux(pxelinux) => pxelinux.deadline(),
            Program::Linux(linux) => linux.deadline(),
            Program::Restarting(at) => Some(*at),
        }
    }

    /// What it does about `input`, in order.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Output> {
        let hw = &mut self.hardware;
        let next = match &mut self.program {
            _ if matches!(input, Input::PowerOn) => {
                self.restarts = 0;
                hw.clear_address();
                hw.passed(Phase::Power);
                self.boot(now);
                Next::Stay
            }
            _ if matches!(input, Input::NewDisk) => {
                (hw.disk, hw.remembered) = (None, None);
                self.stick_is_out = false;
                Next::Stay
            }
            Program::Off | Program::Ended => Next::Stay,
            Program::Pi(pi) => pi.handle(&input, now, hw),
            Program::Pxe(pxe) => pxe.handle(&input, now, hw),
            Program::UefiHttp(uefi) => uefi.handle(&input, now, hw),
            Program::UBoot(uboot) => uboot.handle(&input, now, hw),
            Program::Ipxe(ipxe) => ipxe.handle(&input, now, hw),
            Program::Grub(grub) => grub.handle(&input, now, hw),
            Program::Pxelinux(pxelinux) => pxelinux.handle(&input, now, hw),
            Program::Linux(linux) => linux.handle(&input, now, hw),
            Program::Restarting(at) => {
                if now >= *at {
                    self.boot(now);
                }
                Next::Stay
            }
        };
        self.follow(next, now);
        self.hardware.take_outputs()
    }

    /// The firmware starts: the network first.
    fn boot(&mut self, now: Instant) {
        let hw = &mut self.hardware;
        self.program = match hw.kind {
            Kind::Pi3 | Kind::Pi4Early | Kind::Pi4 | Kind::Pi5 => Program::Pi(Box::new(Pi::start(now, hw))),
            Kind::UefiX64 | Kind::UefiX64As9 | Kind::UefiArm64 | Kind::BiosPxe => {
                Program::Pxe(Box::new(Pxe::start(now, hw)))
            }
            Kind::UefiHttpX64 | Kind::UefiHttpArm64 => Program::UefiHttp(Box::new(UefiHttp::start(now, hw))),
            Kind::BiosIpxe | Kind::FlexBoot => Program::Ipxe(Box::new(Ipxe::start(now, hw))),
            Kind::UBoot | Kind::UBootEfi => Program::UBoot(Box::new(UBoot::start(now, hw))),
            Kind::PlainLinux | Kind::RememberingLinux => Program::Linux(Box::new(Linux::plain(now, hw))),
            Kind::LinuxInstaller => match hw.disk.clone().filter(|_| self.stick_is_out) {
                Some(hostname) => return self.finish(hostname),
                None => Program::Linux(Box::new(Linux::installing(None, now, hw))),
            },
        };
    }

    fn follow(&mut self, next: Next, now: Instant) {
        let hw = &mut self.hardware;
        match next {
            Next::Stay => {}
            Next::BootFile { name, server } => self.load(&name, server, now),
            Next::Kernel { base_url } => {
                self.program = Program::Linux(Box::new(Linux::installing(Some(base_url), now, hw)));
            }
            Next::Done(hostname) => self.finish(hostname),
            Next::Fault(why) => {
                self.program = Program::Ended;
                hw.faulted(why);
            }
            Next::NoBoot(why) => self.no_boot(why, now),
        }
    }

    /// A boot file is what its name says, wherever it lies.
    fn load(&mut self, name: &str, server: Ipv4Addr, now: Instant) {
        let hw = &mut self.hardware;
        self.program = match (name.rsplit('/').next().unwrap_or(name), hw.kind) {
            ("pxelinux.0", _) => Program::Pxelinux(Box::new(Pxelinux::start(server, now, hw))),
            (name, Kind::UefiHttpArm64) if name.starts_with("grub") => {
                Program::Grub(Box::new(Grub::by_http(server, now, hw)))
            }
            (name, _) if name.starts_with("grub") => Program::Grub(Box::new(Grub::by_tftp(server, now, hw))),
            ("snponly.efi", _) => Program::Ipxe(Box::new(Ipxe::start(now, hw))),
            _ => return self.no_boot(format!("{name}: not a boot file for this machine"), now),
        };
    }

    /// The next boot mode is the disk; without a system on it the firmware starts over.
    fn no_boot(&mut self, why: String, now: Instant) {
        let hw = &mut self.hardware;
        hw.clear_address();
        if let Some(hostname) = hw.disk.clone() {
            return self.finish(hostname);
        }
        self.restarts += 1;
        if self.restarts > hw.options.restarts_max {
            self.program = Program::Ended;
            return hw.faulted(format!("{} network boots failed, at last: {why}", self.restarts));
        }
        self.program = Program::Restarting(now + hw.options.restart_pause);
    }

    fn finish(&mut self, hostname: String) {
        self.stick_is_out = true;
        self.program = Program::Ended;
        self.hardware.done(hostname);
    }
}

/// Where the kernel was told the server is (`hatchery.server=`), else the server it was loaded from.
fn base_url(cmdline: &str, loaded_from: Ipv4Addr) -> String {
    match cmdline.split_whitespace().filter_map(|word| word.strip_prefix("hatchery.server=")).next_back() {
        Some(url) if url.starts_with("http://") => url.to_owned(),
        Some(host) if !host.is_empty() => format!("http://{host}"),
        _ => format!("http://{loaded_from}"),
    }
}

#[cfg(test)]
mod tests;
