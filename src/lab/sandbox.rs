//! The way in: user, mount and network namespaces for this process or for a child.
//!
//! Owns the steps from the system's namespaces into our own, and the private scratch space there; knows no links.
//! Between `fork` and `exec` only system calls on buffers made before are used, because another thread may have held
//! the allocator's lock at the fork.

use super::Error;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getegid, geteuid, getppid};
use std::ffi::{CStr, OsStr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fmt, fs, io};

/// Set in the environment of every [`command`], so that the program knows that it is inside.
const MARK: &str = "HATCHERY_LAB";

/// Whether this process itself went in with [`enter`].
static ENTERED: AtomicBool = AtomicBool::new(false);

/// One step on the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `unshare(2)`.
    Unshare,
    /// Writing `/proc/self/setgroups`, without which an ordinary user may not map groups (user_namespaces(7)).
    DenySetgroups,
    /// Writing `/proc/self/uid_map`.
    MapUser,
    /// Writing `/proc/self/gid_map`.
    MapGroup,
    /// Keeping our mounts from spreading to the system.
    PrivateMounts,
    /// Changing links through netlink.
    ChangeLinks,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Unshare => "make namespaces",
            Step::DenySetgroups => "write /proc/self/setgroups",
            Step::MapUser => "write /proc/self/uid_map",
            Step::MapGroup => "write /proc/self/gid_map",
            Step::PrivateMounts => "make mounts private",
            Step::ChangeLinks => "change links",
        })
    }
}

/// Takes this process into namespaces of its own, where it is root over nothing but what it makes there. Call it
/// first in `main`: a process with threads is refused, because they would stay outside.
pub fn enter() -> Result<(), Error> {
    if threads() != 1 {
        return Err(Error::Threads);
    }
    WayIn::choose().go().map_err(|(step, errno)| {
        let source = io::Error::from(errno);
        if is_barred(&source) { Error::Barred { step, source } } else { Error::Enter { step, source } }
    })?;
    ENTERED.store(true, Ordering::Relaxed);
    Ok(())
}

/// A command that runs in namespaces of its own, for a process that has threads. The child dies with the thread that
/// spawns it. Where `spawn` fails, [`is_barred`] tells whether the system bars namespaces.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let way = WayIn::choose();
    let parent = Pid::this();
    let mut command = Command::new(program);
    command.env(MARK, "1");
    // SAFETY: the closure makes system calls on memory prepared above; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(move || {
            way.go().map_err(|(_, errno)| io::Error::from(errno))?;
            // Last, because a change of credentials clears it (prctl(2)).
            die_with_parent(parent)
        })
    };
    command
}

/// Whether this process is inside a lab: through [`enter`], or started by [`command`].
pub fn inside() -> bool {
    ENTERED.load(Ordering::Relaxed) || env::var_os(MARK).is_some()
}

/// Whether an error means that the system does not let this user have namespaces: no permission, a limit of zero
/// (`user.max_user_namespaces`, ENOSPC), or a kernel without them.
pub fn is_barred(error: &io::Error) -> bool {
    let barred = [Errno::EPERM, Errno::EACCES, Errno::ENOSPC, Errno::ENOSYS];
    error.raw_os_error().is_some_and(|code| barred.contains(&Errno::from_raw(code)))
}

/// What the user can do where namespaces are barred.
pub(super) fn remedy() -> &'static str {
    if geteuid().is_root() {
        "this container needs the capabilities SYS_ADMIN and NET_ADMIN"
    } else {
        "it works under sudo"
    }
}

/// Scratch space of at most `size_mib` MiB in memory, seen by this process and its children only, gone when they end.
/// Mounted on an empty directory of the system; every call takes another one.
pub fn private_tmpfs(size_mib: u32) -> Result<PathBuf, Error> {
    const CANDIDATES: [&str; 5] = ["/mnt", "/media", "/srv", "/opt", "/var/opt"];
    if !inside() {
        return Err(Error::Outside);
    }
    let free = || CANDIDATES.into_iter().map(Path::new).filter(|path| is_free(path));
    // An empty directory if there is one: what lies under the mount cannot be seen from inside.
    let path = free().find(|path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()));
    let path = path.or_else(|| free().next()).ok_or_else(|| Error::NoMountPoint(CANDIDATES.join(" ")))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let options = format!("size={size_mib}m,mode=0700");
    nix::mount::mount(Some("hatchery-lab"), path, Some("tmpfs"), flags, Some(options.as_str()))
        .map_err(|errno| Error::Mount { path: path.to_owned(), source: errno.into() })?;
    Ok(path.to_owned())
}

/// Makes the calling process, a child of `parent` just forked, die with the thread that forked it.
pub(super) fn die_with_parent(parent: Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before; then no signal comes.
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// A directory that is no mount point: nothing of ours or of the system's is mounted there yet.
fn is_free(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|data| (data.is_dir(), data.dev())).ok();
    path.parent().is_some_and(|parent| device(path).is_some_and(|here| here.0 && Some(here) == device(parent)))
}

/// The number of this process's threads; 0, which is never right, if it cannot be known.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// The steps in, chosen and prepared where allocating is still allowed.
struct WayIn {
    flags: CloneFlags,
    /// What to write to uid_map and gid_map, if a user namespace is needed.
    maps: Option<(Vec<u8>, Vec<u8>)>,
}

impl WayIn {
    fn choose() -> Self {
        let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
        if may_make_namespaces() {
            return WayIn { flags, maps: None };
        }
        // Only one's own ids may be mapped, one line each (user_namespaces(7)).
        let maps = (format!("0 {} 1\n", geteuid()).into_bytes(), format!("0 {} 1\n", getegid()).into_bytes());
        WayIn { flags: flags | CloneFlags::CLONE_NEWUSER, maps: Some(maps) }
    }

    /// Takes the calling process in. Async-signal-safe.
    fn go(&self) -> Result<(), (Step, Errno)> {
        nix::sched::unshare(self.flags).map_err(|errno| (Step::Unshare, errno))?;
        if let Some((users, groups)) = &self.maps {
            write(c"/proc/self/setgroups", b"deny").map_err(|errno| (Step::DenySetgroups, errno))?;
            write(c"/proc/self/uid_map", users).map_err(|errno| (Step::MapUser, errno))?;
            write(c"/proc/self/gid_map", groups).map_err(|errno| (Step::MapGroup, errno))?;
        }
        let none: Option<&CStr> = None;
        nix::mount::mount(none, c"/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .map_err(|errno| (Step::PrivateMounts, errno))
    }
}

/// Writes a file of the kernel in one call, as uid_map demands, without allocating.
fn write(path: &CStr, bytes: &[u8]) -> Result<(), Errno> {
    let file = nix::fcntl::open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    nix::unistd::write(&file, bytes).map(drop)
}

/// Whether this process may make namespaces without a user namespace first. Being uid 0 does not say it: root in a
/// container often may not.
fn may_make_namespaces() -> bool {
    const CAP_NET_ADMIN: u64 = 1 << 12; // linux/capability.h
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let needed = CAP_NET_ADMIN | CAP_SYS_ADMIN;
    effective & needed == needed
}
