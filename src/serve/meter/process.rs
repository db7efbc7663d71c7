//! What this process takes of the machine it runs on, from `/proc/self`, in the names that Prometheus clients share.

use std::time::Duration;

use super::{Exposition, Kind};
use crate::clock;

/// What the kernel says; a value that it does not say is left out.
pub fn write(out: &mut Exposition) {
    out.family("hatchery_build_info", Kind::Gauge, "1, with the version as label.");
    out.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let up = uptime();
    out.one("hatchery_uptime_seconds", Kind::Gauge, "Time since the start.", up.as_secs_f64());
    let began = clock::now().timestamp.millis() as f64 / 1000.0 - up.as_secs_f64();
    let help = "Start of the process, in seconds since the Unix epoch.";
    out.one("process_start_time_seconds", Kind::Gauge, help, began);
    if let Some(bytes) = resident() {
        out.one("process_resident_memory_bytes", Kind::Gauge, "Memory in use.", bytes as f64);
    }
    if let Some(secs) = cpu_secs() {
        out.one("process_cpu_seconds_total", Kind::Counter, "Time on a processor.", secs);
    }
    if let Some(open) = open_descriptors() {
        out.one("process_open_fds", Kind::Gauge, "Open file descriptors.", open as f64);
    }
    out.family("hatchery_udp_drops_total", Kind::Counter, "Datagrams that a full socket lost, by port.");
    for port in [67, 69] {
        out.sample(&[("port", &port.to_string())], udp_drops(port) as f64);
    }
    if let Ok((soft, _)) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
        out.one("process_max_fds", Kind::Gauge, "File descriptors that may be open.", soft as f64);
    }
}

/// Since the first look at the clock, which is at the start.
pub fn uptime() -> Duration {
    clock::now().instant.since_start()
}

/// Bytes of memory in use.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// File descriptors that are open.
pub fn open_descriptors() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// Datagrams that the kernel dropped because our sockets of that port were full (Documentation/networking/proc_net_udp).
fn udp_drops(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/self/net/udp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let ours = table.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|own| own.ends_with(&local)));
    ours.filter_map(|line| line.split_whitespace().next_back()?.parse::<u64>().ok()).sum()
}

/// Seconds on a processor, of all threads.
fn cpu_secs() -> Option<f64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    let secs = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(secs(usage.user_time()) + secs(usage.system_time()))
}
