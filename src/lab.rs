//! Network namespaces and links of our own, for the demo and the tests: no root, no `ip`, nothing left behind.
//!
//! ```text
//!  client side (this process)                     server side (one thread, and what it spawns)
//!  m525400000001 ─┐ macvlan, one MAC each
//!  m525400000002 ─┼─ bench0 ─────── veth ─────── hatch0 192.168.151.1/24
//!  m525400000003 ─┘
//! ```
//! Owns the namespaces, the links in them and their addresses; never touches the system's own network, mounts or
//! files. Everything is anonymous and held by processes only, so the kernel takes it all back when they end, even by
//! SIGKILL.
//!
//! ```no_run
//! use hatchery::{lab, net::Mac};
//! use std::net::Ipv4Addr;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     lab::enter()?; // before any thread: no tokio yet; a process with threads uses lab::command
//!     let scratch = lab::private_tmpfs(256)?;
//!     let network = lab::Network::new(&[(Ipv4Addr::new(192, 168, 151, 1), 24)])?;
//!     let mut serve = std::process::Command::new("/proc/self/exe");
//!     serve.arg("serve").current_dir(&scratch);
//!     let mut server = network.spawn_server(serve)?;
//!     let mut port = network.add_machine_port(0, Mac([0x52, 0x54, 0, 0, 0, 1]))?;
//!     port.set_address(Ipv4Addr::new(192, 168, 151, 100), 24)?; // what DHCP gave
//!     let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
//!     socket.bind_device(Some(port.interface().as_bytes()))?; // all ports share one subnet: always bind to one
//!     server.kill()?;
//!     server.wait()?;
//!     Ok(())
//! }
//! ```

mod forward;
mod network;
mod sandbox;
mod segment;
mod side;

pub use network::{Network, Port, Ports};
pub use sandbox::{Step, command, enter, inside, is_barred, private_tmpfs};
pub use segment::Segment;

use std::io;
use std::path::PathBuf;

/// Why a lab could not be made or changed: one variant per step, the system's own words as its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system does not let this user have namespaces.
    #[error("network namespaces of our own are barred here ({step}); {}", sandbox::remedy())]
    Barred {
        /// What was barred.
        step: Step,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A step into the namespaces failed for another reason than a missing permission.
    #[error("cannot {step}")]
    Enter {
        /// What failed.
        step: Step,
        /// The kernel's answer.
        source: io::Error,
    },
    /// [`enter`] was called when threads existed, which would stay outside.
    #[error("only a process with a single thread can enter a lab")]
    Threads,
    /// The call would change the system's own network or mounts.
    #[error("not inside a lab")]
    Outside,
    /// No thread for one side.
    #[error("cannot start the thread of the lab's {side} side")]
    Thread {
        /// Which side.
        side: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// No network namespace for the server side.
    #[error("cannot make the server side's network namespace")]
    ServerSide(#[source] io::Error),
    /// No netlink socket.
    #[error("cannot open a netlink socket on the lab's {side} side")]
    Netlink {
        /// Which side.
        side: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An interface could not be made. `Operation not supported` means a kernel without that kind of link.
    #[error("cannot make the {kind} interface {name}")]
    Make {
        /// `veth` or `macvlan`.
        kind: &'static str,
        /// The interface.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An interface could not be set up, or never came up.
    #[error("cannot bring up the interface {name}")]
    Up {
        /// The interface.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An address could not be set or removed.
    #[error("cannot change the address of {name}")]
    Address {
        /// The interface.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An interface could not be removed.
    #[error("cannot remove {name}")]
    Remove {
        /// The interface.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The lab has no link with this index.
    #[error("the lab has no link {0}")]
    NoSuchLink(usize),
    /// The server process could not be started.
    #[error("cannot start {program} on the server side")]
    Spawn {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// No directory to mount scratch space on.
    #[error("no directory to mount scratch space on (tried {0})")]
    NoMountPoint(String),
    /// The scratch space could not be mounted.
    #[error("cannot mount scratch space on {}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}
