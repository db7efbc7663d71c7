//! The peers' programs: those that are installed, and packages that are fetched and never installed, because those that do
//! the same job conflict with each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::place::complete;

/// The programs and their Debian packages.
const PROGRAMS: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("dnsmasq", "dnsmasq-base"),
    ("in.tftpd", "tftpd-hpa"),
    ("atftpd", "atftpd"),
    ("kea-dhcp4", "kea-dhcp4-server"),
    ("perfdhcp", "kea-admin"),
];

/// What there is of them.
pub struct Programs {
    /// Where what was fetched is unpacked.
    root: PathBuf,
}

impl Programs {
    /// Fetches what is missing into `directory`, and says what cannot be had.
    pub fn gather(directory: &Path) -> Programs {
        let programs = Programs { root: directory.join("root") };
        for (program, package) in PROGRAMS {
            if programs.find(program).is_some() {
                continue;
            }
            let fetched = fetch(package, directory, &programs.root);
            let found = fetched.and_then(|()| programs.find(program).context("its package does not have it"));
            if let Err(error) = found {
                eprintln!("without {program}: {error:#}");
            }
        }
        programs
    }

    /// A command that runs `program`; `None` if there is none, which was said at the beginning.
    pub fn command(&self, program: &str) -> Option<Command> {
        let (path, fetched) = self.find(program)?;
        let mut command = Command::new(path);
        if fetched {
            // Libraries that came with the package.
            let libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|name| self.root.join("usr/lib").join(name));
            command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap_or_default());
        }
        Some(command)
    }

    /// Where it is, and whether it was fetched.
    fn find(&self, program: &str) -> Option<(PathBuf, bool)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps servers where an ordinary user does not look.
        let more = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let installed = std::env::split_paths(&path).chain(more).map(|directory| (directory, false));
        let fetched = ["usr/sbin", "usr/bin"].map(|name| (self.root.join(name), true));
        let mut all = installed.chain(fetched).map(|(directory, fetched)| (directory.join(program), fetched));
        all.find(|(path, _)| path.is_file())
    }
}

/// Fetches a package with all that it needs and this system has not, and unpacks it into `root`.
fn fetch(package: &str, directory: &Path, root: &Path) -> anyhow::Result<()> {
    let archives = directory.join("archives");
    fs::create_dir_all(archives.join("partial")).with_context(|| format!("cannot make {}", archives.display()))?;
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--quiet=2", "--no-install-recommends", "--download-only"]);
    // Nothing of the system's is written, and so nothing of it needs a lock that only root may take.
    apt.args(["-o", "Debug::NoLocking=true", "-o", &format!("Dir::Cache::archives={}", archives.display()), package]);
    complete(&mut apt)?;
    for entry in fs::read_dir(&archives).context("no packages")? {
        let path = entry.context("no packages")?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            complete(Command::new("dpkg").arg("-x").arg(&path).arg(root))?;
            fs::remove_file(&path).ok();
        }
    }
    Ok(())
}
