//! `hatchery restore`: what a backup has, back in its places.
//!
//! Everything is read, written beside its place and checked first. Only then are the files named as they are to be
//! named; whatever goes wrong before that leaves everything as it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use nix::unistd::geteuid;
use serde_json::json;

use super::super::interrupt::Interrupt;
use super::super::{INTERRUPTED, WRONG_INPUT, print};
use super::{CONFIG, DATA, IMAGES, JOURNAL, Shown, TEMPLATES, bar, check_database, open, with_ending};
use crate::archive::bundle;
use crate::cli::Restore;
use crate::config::{Config, Paths};
use crate::store::snapshot::{self, Claim};

/// What a file ends in until everything is there.
const COMING: &str = ".restoring";

/// What the old one ends in afterwards.
const REPLACED: &str = ".replaced";

/// The longest configuration, bytes.
const CONFIG_MAX: u64 = 16 << 20;

/// Does what was asked.
pub fn run(args: &Restore) -> anyhow::Result<ExitCode> {
    let (file, passphrase) = match open(&args.file, args.passphrase_file.as_deref())? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let kept = if args.keep_config {
        match Config::load(&args.config) {
            Ok(config) => Some(config.paths),
            Err(problems) => {
                eprintln!("{problems}");
                return Ok(ExitCode::from(WRONG_INPUT));
            }
        }
    } else {
        None
    };
    let interrupt = Interrupt::listen()?;
    let bar = bar(file.metadata()?.len());
    let source = Shown { source: file, bar: &bar, interrupt: &interrupt };
    let mut staged = Staged::new(args, kept);
    let read = bundle::read(source, passphrase.as_deref(), |name, _, source| staged.take(name, source));
    bar.finish_and_clear();
    if interrupt.came() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if let Some(refused) = staged.refused.take() {
        bail!(refused);
    }
    let manifest = read.with_context(|| format!("{} was not restored, nothing is changed", args.file.display()))?;
    let (places, replaced) = staged.finish()?;
    if args.json {
        let made_at = &manifest.made_at;
        print(&format!("{}\n", json!({ "files": places, "made_at": made_at, "replaced": replaced })))?;
    } else {
        let shown: String = places.iter().map(|place| format!("{}\n", place.display())).collect();
        let old: String = replaced.iter().map(|place| format!("what was there is {}\n", place.display())).collect();
        let config = args.config.display();
        print(&format!("{shown}{old}restored as of {}; start it: hatchery serve -c {config}\n", manifest.made_at))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was read so far, each file beside its place.
struct Staged<'a> {
    args: &'a Restore,
    paths: Option<Paths>,
    claim: Option<Claim>,
    had_lock: bool,
    /// From, to.
    files: Vec<(PathBuf, PathBuf)>,
    /// Directories that were not there.
    made: Vec<PathBuf>,
    owner: Option<(u32, u32)>,
    refused: Option<String>,
    done: bool,
}

impl<'a> Staged<'a> {
    fn new(args: &'a Restore, paths: Option<Paths>) -> Staged<'a> {
        Staged {
            args,
            paths,
            claim: None,
            had_lock: true,
            files: Vec::new(),
            made: Vec::new(),
            owner: None,
            refused: None,
            done: false,
        }
    }

    fn refuse(&mut self, sentence: String) -> io::Error {
        self.refused = Some(sentence);
        io::Error::other("refused")
    }

    fn take(&mut self, name: &str, source: &mut dyn Read) -> io::Result<()> {
        if name == CONFIG {
            return self.take_config(source);
        }
        let Some(paths) = self.paths.clone() else {
            return Err(io::Error::other("the configuration does not come first in it"));
        };
        let groups = [(DATA, &paths.data), (TEMPLATES, &paths.templates), (IMAGES, &paths.images)];
        let found = groups.iter().find_map(|(prefix, directory)| Some(directory.join(name.strip_prefix(prefix)?)));
        let Some(place) = found else { return Err(io::Error::other(format!("{name} has no place here"))) };
        if name == JOURNAL {
            self.claim(&paths.data, &place)?;
        }
        let coming = self.write(&place, source)?;
        check_database(name, &coming)
    }

    /// No server may run on what is replaced.
    fn claim(&mut self, data: &Path, journal: &Path) -> io::Result<()> {
        self.make(data)?;
        self.had_lock = journal.with_extension("lock").exists();
        match snapshot::claim(journal) {
            Ok(claim) => self.claim = Some(claim),
            Err(error) => return Err(self.refuse(error.to_string())),
        }
        Ok(())
    }

    fn take_config(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut text = String::new();
        source.take(CONFIG_MAX).read_to_string(&mut text)?;
        if self.args.keep_config {
            return Ok(());
        }
        let place = self.args.config.clone();
        let config = match Config::parse(&text, &place.display().to_string()) {
            Ok(config) => config,
            Err(problems) => {
                let how = "correct one of your own and use it with --keep-config";
                return Err(self.refuse(format!("the configuration in the backup is wrong; {how}:\n{problems}")));
            }
        };
        self.paths = Some(config.paths);
        if fs::read_to_string(&place).is_ok_and(|there| there == text) {
            return Ok(());
        }
        if place.exists() && !self.args.force {
            let place = place.display();
            let how = "--keep-config goes by it, --force replaces it";
            return Err(self.refuse(format!("there is another configuration at {place}: {how}")));
        }
        self.write(&place, &mut text.as_bytes()).map(drop)
    }

    /// Writes a file beside its place; where it is now.
    fn write(&mut self, place: &Path, source: &mut dyn Read) -> io::Result<PathBuf> {
        if place.exists() && !self.args.force {
            let place = place.display();
            return Err(self.refuse(format!("{place} is there already: --force replaces it, nothing is changed now")));
        }
        if let Some(directory) = place.parent() {
            self.make(directory)?;
        }
        let coming = with_ending(place, COMING);
        // Of a restore that was killed.
        let _ = fs::remove_file(&coming);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&coming)?;
        self.files.push((coming.clone(), place.to_owned()));
        io::copy(source, &mut file)?;
        file.sync_all()?;
        self.give(&coming)?;
        Ok(coming)
    }

    /// Makes a directory and those above it, and remembers which were not there.
    fn make(&mut self, directory: &Path) -> io::Result<()> {
        let missing: Vec<&Path> =
            directory.ancestors().take_while(|each| !each.as_os_str().is_empty() && !each.exists()).collect();
        for each in missing.into_iter().rev() {
            fs::create_dir(each)?;
            self.made.push(each.to_owned());
            self.give(each)?;
        }
        Ok(())
    }

    /// Root gives what it writes to the owner of the data directory, as whom the server runs.
    fn give(&mut self, path: &Path) -> io::Result<()> {
        if !geteuid().is_root() {
            return Ok(());
        }
        if self.owner.is_none() {
            let data = self.paths.as_ref().and_then(|paths| fs::metadata(&paths.data).ok());
            self.owner = data.map(|data| (data.uid(), data.gid()));
        }
        let config = with_ending(&self.args.config, COMING);
        match self.owner {
            // The configuration belongs to root, and its owner's group reads it.
            Some((_, group)) if path == config => {
                chown(path, None, Some(group))?;
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o640))
            }
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Gives every file its name; where they are, and where what was there is now.
    fn finish(mut self) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let databases = self.paths.as_ref().map(|paths| [paths.journal(), paths.data.join("access.db")]);
        let mut replaced = Vec::new();
        self.done = true;
        for (coming, place) in &self.files {
            let keeps = place == &self.args.config || databases.iter().flatten().any(|each| each == place);
            if keeps && place.exists() {
                let old = with_ending(place, REPLACED);
                // The log of the old database belongs to it, and would ruin the new one.
                for ending in ["-wal", "-shm", ""] {
                    let from = with_ending(place, ending);
                    if from.exists() {
                        let to = with_ending(&old, ending);
                        fs::rename(&from, &to).with_context(|| format!("cannot put {} aside", from.display()))?;
                    }
                }
                replaced.push(old);
            }
            fs::rename(coming, place).with_context(|| format!("cannot name {}", place.display()))?;
        }
        for directory in self.files.iter().filter_map(|(_, place)| place.parent()) {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            File::open(directory)?.sync_all()?;
        }
        Ok((self.files.iter().map(|(_, place)| place.clone()).collect(), replaced))
    }
}

impl Drop for Staged<'_> {
    /// Takes back what was written, if it did not come to an end.
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for (coming, _) in &self.files {
            for ending in ["", "-wal", "-shm", "-journal"] {
                // Not all of these were ever there.
                let _ = fs::remove_file(with_ending(coming, ending));
            }
        }
        if let Some(claim) = self.claim.take().filter(|_| !self.had_lock) {
            let _ = fs::remove_file(&claim.lock);
        }
        for directory in self.made.iter().rev() {
            // One that is not empty has got something from somebody else.
            let _ = fs::remove_dir(directory);
        }
    }
}
