//! One side of the lab: a thread in that side's network namespace, which runs jobs there.
//!
//! Owns the thread and its netlink socket, which belongs to the namespace of the thread that opened it; knows no
//! layout. Jobs run one after another, and the caller waits for each.

use super::{Error, Step};
use crate::net::Mac;
use nix::net::if_::InterfaceFlags;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkMessage, MacVlanMode};
use rtnetlink::{AddressMessageBuilder, Handle, LinkMacVlan, LinkMessageBuilder, LinkUnspec, LinkVeth};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// How long an interface may take from "up" to carrying packets.
const UP_DEADLINE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&Netlink) + Send>;

/// A thread in a network namespace. Dropping it ends the thread, and with it the processes that it spawned.
pub(super) struct Side {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Side {
    /// A side in the caller's network namespace.
    pub(super) fn here(name: &'static str) -> Result<Self, Error> {
        Side::start(name, || Ok(()))
    }

    /// A side in a new network namespace.
    pub(super) fn apart(name: &'static str) -> Result<Self, Error> {
        Side::start(name, || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(|errno| Error::ServerSide(errno.into()))
        })
    }

    fn start(name: &'static str, prepare: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<Self, Error> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::sync_channel(1);
        let work = move || match prepare().and_then(|()| Netlink::open(name)) {
            Ok(netlink) => {
                ready.send(Ok(())).ok();
                inbox.into_iter().for_each(|job| job(&netlink));
            }
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = thread::Builder::new().name(format!("lab-{name}")).spawn(work);
        let thread = thread.map_err(|source| Error::Thread { side: name, source })?;
        started.recv().expect("the thread answers before it ends")?;
        Ok(Side { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `job` on this side and waits for it; a panic in it is the caller's.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce(&Netlink) -> T + Send + 'static) -> T {
        let (reply, result) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |netlink| {
            reply.send(catch_unwind(AssertUnwindSafe(|| job(netlink)))).ok();
        });
        self.jobs.as_ref().expect("there until drop").send(job).expect("the thread ends only when dropped");
        result.recv().expect("every job answers").unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Links and addresses of the namespace of the thread that opened it.
pub(super) struct Netlink {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
}

impl Netlink {
    fn open(side: &'static str) -> Result<Self, Error> {
        let open = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            let (connection, handle, _) = {
                let _context = runtime.enter();
                rtnetlink::new_connection()?
            };
            runtime.spawn(connection);
            Ok(Netlink { runtime, handle })
        };
        open().map_err(|source| Error::Netlink { side, source })
    }

    /// Makes a veth pair: `name` here and up, `peer` in the namespace `peer_namespace`. The kernel refuses a peer that is
    /// to be up before its other end is there (ENOTCONN), so [`Netlink::set_up`] is left to that namespace.
    pub(super) fn add_veth(&self, name: &str, peer: &str, peer_namespace: BorrowedFd<'_>) -> Result<(), Error> {
        let peer = LinkUnspec::new_with_name(peer).setns_by_fd(peer_namespace.as_raw_fd()).build();
        let link = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .up()
            .build();
        self.add_link("veth", name, link)
    }

    /// Makes a macvlan on `lower` with `mac`, up; answers its index. Bridge mode: stations on one link hear each other.
    pub(super) fn add_macvlan(&self, name: &str, lower: &str, mac: Mac) -> Result<u32, Error> {
        let lower = index_of(lower)?;
        let link = LinkMacVlan::new(name, lower, MacVlanMode::Bridge).address(mac.0.to_vec()).up().build();
        self.add_link("macvlan", name, link)?;
        index_of(name)
    }

    /// As [`Netlink::add_macvlan`], but the new interface is in `namespace`, and down; `lower` is here.
    pub(super) fn add_macvlan_in(&self, name: &str, lower: &str, mac: Mac, namespace: &fs::File) -> Result<(), Error> {
        let lower = index_of(lower)?;
        let link = LinkMacVlan::new(name, lower, MacVlanMode::Bridge).address(mac.0.to_vec());
        self.add_link("macvlan", name, link.setns_by_fd(namespace.as_raw_fd()).build())
    }

    /// Takes an interface away.
    pub(super) fn remove_link(&self, name: &str) -> Result<(), Error> {
        let remove = self.handle.link().del(index_of(name)?);
        self.execute(remove.execute(), |source| Error::Remove { name: name.into(), source })
    }

    /// Brings an interface up; answers its index.
    pub(super) fn set_up_index(&self, name: &str) -> Result<u32, Error> {
        self.set_up(name)?;
        index_of(name)
    }

    fn add_link(&self, kind: &'static str, name: &str, link: LinkMessage) -> Result<(), Error> {
        self.execute(self.handle.link().add(link).execute(), |source| Error::Make { kind, name: name.into(), source })
    }

    /// Brings an interface up.
    pub(super) fn set_up(&self, name: &str) -> Result<(), Error> {
        let change = self.handle.link().change(LinkUnspec::new_with_index(index_of(name)?).up().build());
        self.execute(change.execute(), |source| Error::Up { name: name.into(), source })
    }

    /// Waits until an interface carries packets. An interface just set up drops them until the kernel's link watcher
    /// has run.
    pub(super) fn wait_running(&self, name: &str) -> Result<(), Error> {
        let failed = |source| Error::Up { name: name.into(), source };
        let deadline = Instant::now() + UP_DEADLINE;
        loop {
            let mut all = nix::ifaddrs::getifaddrs().map_err(|errno| failed(errno.into()))?;
            if all.any(|one| one.interface_name == name && one.flags.contains(InterfaceFlags::IFF_RUNNING)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(failed(io::ErrorKind::TimedOut.into()));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Gives an interface an IPv4 address.
    pub(super) fn add_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<(), Error> {
        let add = self.handle.address().add(index_of(name)?, address.into(), prefix);
        self.execute(add.execute(), |source| Error::Address { name: name.into(), source })
    }

    /// Takes an IPv4 address from an interface.
    pub(super) fn remove_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<(), Error> {
        let message = AddressMessageBuilder::<Ipv4Addr>::new().index(index_of(name)?).address(address, prefix).build();
        let remove = self.handle.address().del(message);
        self.execute(remove.execute(), |source| Error::Address { name: name.into(), source })
    }

    fn execute(
        &self,
        request: impl Future<Output = Result<(), rtnetlink::Error>>,
        failed: impl FnOnce(io::Error) -> Error,
    ) -> Result<(), Error> {
        self.runtime.block_on(request).map_err(|error| match error {
            // Ubuntu 24.04 lets everybody unshare, then denies the capabilities that come with it.
            rtnetlink::Error::NetlinkError(answer) if answer.to_io().kind() == io::ErrorKind::PermissionDenied => {
                Error::Barred { step: Step::ChangeLinks, source: answer.to_io() }
            }
            rtnetlink::Error::NetlinkError(answer) => failed(answer.to_io()),
            other => failed(io::Error::other(other)),
        })
    }
}

/// The calling thread's network namespace, open.
pub(super) fn own_namespace() -> io::Result<fs::File> {
    // Not /proc/self, which is the main thread's.
    fs::File::open("/proc/thread-self/ns/net")
}

/// Sets a kernel variable of the calling thread's network namespace. Where /proc/sys cannot be written, as in some
/// containers, the lab goes on without: it matters only to some arrangements.
pub(super) fn set_variable(path: &str, value: &str) {
    let path = format!("/proc/sys/net/{path}");
    if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return;
    }
    if let Err(error) = fs::write(&path, value)
        // A kernel without IPv6 has no variables of it.
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path, value, "the lab cannot set a kernel variable");
    }
}

fn index_of(name: &str) -> Result<u32, Error> {
    nix::net::if_::if_nametoindex(name).map_err(|errno| Error::Up { name: name.into(), source: errno.into() })
}
