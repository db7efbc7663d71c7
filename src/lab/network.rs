//! The lab's layout: a server side with its addresses, a client side with one port per machine.
//!
//! Owns what is connected to what; the namespaces' threads do the work. Every machine port is a station of its own: its
//! frames carry its MAC, and it answers ARP for its own address only.

use super::side::{Netlink, Side, own_namespace, set_variable};
use super::{Error, forward, inside, sandbox};
use crate::net::Mac;
use nix::unistd::Pid;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;

/// Two network namespaces joined by veth pairs: `hatch0`, `hatch1` … on the server side, `bench0`, `bench1` … here.
pub struct Network {
    server: Arc<Side>,
    client: Arc<Side>,
    links: usize,
}

impl Network {
    /// Makes the server side, and one link per address and prefix length given, with that address at the server's end.
    /// The calling thread's namespace becomes the client side; call this inside a lab only. Blocks for some
    /// milliseconds.
    pub fn new(server_addresses: &[(Ipv4Addr, u8)]) -> Result<Self, Error> {
        if !inside() {
            return Err(Error::Outside);
        }
        let client = Side::here("client")?;
        let server = Side::apart("server")?;
        let client_namespace = client.run(|netlink| {
            be_many_stations();
            netlink.set_up("lo")?;
            own_namespace().map_err(|source| Error::Netlink { side: "client", source })
        })?;
        let addresses = server_addresses.to_vec();
        server.run(move |netlink| {
            netlink.set_up("lo")?;
            for (link, (address, prefix)) in addresses.into_iter().enumerate() {
                let hatch = hatch(link);
                netlink.add_veth(&hatch, &bench(link), client_namespace.as_fd())?;
                netlink.add_address(&hatch, address, prefix)?;
            }
            Ok(())
        })?;
        let links = server_addresses.len();
        client.run(move |netlink| (0..links).try_for_each(|link| netlink.set_up(&bench(link))))?;
        // Both ends must be up before either carries anything.
        server.run(move |netlink| (0..links).try_for_each(|link| netlink.wait_running(&hatch(link))))?;
        client.run(move |netlink| (0..links).try_for_each(|link| netlink.wait_running(&bench(link))))?;
        Ok(Network { server: Arc::new(server), client: Arc::new(client), links })
    }

    /// Starts a process on the server side. It is killed when this `Network` is dropped or this process ends.
    pub fn spawn_server(&self, mut command: Command) -> Result<Child, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let parent = Pid::this();
        // SAFETY: two system calls, no memory touched.
        unsafe { command.pre_exec(move || sandbox::die_with_parent(parent)) };
        let child = self.in_server(move || command.spawn());
        child.map_err(|source| Error::Spawn { program, source })
    }

    /// Runs `job` on a thread of the server side, one job at a time, and waits for it. Sockets that it opens stay on
    /// the server side wherever they are used later.
    pub fn in_server<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.server.run(move |_: &Netlink| job())
    }

    /// From now on, whoever connects to `listener`, in whatever namespace that was opened, is connected with the address
    /// `to` of the server side; until this process ends, or this `Network` is dropped.
    pub fn forward(&self, listener: TcpListener, to: SocketAddr) -> Result<(), Error> {
        forward::start(listener, to, Arc::downgrade(&self.server))
            .map_err(|source| Error::Thread { side: "outer", source })
    }

    /// Connects a machine with this MAC (a unicast one) to a link, counted from 0; it has no address yet. Blocks for about
    /// a millisecond.
    pub fn add_machine_port(&self, link: usize, mac: Mac) -> Result<Port, Error> {
        if link >= self.links {
            return Err(Error::NoSuchLink(link));
        }
        let interface = interface_of(mac);
        let name = interface.clone();
        let index = self.client.run(move |netlink| netlink.add_macvlan(&name, &bench(link), mac))?;
        Ok(Port::new(interface, index, mac, Arc::clone(&self.client)))
    }
}

/// Where machines can be plugged in.
pub trait Ports {
    /// Connects a machine with this MAC to a link, as [`Network::add_machine_port`] does.
    ///
    /// # Errors
    /// [`Error::NoSuchLink`], or what the kernel says.
    fn add_machine_port(&self, link: usize, mac: Mac) -> Result<Port, Error>;
}

impl Ports for Network {
    fn add_machine_port(&self, link: usize, mac: Mac) -> Result<Port, Error> {
        Network::add_machine_port(self, link, mac)
    }
}

/// A machine's place on the client side: a network interface with the machine's MAC, up from the start. Dropping it does
/// not unplug the machine.
pub struct Port {
    interface: String,
    index: u32,
    mac: Mac,
    address: Option<(Ipv4Addr, u8)>,
    client: Arc<Side>,
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.interface)
    }
}

impl Port {
    pub(super) fn new(interface: String, index: u32, mac: Mac, client: Arc<Side>) -> Port {
        Port { interface, index, mac, address: None, client }
    }

    /// The interface's name, for SO_BINDTODEVICE: all ports of a link lie in one subnet, so a socket not bound to its
    /// port's interface leaves by any of them.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The interface's index, for packet sockets (sockaddr_ll).
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The machine's hardware address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The address and prefix length last set.
    pub fn address(&self) -> Option<(Ipv4Addr, u8)> {
        self.address
    }

    /// Gives the machine this address, instead of the one before. Blocks for about a millisecond.
    pub fn set_address(&mut self, address: Ipv4Addr, prefix: u8) -> Result<(), Error> {
        if self.address == Some((address, prefix)) {
            return Ok(());
        }
        self.clear_address()?;
        let name = self.interface.clone();
        self.client.run(move |netlink| netlink.add_address(&name, address, prefix))?;
        self.address = Some((address, prefix));
        Ok(())
    }

    /// Takes the machine off the network; one with this MAC can be plugged in again. Blocks for some milliseconds.
    pub fn unplug(self) -> Result<(), Error> {
        let name = self.interface;
        self.client.run(move |netlink| netlink.remove_link(&name))
    }

    /// Takes the machine's address away, if it has one.
    pub fn clear_address(&mut self) -> Result<(), Error> {
        let Some((address, prefix)) = self.address else { return Ok(()) };
        let name = self.interface.clone();
        self.client.run(move |netlink| netlink.remove_address(&name, address, prefix))?;
        self.address = None;
        Ok(())
    }
}

fn hatch(link: usize) -> String {
    format!("hatch{link}")
}

fn bench(link: usize) -> String {
    format!("bench{link}")
}

/// `m525400000001`: the MAC fits into an interface name (15 bytes), so a capture's interface tells the machine.
pub(super) fn interface_of(mac: Mac) -> String {
    let mac = mac.to_string();
    format!("m{}", mac.replace(':', ""))
}

/// Many interfaces of one namespace are to behave as many stations (Documentation/networking/ip-sysctl.rst). The kernel
/// takes the larger of `all` and the interface's own value; new interfaces start with `default`.
pub(super) fn be_many_stations() {
    // Answer ARP only on the interface that has the address.
    set_variable("ipv4/conf/all/arp_ignore", "1");
    // Ask with the address of the interface that asks.
    set_variable("ipv4/conf/all/arp_announce", "2");
    // Packets of one subnet come in by many interfaces, of which the routing table prefers one.
    set_variable("ipv4/conf/all/rp_filter", "0");
    set_variable("ipv4/conf/default/rp_filter", "0");
    // Machines speak no IPv6 here, and their router solicitations would fill the captures.
    set_variable("ipv6/conf/default/disable_ipv6", "1");
}
