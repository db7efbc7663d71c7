//! What falls to the first process of a system: the kernel's file systems, and an end that is never just an end.
//!
//! Owns the mounts, the panic hook and the ways out. The kernel panics when init ends, so no path of this program ends
//! while it is init: every one leads to a reboot, to power-off, or to waiting.

use std::fs;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use super::board::Board;
use super::report;
use super::screen::{self, Screen};
use super::server::Server;

/// How long a failure stands on the screen before the machine boots again.
pub const LOOK_AT_FAILURE: Duration = Duration::from_secs(60);

/// How long the drives may take to write what is still in memory.
const SYNC_MAX: Duration = Duration::from_secs(60);

/// What lies where (proc(5), sysfs(5)); the kernel mounts nothing in an initramfs.
const FILE_SYSTEMS: [(&str, &str, MsFlags); 4] = [
    ("proc", "/proc", MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC)),
    ("sysfs", "/sys", MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC)),
    ("devtmpfs", "/dev", MsFlags::MS_NOSUID),
    ("tmpfs", "/run", MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV)),
];

/// What the machine does in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It boots again.
    Reboot,
    /// It switches itself off.
    Poweroff,
    /// It stays as it is until somebody comes.
    Wait,
    /// The program ends, as programs do that are not init.
    End(u8),
}

/// Whether this is the first process.
pub fn is_init() -> bool {
    std::process::id() == 1
}

/// Mounts what the rest needs, and keeps the kernel's messages off the screen; what failed, one sentence each.
pub fn set_up() -> Vec<String> {
    let mut troubles = Vec::new();
    for (kind, place, flags) in FILE_SYSTEMS {
        let done = fs::create_dir_all(place)
            .and_then(|()| mount(Some(kind), place, Some(kind), flags, None::<&str>).map_err(io::Error::from));
        match done {
            Ok(()) => {}
            // The kernel may have mounted devtmpfs by itself.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => troubles.push(format!("{kind} cannot be mounted on {place}: {error}")),
        }
    }
    // Only emergencies, which otherwise scroll the page away; and should even this program crash, the machine reboots.
    for (variable, value) in [("kernel/printk", "2"), ("kernel/panic", "30")] {
        if let Err(error) = fs::write(format!("/proc/sys/{variable}"), value) {
            troubles.push(format!("{variable} cannot be set: {error}"));
        }
    }
    troubles
}

/// From now on a panic on any thread says so on every console and to the server, then takes the way out.
pub fn on_panic(board: std::sync::Arc<Board>, screen: Screen) {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    std::panic::set_hook(Box::new(move |panic| {
        if PANICKED.swap(true, Ordering::SeqCst) {
            // Another thread, or this very hook: the first one speaks and takes the way out.
            sleep(LOOK_AT_FAILURE * 2);
            leave(if is_init() { Exit::Reboot } else { Exit::End(1) });
        }
        screen.stop();
        let why = format!("The installer has a fault and stopped: {panic}");
        if is_init() {
            screen::last_words(&format!("FAILED: {why}\nThe machine reboots in {} s.", LOOK_AT_FAILURE.as_secs()));
        } else {
            eprintln!("hatchery-installer: {why}");
        }
        // The thread that panics may hold the board; then nobody knows whom to tell.
        if let Some(facts) = board.try_facts()
            && let Some(server) = &facts.server
        {
            // If it is not heard now, the next boot is.
            Server::new(server).post("/api/status", &report::step(&facts, "failed", Some(&why))).ok();
        }
        if is_init() {
            sleep(LOOK_AT_FAILURE);
            leave(Exit::Reboot);
        }
        std::process::exit(1);
    }));
}

/// The way out. Returns only for [`Exit::End`].
pub fn leave(exit: Exit) -> ExitCode {
    let command = match exit {
        Exit::End(code) => return ExitCode::from(code),
        Exit::Wait => None,
        Exit::Reboot => Some(libc::RB_AUTOBOOT),
        Exit::Poweroff => Some(libc::RB_POWER_OFF),
    };
    write_back();
    if let Some(command) = command {
        // SAFETY: reboot(2) with a command that takes no argument.
        unsafe { libc::reboot(command) };
        // It comes back only if it may not: by hand without the right to.
        let error = io::Error::last_os_error();
        if !is_init() {
            eprintln!("hatchery-installer: the machine cannot be switched: {error}");
            return ExitCode::FAILURE;
        }
    }
    loop {
        sleep(Duration::from_secs(3600));
    }
}

/// sync(2), but not for ever: a drive that died must not hold the machine.
fn write_back() {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        nix::unistd::sync();
        tell.send(()).ok();
    });
    told.recv_timeout(SYNC_MAX).ok();
}
