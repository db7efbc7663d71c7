//! A table to test on: the bench with small boot files, the real server on it, and machines to plug in.
//!
//! Everything waits on a level with a deadline; a wait that runs out ends the test with the end of the server's log.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hatchery::clock;
use hatchery::lab::Port;
use hatchery::load::bench::{self, Bench, SERVER, Setup};
use hatchery::load::{End, Load, Record, Run};
use hatchery::net::Mac;
use hatchery::serve::control::Request;
use hatchery::serve::packet::{EtherType, PacketSocket};
use hatchery::sim::client::{Client, Identity, Input, Kind, Options, Output};
use hatchery::wire::dhcp::{MessageType, Reply, code, codec};
use hatchery::wire::ipv4;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use crate::inside::until;

/// How long anything may take: a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Size of the image.
pub const IMAGE_MIB: u32 = 4;
/// Boot files are cut to this: their bytes are tested, not the patience of firmware.
const BOOT_FILE_MAX: u64 = 64 << 10;

/// The bench, and what can be asked of it.
pub struct Table {
    pub bench: Bench,
}

impl Table {
    /// A bench whose server does not run yet, with further lines of `[[network]]` and further tables.
    pub fn new(network: &str, tables: &str) -> Table {
        Table::logging("debug", network, tables)
    }

    /// The same whose server logs so much.
    pub fn logging(log: &str, network: &str, tables: &str) -> Table {
        let setup = Setup {
            program: env!("CARGO_BIN_EXE_hatchery").into(),
            image_mib: IMAGE_MIB,
            network: network.to_owned(),
            tables: tables.to_owned(),
            log: log.into(),
        };
        let bench = Bench::new(&setup).expect("a bench");
        shrink(&bench.directory().join("data/boot"), BOOT_FILE_MAX).expect("boot files of our own");
        Table { bench }
    }

    /// The same with its server running and the image hashed.
    pub fn serving(network: &str, tables: &str) -> Table {
        let mut table = Table::new(network, tables);
        table.start();
        table
    }

    pub fn start(&mut self) {
        self.bench.start_server().expect("a server that starts");
        self.bench.wait_for_image().expect("a server that reads the image");
    }

    /// Replaces a line of the configuration, before the server starts.
    pub fn configure(&self, from: &str, to: &str) {
        let path = self.path("hatchery.toml");
        let text = fs::read_to_string(&path).expect("the configuration");
        assert!(text.contains(from), "the configuration has no {from:?}:\n{text}");
        fs::write(&path, text.replace(from, to)).expect("the configuration can be written");
    }

    /// A path below the bench's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.bench.directory().join(name)
    }

    /// Looks until there is something to see.
    pub fn wait_for<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        until(PATIENCE, look)
            .unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}; the log ends:\n{}", self.bench.log_tail(40)))
    }

    /// Waits until the server's log holds `text`.
    pub fn wait_for_log(&self, text: &str) {
        self.wait_for(&format!("{text:?} in the log"), || self.log().contains(text).then_some(()));
    }

    /// The server's whole log.
    pub fn log(&self) -> String {
        self.bench.log_tail(usize::MAX)
    }

    pub fn ask(&self, request: &Request) -> Value {
        self.bench.ask(request).unwrap_or_else(|error| panic!("{request:?}: {error}\n{}", self.bench.log_tail(40)))
    }

    /// How often the server refused for this reason.
    pub fn refusals(&self, kind: &str) -> u64 {
        self.ask(&Request::Status)["refusals"][kind].as_u64().unwrap_or(0)
    }

    /// What the server knows of a machine; null if nothing.
    pub fn machine(&self, mac: Mac) -> Value {
        let machines = self.ask(&Request::Machines);
        let machines = machines.as_array().expect("a list of machines");
        machines.iter().find(|each| each["mac"] == mac.to_string()).cloned().unwrap_or_default()
    }

    /// Plugs in a machine without an address.
    pub fn plug(&self, mac: Mac) -> Port {
        self.bench.network().add_machine_port(0, mac).expect("a port")
    }

    /// Plugs in a machine with an address of the operator's choice, outside the pool.
    pub fn plug_at(&self, mac: Mac, host: u8) -> Port {
        let mut port = self.plug(mac);
        port.set_address(Ipv4Addr::new(192, 168, 151, host), SERVER.1).expect("an address");
        port
    }

    /// Plugs in a simulated machine and lets its firmware get an address, no more.
    pub fn plug_booting(&self, mut client: Client) -> Port {
        let mut port = self.plug(client.identity().mac);
        let station = Station::at(port.interface());
        let mut input = Input::PowerOn;
        let end = clock::now().instant + PATIENCE;
        while clock::now().instant < end {
            for output in client.handle(input, clock::now().instant) {
                match output {
                    Output::SendDhcp { bytes, .. } => station.send(&bytes),
                    Output::SetAddress { address, prefix } => {
                        port.set_address(address, prefix).expect("an address");
                        return port;
                    }
                    _ => {}
                }
            }
            input = station.hear(Duration::from_millis(200)).map_or(Input::Timer, Input::Dhcp);
        }
        panic!("the machine got no address; the log ends:\n{}", self.bench.log_tail(40));
    }

    /// Boots simulated machines and waits until each has ended; meanwhile `disturb` runs once.
    pub fn boot(&self, clients: Vec<Client>, disturb: impl FnOnce()) -> Vec<Record> {
        self.run(clients, disturb).records()
    }

    /// The same, and takes them off the network, so that they can boot again.
    pub fn boot_and_unplug(&self, clients: Vec<Client>) -> Vec<Record> {
        let run = self.run(clients, || {});
        let records = run.records();
        run.unplug().expect("machines taken off the network");
        records
    }

    fn run(&self, clients: Vec<Client>, disturb: impl FnOnce()) -> Run {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let _context = runtime.enter();
        let load = Load { clients, link: 0, known: Some(self.bench.image().clone()), pace: 1, rate: None };
        let mut run = Run::start(load, self.bench.network()).expect("machines plugged in");
        disturb();
        let finished = runtime.block_on(async { tokio::time::timeout(2 * PATIENCE, run.finished()).await });
        assert!(finished.is_ok(), "machines still run: {:#?}\n{}", run.records(), self.bench.log_tail(40));
        run
    }
}

/// A DHCP client by hand, on an interface without an address.
pub struct Station(PacketSocket);

impl Station {
    pub fn at(interface: &str) -> Station {
        Station(PacketSocket::open(interface, EtherType::Ipv4, true).expect("a packet socket"))
    }

    /// Broadcasts a DHCP payload.
    pub fn send(&self, payload: &[u8]) {
        self.send_to(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), Ipv4Addr::BROADCAST, payload);
    }

    /// Sends a DHCP payload from and to these addresses, in a broadcast frame.
    pub fn send_to(&self, from: SocketAddrV4, to: Ipv4Addr, payload: &[u8]) {
        let packet = ipv4::udp_packet(from, SocketAddrV4::new(to, 67), payload);
        match self.0.send(&packet, Mac([0xff; 6])) {
            // A full queue loses packets as a wire does.
            Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => panic!("cannot send: {error}"),
            _ => {}
        }
    }

    /// The next payload from a server that comes in time.
    pub fn hear(&self, patience: Duration) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        until(patience, || {
            loop {
                let length = match self.0.receive(&mut buffer) {
                    Ok((length, _)) => length,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                    Err(error) => panic!("cannot receive: {error}"),
                };
                if let Some((from, to, payload)) = ipv4::parse_udp(&buffer[..length])
                    && (from.port(), to.port()) == (67, 68)
                {
                    return Some(payload.to_vec());
                }
            }
        })
    }

    /// The OFFER to the first DISCOVER of a machine that was just switched on.
    pub fn offer(&self, mut client: Client) -> Option<Reply> {
        let outputs = client.handle(Input::PowerOn, clock::now().instant);
        let sent = outputs.iter().find_map(|output| match output {
            Output::SendDhcp { bytes, .. } => Some(bytes),
            _ => None,
        });
        self.send(sent.expect("firmware begins with a DISCOVER"));
        let mac = client.identity().mac;
        until(PATIENCE, || {
            let reply = codec::decode_reply(&self.hear(PATIENCE)?).expect("a well-formed reply");
            (reply.kind == Some(MessageType::Offer) && reply.chaddr[..6] == mac.0).then_some(reply)
        })
    }
}

/// Whether a reply tells a Raspberry Pi to boot from us.
pub fn boots_a_pi(reply: &Reply) -> bool {
    reply.option(code::VENDOR_ENCAPSULATED).is_some() && reply.siaddr == SERVER.0
}

/// A machine of the bench.
pub fn client(kind: Kind, index: u32) -> Client {
    let mut rng = fastrand::Rng::with_seed(u64::from(index));
    let options = Options {
        product: bench::PRODUCT.into(),
        venue: Some(bench::VENUE.into()),
        // Waits of the firmware for its own sake say nothing about the server.
        uefi_offer_wait: Duration::ZERO,
        ipxe_proxy_wait: Duration::ZERO,
        ..Options::default()
    };
    let identity = Identity::numbered(kind, index, &mut rng);
    Client::new(kind, identity, rng.u64(..), options)
}

/// The name of a machine that is done.
pub fn name_of(record: &Record) -> &str {
    match &record.end {
        Some((End::Done(name), _)) => name,
        other => panic!("{} did not finish: {other:?}", record.mac),
    }
}

/// A MAC for a machine of no particular make.
pub fn mac(n: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 1, n])
}

/// Cuts every file below the directory to so many bytes.
pub fn shrink(directory: &Path, most: u64) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            shrink(&path, most)?;
        } else if fs::metadata(&path)?.len() > most {
            File::options().write(true).open(&path)?.set_len(most)?;
        }
    }
    Ok(())
}

/// A DHCP message of a plain client: BOOTREQUEST with these options.
pub fn message(mac: Mac, kind: MessageType, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&mac.0[2..]);
    bytes[28..34].copy_from_slice(&mac.0);
    bytes.extend([99, 130, 83, 99, 53, 1, kind.code()]);
    for (code, value) in options {
        bytes.push(*code);
        bytes.push(value.len().try_into().expect("a short option"));
        bytes.extend(*value);
    }
    bytes.push(255);
    bytes
}

/// A UDP socket of that machine, which stands on its own address and does not wait.
pub fn udp(port: &Port) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket.bind_device(Some(port.interface().as_bytes())).expect("SO_BINDTODEVICE");
    let (address, _) = port.address().expect("an address");
    socket.bind(&SocketAddrV4::new(address, 0).into()).expect("the machine's own address");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    socket.into()
}
