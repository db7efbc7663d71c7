//! Packages by apt's own download: from the machine's own sources, verified with its own keys, nothing installed.
//!
//! Lists, caches and state are private to a scratch directory, for whichever architecture: the machine's own apt is
//! neither needed to be up to date nor touched, and no root is needed. Only what apt has verified is handed out.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often a running apt is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// There is no apt on this machine.
    #[error("{0} is not on this machine; it needs a Debian or Ubuntu")]
    NoApt(&'static str),
    /// The scratch directory, or the start of apt.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// apt ended with an error.
    #[error("{command} failed: {said}")]
    Failed {
        /// The command, without its options.
        command: String,
        /// What it said was wrong.
        said: String,
    },
    /// No source has it.
    #[error("no source of apt has {package} for {architecture}")]
    NoPackage {
        /// The package that was asked for.
        package: String,
        /// The architecture it was asked for.
        architecture: String,
    },
    /// We were told to stop.
    #[error("interrupted")]
    Interrupted,
}

/// apt, for one architecture.
pub struct Apt<'a> {
    architecture: String,
    scratch: PathBuf,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Apt<'a> {
    /// Fetches the package lists of all sources for `architecture` (as Debian says it: `amd64`, `arm64`) into `scratch`,
    /// a directory that the caller removes when the packages have been used. `stop` is asked all the time.
    ///
    /// # Errors
    /// If there is no apt, if it fails, or if `stop` says so.
    pub fn new(architecture: &str, scratch: &Path, stop: &'a dyn Fn() -> bool) -> Result<Apt<'a>, AptError> {
        // apt runs elsewhere than we do.
        let scratch = std::path::absolute(scratch).map_err(|source| failed(scratch, source))?;
        let apt = Apt { architecture: architecture.to_owned(), scratch, stop };
        for directory in ["lists/partial", "cache/archives/partial", "debs"] {
            let path = apt.scratch.join(directory);
            fs::create_dir_all(&path).map_err(|source| failed(&path, source))?;
        }
        for (name, text) in [("status", String::new()), ("apt.conf", apt.configuration())] {
            let path = apt.scratch.join(name);
            fs::write(&path, text).map_err(|source| failed(&path, source))?;
        }
        apt.run("apt-get", &["update"], &apt.scratch)?;
        Ok(apt)
    }

    /// What differs from the machine's own configuration. Its hooks must not run: some of them empty its caches.
    fn configuration(&self) -> String {
        let (scratch, architecture) = (self.scratch.display(), &self.architecture);
        format!(
            "#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture \"{architecture}\";
APT::Architectures {{ \"{architecture}\"; }};
Acquire::Languages \"none\";
Dir::State \"{scratch}\";
Dir::State::lists \"{scratch}/lists\";
Dir::State::status \"{scratch}/status\";
Dir::Cache \"{scratch}/cache\";
"
        )
    }

    /// The packages that the newest version of `package` depends on; of alternatives the first.
    ///
    /// # Errors
    /// If no source has the package, or apt fails.
    pub fn depends(&self, package: &str) -> Result<Vec<String>, AptError> {
        let shown = self.run("apt-cache", &["show", "--no-all-versions", package], &self.scratch);
        Ok(parse_depends(&self.known(package, shown)?))
    }

    /// Downloads the newest version of `package`; the file lies in the scratch directory.
    ///
    /// # Errors
    /// If no source has the package, or apt fails.
    pub fn download(&self, package: &str) -> Result<PathBuf, AptError> {
        let directory = self.scratch.join("debs").join(package);
        fs::create_dir_all(&directory).map_err(|source| failed(&directory, source))?;
        let downloaded = self.run("apt-get", &["download", package], &directory);
        self.known(package, downloaded)?;
        let entries = fs::read_dir(&directory).map_err(|source| failed(&directory, source))?;
        let mut files = entries.flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "deb")).ok_or_else(|| {
            AptError::Failed { command: format!("apt-get download {package}"), said: "there is no file".into() }
        })
    }

    /// Names an unknown package as such.
    fn known(&self, package: &str, result: Result<String, AptError>) -> Result<String, AptError> {
        match result {
            Err(AptError::Failed { said, .. })
                if ["Unable to locate", "No packages found", "no installation candidate", "Can't select candidate"]
                    .iter()
                    .any(|unknown| said.contains(unknown)) =>
            {
                Err(AptError::NoPackage { package: package.to_owned(), architecture: self.architecture.clone() })
            }
            other => other,
        }
    }

    /// Runs one of apt's programs in `directory`; what it wrote to standard output.
    fn run(&self, program: &'static str, arguments: &[&str], directory: &Path) -> Result<String, AptError> {
        let log = |name: &str| {
            let path = self.scratch.join(name);
            File::create(&path).map_err(|source| failed(&path, source))
        };
        let mut command = Command::new(program);
        command.arg("-c").arg(self.scratch.join("apt.conf")).args(arguments).current_dir(directory);
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null()).stdout(log("out")?).stderr(log("err")?);
        let mut child = command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => AptError::NoApt(program),
            _ => AptError::Io { what: format!("cannot start {program}"), source },
        })?;
        let status = loop {
            let ended = child.try_wait();
            match ended.map_err(|source| AptError::Io { what: format!("cannot wait for {program}"), source })? {
                Some(status) => break status,
                None if (self.stop)() => {
                    // It may have ended by itself just now.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(AptError::Interrupted);
                }
                None => std::thread::sleep(LOOK_AGAIN),
            }
        };
        let written = |name: &str| {
            let path = self.scratch.join(name);
            fs::read_to_string(&path).map_err(|source| failed(&path, source))
        };
        if status.success() {
            return written("out");
        }
        if (self.stop)() {
            return Err(AptError::Interrupted);
        }
        Err(AptError::Failed {
            command: format!("{program} {}", arguments.join(" ")),
            said: complaint(&written("err")?),
        })
    }
}

fn failed(path: &Path, source: io::Error) -> AptError {
    AptError::Io { what: path.display().to_string(), source }
}

/// The errors among what apt says; all of it if there are none.
fn complaint(said: &str) -> String {
    let errors: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
    if errors.is_empty() { said.trim().to_owned() } else { errors.join("; ") }
}

fn parse_depends(shown: &str) -> Vec<String> {
    let line = shown.lines().find_map(|line| line.strip_prefix("Depends:")).unwrap_or_default();
    let names = line.split(',').filter_map(|one| one.split(['|', '(', ':']).next());
    names.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
