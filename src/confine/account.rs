//! Which user the server runs as, and becoming that user.

use std::ffi::CString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Uid, User, geteuid, initgroups, setresgid, setresuid};

use super::ConfineError;

/// A user to become.
#[derive(Debug)]
pub(super) struct Account(User);

impl Account {
    /// Whom to become; `None` to stay who we are. Without a name, root becomes the owner of the data directory.
    pub(super) fn choose(name: Option<&str>, data: &Path) -> Result<Option<Account>, ConfineError> {
        let root = geteuid().is_root();
        let Some(name) = name else {
            let owner = std::fs::metadata(data).ok().map(|metadata| Uid::from_raw(metadata.uid()));
            // An owner without a name, as in a namespace that does not know it, is nobody to become.
            let user = owner.filter(|owner| root && !owner.is_root()).map(User::from_uid);
            let user = user.transpose().ok().flatten().flatten();
            return Ok(user.filter(|user| user.name != "nobody").map(Account));
        };
        let user = User::from_name(name).map_err(|error| ConfineError::Lookup(name.to_owned(), error.into()))?;
        let user = user.ok_or_else(|| ConfineError::NoUser(name.to_owned()))?;
        if user.uid == geteuid() {
            return Ok(None);
        }
        if root { Ok(Some(Account(user))) } else { Err(ConfineError::NotRoot(name.to_owned())) }
    }

    /// Gives a directory to this user.
    pub(super) fn owns(&self, directory: &Path) -> io::Result<()> {
        Ok(nix::unistd::chown(directory, Some(self.0.uid), Some(self.0.gid))?)
    }

    /// Becomes this user, with the groups that it has, for good.
    pub(super) fn enter(&self) -> Result<(), ConfineError> {
        let User { name, uid, gid, .. } = &self.0;
        let became = CString::new(name.as_str()).map_err(io::Error::from).and_then(|name| {
            initgroups(&name, *gid)?;
            setresgid(*gid, *gid, *gid)?;
            setresuid(*uid, *uid, *uid)?;
            // Whoever changed its user may not look at itself below /proc, where we read what we hold.
            nix::sys::prctl::set_dumpable(true)?;
            Ok(())
        });
        became.map_err(|source| ConfineError::Become(name.clone(), source))
    }
}

/// Who we are, for the log.
pub(super) fn own_name() -> String {
    let uid = geteuid();
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}
