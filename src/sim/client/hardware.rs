//! What every program that runs on a simulated machine has at hand: who it is, luck, ports, a disk, and the way out.

use std::net::{Ipv4Addr, SocketAddrV4};

use fastrand::Rng;

use super::{Identity, Kind, Options, Output, Phase};

/// A simulated machine without a program.
#[derive(Debug)]
pub(super) struct Hardware {
    pub kind: Kind,
    pub identity: Identity,
    pub options: Options,
    pub rng: Rng,
    /// The name of the system on its disk, once one is installed.
    pub disk: Option<String>,
    pub address: Option<Ipv4Addr>,
    /// The address that the system on the disk had last, if it remembers one.
    pub remembered: Option<Ipv4Addr>,
    out: Vec<Output>,
    port: u16,
    exchange: u32,
}

impl Hardware {
    pub fn new(kind: Kind, identity: Identity, seed: u64, options: Options) -> Hardware {
        // Where the firmware's own counters were seen to start.
        let port = match kind {
            Kind::Pi3 => 49_152,
            Kind::UefiX64 | Kind::UefiX64As9 => 1037,
            Kind::UefiArm64 => 1832,
            Kind::BiosPxe => 2070,
            _ => 40084,
        };
        Hardware {
            kind,
            identity,
            options,
            rng: Rng::with_seed(seed),
            disk: None,
            address: None,
            remembered: None,
            out: Vec::new(),
            port,
            exchange: 0,
        }
    }

    pub fn send_dhcp(&mut self, to: Ipv4Addr, bytes: Vec<u8>) {
        let from = if to == Ipv4Addr::BROADCAST { None } else { self.address };
        self.out.push(Output::SendDhcp { from: from.unwrap_or(Ipv4Addr::UNSPECIFIED), to, bytes });
    }

    pub fn set_address(&mut self, address: Ipv4Addr, prefix: u8) {
        if self.address != Some(address) {
            self.address = Some(address);
            self.out.push(Output::SetAddress { address, prefix });
        }
    }

    pub fn clear_address(&mut self) {
        if self.address.take().is_some() {
            self.out.push(Output::ClearAddress);
        }
    }

    /// A TFTP port for one request; firmware counts them up.
    pub fn open_tftp(&mut self) -> u16 {
        let port = self.port;
        self.port = if port == u16::MAX { 1024 } else { port + 1 };
        port
    }

    /// Another program counts its ports from its own start.
    pub fn count_ports_from(&mut self, port: u16) {
        self.port = port;
    }

    pub fn send_tftp(&mut self, port: u16, to: SocketAddrV4, bytes: Vec<u8>) {
        self.out.push(Output::SendTftp { port, to, bytes });
    }

    pub fn close_tftp(&mut self, port: u16) {
        self.out.push(Output::CloseTftp { port });
    }

    /// Asks whether a URL can be read.
    pub fn head(&mut self, url: String) -> u32 {
        self.http("HEAD", url, None)
    }

    pub fn get(&mut self, url: String) -> u32 {
        self.http("GET", url, None)
    }

    pub fn post(&mut self, url: String, body: String) -> u32 {
        self.http("POST", url, Some(body))
    }

    fn http(&mut self, method: &'static str, url: String, body: Option<String>) -> u32 {
        self.exchange += 1;
        self.out.push(Output::Http { exchange: self.exchange, method, url, body });
        self.exchange
    }

    pub fn download(&mut self, url: String) -> u32 {
        self.exchange += 1;
        self.out.push(Output::Download { exchange: self.exchange, url });
        self.exchange
    }

    pub fn passed(&mut self, phase: Phase) {
        self.out.push(Output::Passed(phase));
    }

    pub fn done(&mut self, hostname: String) {
        self.out.push(Output::Done { hostname });
    }

    pub fn faulted(&mut self, why: String) {
        self.out.push(Output::Faulted(why));
    }

    /// What was done since the last call.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }
}
