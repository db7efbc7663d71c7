//! Confinement: what the server gives up, so that whoever takes it over has little.
//!
//! Two steps, because ports below 1024 and Ethernet frames need a privilege until they are open. [`enter`], before there
//! is a second thread: another user, an empty bounding set, no privilege but those two, and the files that the server
//! has to do with, by Landlock. [`Entered::close`], once every socket is open: no privilege at all, and the system calls
//! that a server makes, by seccomp. Nothing is opened later that would need more: addresses, ports and interfaces are
//! fixed until a restart.
//!
//! What the kernel lacks is said in the log, and the rest holds. Every thread has what its maker had, so those that are
//! started in between give up their privileges themselves: [`thread_started`].

mod account;
mod calls;
mod capability;
mod files;

use std::io;
use std::path::{Path, PathBuf};

use self::account::Account;

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whom to become when started as root; by default the owner of the data directory.
    pub user: Option<String>,
    /// Whether files and system calls are limited.
    pub sandbox: bool,
}

/// What the server has to do with. A directory stands for all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Where the journal is, written to. Its owner is who the server is.
    pub data: PathBuf,
    /// Where images are, written to.
    pub images: PathBuf,
    /// Boot files, read.
    pub boot: PathBuf,
    /// Answer templates, read; need not exist.
    pub templates: PathBuf,
    /// Single files that are read, and read again after somebody replaced them.
    pub files: Vec<PathBuf>,
    /// The control socket.
    pub socket: PathBuf,
    /// TCP ports that are listened on.
    pub ports: Vec<u16>,
}

/// Why the server may not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The configuration names a user who does not exist.
    #[error("there is no user '{0}' on this system: create it (adduser --system {0}), or correct server.user")]
    NoUser(String),
    /// The user's entry cannot be read.
    #[error("cannot look up the user '{0}'")]
    Lookup(String, #[source] io::Error),
    /// Not root, and another user is wanted.
    #[error("only root can become '{0}': start as root, or as that user")]
    NotRoot(String),
    /// The system refused.
    #[error("cannot become '{0}'")]
    Become(String, #[source] io::Error),
    /// A directory could not be made, or given to the user.
    #[error("cannot make {}", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// Privileges stay.
    #[error("cannot give up privileges")]
    Privileges(#[source] io::Error),
}

/// The first step is done.
#[derive(Debug)]
pub struct Entered {
    sandbox: bool,
    user: String,
    files: String,
}

/// Gives up what is not needed to open sockets. Directories that are missing are made. To be called before there is a
/// second thread.
///
/// # Errors
/// [`ConfineError`]; what only the kernel lacks is no error.
pub fn enter(wish: &Wish, needs: &Needs) -> Result<Entered, ConfineError> {
    let account = Account::choose(wish.user.as_deref(), &needs.data)?;
    // The data directory and the served ones below it are ours to make.
    for directory in [Some(&*needs.data), Some(&*needs.boot), Some(&*needs.images), needs.socket.parent()] {
        let Some(directory) = directory else { continue };
        make(directory, account.as_ref()).map_err(|source| ConfineError::Directory(directory.to_owned(), source))?;
    }
    if std::env::var_os("SQLITE_TMPDIR").is_none() {
        // What SQLite sorts on disk is to lie where we may write.
        // SAFETY: our caller promises that there is no second thread, which might read the environment.
        unsafe { std::env::set_var("SQLITE_TMPDIR", &needs.data) };
    }
    let kept = capability::Kept::new(&[capability::NET_BIND_SERVICE, capability::NET_RAW]);
    kept.bound().map_err(ConfineError::Privileges)?;
    if let Some(account) = &account {
        capability::survive_change_of_user().map_err(ConfineError::Privileges)?;
        account.enter()?;
    }
    kept.keep().map_err(ConfineError::Privileges)?;
    // The table of users is out of reach then.
    let user = account::own_name();
    let files = if wish.sandbox { files::limit(needs) } else { "unlimited (server.sandbox)".to_owned() };
    Ok(Entered { sandbox: wish.sandbox, user, files })
}

impl Entered {
    /// Gives up the rest: every socket is open.
    ///
    /// # Errors
    /// [`ConfineError::Privileges`].
    pub fn close(self) -> Result<(), ConfineError> {
        capability::Kept::new(&[]).keep().map_err(ConfineError::Privileges)?;
        let calls = if self.sandbox { calls::limit() } else { "unlimited (server.sandbox)".to_owned() };
        let Entered { user, files, .. } = self;
        tracing::info!(user, privileges = capability::held(), files, system_calls = calls, "confined");
        Ok(())
    }
}

/// To be called by every thread that is started between the two steps, before it does anything.
pub fn thread_started() {
    // The same was possible for the thread that made this one; without it, nothing here would be given up at all.
    if let Err(error) = capability::Kept::new(&[]).keep() {
        tracing::error!(%error, "a thread keeps its privileges");
    }
}

/// Makes a directory that is missing, with those that lead to it, and gives it to the user we are about to become.
fn make(directory: &Path, account: Option<&Account>) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(directory)?;
    match account {
        Some(account) => account.owns(directory),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
