//! Which files the server can reach (Landlock), whoever owns them: the only importer of the landlock crate.
//!
//! Reads: its configuration, templates, certificates, boot files, and what the kernel says about this machine. Writes:
//! data, images, and the directory of its socket, where it can make and remove sockets and nothing else. It runs nothing,
//! connects to nobody by TCP, and listens on its own ports only. Sockets that are open already stay as they are.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};

use super::Needs;

/// What we know the meaning of; a later kernel's kinds of access are left as they are.
const KNOWN: ABI = ABI::V6;

/// What the kernel says about this machine: its interfaces, sockets and limits, and ourselves.
const SYSTEM: [&str; 2] = ["/proc", "/sys/fs/cgroup"];

/// Limits the calling thread and all that it starts from now on; says what became of it.
pub(super) fn limit(needs: &Needs) -> String {
    let version = version();
    // Before the second one a file could not be renamed from one directory into another at all.
    if version < 2 {
        tracing::warn!(version, "files are not limited: the kernel has no Landlock, or one before Linux 5.19");
        return "unlimited (kernel)".to_owned();
    }
    let restricted = ruleset(needs).and_then(RulesetCreated::restrict_self);
    match restricted.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => "own only".to_owned(),
        Ok(RulesetStatus::PartiallyEnforced) => "own only, as far as this kernel can".to_owned(),
        Ok(RulesetStatus::NotEnforced) => {
            tracing::warn!("files are not limited: the kernel did not take the rules");
            "unlimited (kernel)".to_owned()
        }
        Err(error) => {
            tracing::warn!(%error, "files are not limited");
            "unlimited (kernel)".to_owned()
        }
    }
}

/// Which Landlock the kernel has; 0 for none.
fn version() -> libc::c_long {
    const CREATE_RULESET_VERSION: libc::c_long = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: asked for its version, landlock_create_ruleset(2) takes no structure.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, CREATE_RULESET_VERSION) };
    version.max(0)
}

fn ruleset(needs: &Needs) -> Result<RulesetCreated, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let make = make_bitflags!(AccessFs::{MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir});
    let write = read | make | make_bitflags!(AccessFs::{WriteFile | Truncate | Refer});
    let socket = make_bitflags!(AccessFs::{MakeSock | RemoveFile});
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::Signal)?
        .create()?;
    // What is replaced is another file under the same name, so the right is that of the directory: of the name's own,
    // and of the one that it leads to.
    let parents = |path: &PathBuf| {
        let real = std::fs::canonicalize(path).ok();
        [Some(path.clone()), real].into_iter().flatten().filter_map(|path| path.parent().map(Path::to_owned))
    };
    let Needs { data, images, boot, templates, files, socket: at, ports } = needs;
    let writes = [data, images].map(|path| (path.clone(), write));
    let files = files.iter().flat_map(parents);
    let reads = files.chain([boot.clone(), templates.clone()]).chain(SYSTEM.map(PathBuf::from));
    let all = writes.into_iter().chain(reads.map(|path| (path, read)));
    for (path, access) in all.chain(parents(at).map(|path| (path, socket))) {
        rules = beneath(rules, &path, access)?;
    }
    // A backtrace reads the program's own file.
    if let Ok(program) = std::env::current_exe() {
        rules = beneath(rules, &program, AccessFs::ReadFile.into())?;
    }
    for port in ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    Ok(rules)
}

/// Allows `access` below a path; one that is not there needs none.
fn beneath(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    match PathFd::new(path) {
        Ok(parent) => rules.add_rule(PathBeneath::new(parent, access)),
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "not there, so out of reach");
            Ok(rules)
        }
    }
}
