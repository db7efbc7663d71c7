//! Which system calls the server makes (seccomp): the only importer of seccompiler.
//!
//! A call that is not listed fails with EPERM, and the kernel's log says which it was (`journalctl -k | grep SECCOMP`).
//! It is not deadly: a call that nobody thought of should cost one feature, not the machines that boot meanwhile.
//! Not listed is whatever starts a program or a process, changes a user, mounts, traces, loads, or makes memory
//! executable; new packet sockets are refused like that, too.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Calls that are made as they like. Beside what is seen in a trace of every service, those that the C library, the
/// runtime or SQLite choose among by kernel, version and luck.
#[rustfmt::skip]
const ALLOWED: &[libc::c_long] = &[
    // Bytes of files and sockets.
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_preadv2, libc::SYS_write,
    libc::SYS_writev, libc::SYS_pwrite64, libc::SYS_pwritev, libc::SYS_pwritev2, libc::SYS_sendfile, libc::SYS_splice,
    libc::SYS_tee, libc::SYS_copy_file_range, libc::SYS_lseek, libc::SYS_close, libc::SYS_close_range, libc::SYS_dup,
    libc::SYS_dup3, libc::SYS_fcntl, libc::SYS_pipe2, libc::SYS_eventfd2, libc::SYS_readahead, libc::SYS_fadvise64,
    // Files.
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs,
    libc::SYS_fstatfs, libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_getdents64,
    libc::SYS_getcwd, libc::SYS_mkdirat, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_renameat2,
    libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_ftruncate, libc::SYS_truncate, libc::SYS_fallocate,
    libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync_file_range, libc::SYS_syncfs, libc::SYS_flock,
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_utimensat, libc::SYS_umask,
    // Sockets; which may be made stands below.
    libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect, libc::SYS_shutdown,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt, libc::SYS_socketpair,
    libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg, libc::SYS_recvfrom, libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    // Waiting.
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2, libc::SYS_ppoll,
    libc::SYS_pselect6, libc::SYS_futex, libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime, libc::SYS_restart_syscall, libc::SYS_sched_yield,
    // Time, luck, and what this machine is.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_gettimeofday, libc::SYS_getrandom, libc::SYS_uname,
    libc::SYS_sysinfo, libc::SYS_getcpu, libc::SYS_sched_getaffinity, libc::SYS_getrusage, libc::SYS_times,
    libc::SYS_prlimit64, libc::SYS_getpriority, libc::SYS_sched_getparam, libc::SYS_sched_getscheduler,
    // Memory; making it executable stands below.
    libc::SYS_brk, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_msync, libc::SYS_mincore,
    libc::SYS_membarrier, libc::SYS_mlock, libc::SYS_munlock,
    // Threads and signals; starting a thread stands below.
    libc::SYS_exit, libc::SYS_exit_group, libc::SYS_set_robust_list, libc::SYS_get_robust_list,
    libc::SYS_set_tid_address, libc::SYS_rseq, libc::SYS_gettid, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_tgkill,
    libc::SYS_tkill, libc::SYS_kill, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait, libc::SYS_rt_sigpending, libc::SYS_sigaltstack, libc::SYS_prctl, libc::SYS_capget,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid,
    libc::SYS_getresgid, libc::SYS_getgroups, libc::SYS_getsid, libc::SYS_getpgid,
    // The first filter answers it.
    libc::SYS_clone3,
];

/// The older names of the same.
#[rustfmt::skip]
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[libc::c_long] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_mkdir,
    libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_link, libc::SYS_symlink, libc::SYS_chmod,
    libc::SYS_dup2, libc::SYS_pipe, libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_wait, libc::SYS_epoll_create,
    libc::SYS_getdents, libc::SYS_creat, libc::SYS_time, libc::SYS_arch_prctl, libc::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[];

/// Sockets of these may still be made: transfers have their own, and the interfaces are asked for by netlink.
const FAMILIES: [libc::c_int; 4] = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK];

/// Limits every thread, from now on and for good; says what became of it.
pub(super) fn limit() -> String {
    let programs = match programs(std::env::consts::ARCH) {
        Ok(programs) => programs,
        Err(error) => {
            tracing::warn!(%error, "system calls are not limited");
            return "unlimited (architecture)".to_owned();
        }
    };
    for program in &programs {
        if let Err(error) = install(program) {
            tracing::warn!(%error, "system calls are not limited");
            return "unlimited (kernel)".to_owned();
        }
    }
    "own only".to_owned()
}

/// The filters, to be installed in this order.
fn programs(architecture: &str) -> Result<[BpfProgram; 2], BackendError> {
    let architecture = TargetArch::try_from(architecture)?;
    // The flags of clone3 lie in memory, where no filter sees them. Told that there is none, the C library takes clone.
    let old = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let first = SeccompFilter::new(old, SeccompAction::Allow, missing, architecture)?;

    let mut calls: BTreeMap<libc::c_long, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    let when =
        |argument, is, value: u64| SeccompRule::new(vec![SeccompCondition::new(argument, Length::Dword, is, value)?]);
    let families = FAMILIES.iter().map(|family| when(0, Is::Eq, *family as u64));
    calls.insert(libc::SYS_socket, families.collect::<Result<_, _>>()?);
    // A thread, not a process.
    let thread = libc::CLONE_THREAD as u64;
    calls.insert(libc::SYS_clone, vec![when(0, Is::MaskedEq(thread), thread)?]);
    let executable = libc::PROT_EXEC as u64;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        calls.insert(call, vec![when(2, Is::MaskedEq(executable), 0)?]);
    }
    // Typing into somebody's terminal.
    calls.insert(libc::SYS_ioctl, vec![when(1, Is::Ne, libc::TIOCSTI)?]);
    let barred = SeccompAction::Errno(libc::EPERM as u32);
    let second = SeccompFilter::new(calls, barred, SeccompAction::Allow, architecture)?;
    Ok([first.try_into()?, second.try_into()?])
}

/// Installs a filter for all threads. As seccompiler does it, and with two flags more: what is barred goes to the
/// kernel's log, and older kernels do not slow the whole process down for it.
fn install(program: &BpfProgram) -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_LOG | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let described = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: seccompiler's instructions are laid out as the kernel's (both `repr(C)`: u16, u8, u8, u32); the kernel only
    // reads them, during the call.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const described) };
    match result {
        0 => Ok(()),
        thread if thread > 0 => Err(io::Error::other(format!("thread {thread} has a filter of its own"))),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_a_filter_for_this_architecture_and_none_for_a_strange_one() {
        let programs = super::programs(std::env::consts::ARCH).expect("one that is built for");
        assert!(programs.iter().all(|program| program.len() > 4));
        assert!(super::programs("vax").is_err());
    }
}
