//! `hatchery backup`: everything that makes this server this server, in one file; and whether such a file is whole.
//!
//! The databases are copied first, each as it is at one moment; a server that runs goes on. The file appears under its
//! name when all of it is on disk.

pub mod restore;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use super::interrupt::Interrupt;
use super::people::password::{self, Typed};
use super::{INTERRUPTED, WRONG_INPUT, print};
use crate::archive::bundle::{self, Bundle};
use crate::boot::file::PARTIAL;
use crate::cli::Backup;
use crate::clock;
use crate::config::Config;
use crate::store::snapshot;

/// What the members of a backup are called.
const CONFIG: &str = "config/hatchery.toml";
const JOURNAL: &str = "data/hatchery.db";
const USERS: &str = "data/access.db";
const DATA: &str = "data/";
const TEMPLATES: &str = "templates/";
const IMAGES: &str = "images/";

/// The certificate that the server made itself: browsers that were told to trust it go on doing so.
const OWN_CERTIFICATE: [&str; 2] = ["management.crt", "management.key"];

/// The shortest passphrase, in characters.
const PASSPHRASE_MIN: usize = 10;

/// A file that goes into the backup.
struct Member {
    name: String,
    path: PathBuf,
    size: u64,
    modified_secs: u64,
}

/// Does what was asked.
pub fn run(args: &Backup) -> anyhow::Result<ExitCode> {
    if args.verify { verify(args) } else { write(args) }
}

fn write(args: &Backup) -> anyhow::Result<ExitCode> {
    let config = match Config::load(&args.config.config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(WRONG_INPUT));
        }
    };
    if args.file.exists() && !args.force {
        bail!("{} is there already: give another name, or --force", args.file.display());
    }
    let passphrase = match (&args.passphrase_file, args.encrypt) {
        (None, false) => None,
        (file, _) => match passphrase(file.as_deref(), true)? {
            Ok(passphrase) => Some(passphrase),
            Err(code) => return Ok(code),
        },
    };
    let interrupt = Interrupt::listen()?;
    let scratch = Scratch::new(&with_ending(&args.file, ".databases"))?;
    let members = collect(args, &config, &scratch.0)?;
    let part = with_ending(&args.file, PARTIAL);
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let out = out.with_context(|| format!("cannot make {}; if no other backup runs, remove it", part.display()))?;
    let part = Part(part);
    let bar = bar(members.iter().map(|member| member.size).sum());
    let mut bundle = Bundle::new(BufWriter::new(out), passphrase.as_deref())?;
    for member in &members {
        let file = File::open(&member.path).with_context(|| format!("cannot read {}", member.path.display()))?;
        let source = Shown { source: file, bar: &bar, interrupt: &interrupt };
        let added = bundle.add(&member.name, member.size, member.modified_secs, source);
        if interrupt.came() {
            bar.finish_and_clear();
            return Ok(ExitCode::from(INTERRUPTED));
        }
        added.with_context(|| format!("cannot take {} along", member.path.display()))?;
    }
    let now = clock::now().timestamp;
    let secs = u64::try_from(now.millis() / 1000).unwrap_or(0);
    let out = bundle.finish(&clock::iso(now), secs)?.into_inner().map_err(io::IntoInnerError::into_error)?;
    out.sync_all()?;
    let size = out.metadata()?.len();
    fs::rename(&part.0, &args.file).with_context(|| format!("cannot name it {}", args.file.display()))?;
    let directory = args.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    bar.finish_and_clear();
    let encrypted = passphrase.is_some();
    if args.json {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        print(&format!("{}\n", json!({ "encrypted": encrypted, "file": args.file, "files": names, "size": size })))?;
    } else {
        let sealed = if encrypted { "encrypted, " } else { "" };
        let count = members.len();
        print(&format!("{}: {sealed}{count} files, {}\n", args.file.display(), BinaryBytes(size)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What goes into it, the configuration first: it says where the rest goes. The databases are copied to `scratch`.
fn collect(args: &Backup, config: &Config, scratch: &Path) -> anyhow::Result<Vec<Member>> {
    let paths = &config.paths;
    let mut members = vec![member(CONFIG.to_owned(), args.config.config.clone())?];
    let journal = paths.journal();
    if !journal.exists() {
        bail!("there is no journal {}: was the server ever started?", journal.display());
    }
    let copy = |from: &Path, to: &str| -> anyhow::Result<PathBuf> {
        let to = scratch.join(to);
        snapshot::copy(from, &to).context("run this as root, or as the user hatchery runs as")?;
        Ok(to)
    };
    members.push(member(JOURNAL.to_owned(), copy(&journal, "hatchery.db")?)?);
    let users = paths.data.join("access.db");
    if users.exists() {
        members.push(member(USERS.to_owned(), copy(&users, "access.db")?)?);
    }
    for name in OWN_CERTIFICATE {
        let path = paths.data.join(name);
        if path.exists() {
            members.push(member(format!("{DATA}{name}"), path)?);
        }
    }
    below(&paths.templates, TEMPLATES, &mut members)?;
    if args.images {
        below(&paths.images, IMAGES, &mut members)?;
    }
    Ok(members)
}

/// Every file below a directory, by name; nothing if it is not there.
fn below(directory: &Path, prefix: &str, members: &mut Vec<Member>) -> anyhow::Result<()> {
    let mut entries = match fs::read_dir(directory) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", directory.display())),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (kind, name) = (entry.file_type()?, format!("{prefix}{name}"));
        if kind.is_dir() {
            below(&entry.path(), &format!("{name}/"), members)?;
        } else if entry.path().is_file() && !name.ends_with(PARTIAL) {
            members.push(member(name, entry.path())?);
        }
    }
    Ok(())
}

fn member(name: String, path: PathBuf) -> anyhow::Result<Member> {
    let metadata = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let modified_secs = u64::try_from(metadata.mtime()).unwrap_or(0);
    Ok(Member { name, path, size: metadata.len(), modified_secs })
}

fn verify(args: &Backup) -> anyhow::Result<ExitCode> {
    let (file, passphrase) = match open(&args.file, args.passphrase_file.as_deref())? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let interrupt = Interrupt::listen()?;
    let scratch = Scratch::new(&std::env::temp_dir().join(format!("hatchery-verify-{}", std::process::id())))?;
    let bar = bar(file.metadata()?.len());
    let source = Shown { source: file, bar: &bar, interrupt: &interrupt };
    let read = bundle::read(source, passphrase.as_deref(), |name, _, source| {
        // Databases must be more than the same bytes as before.
        let Some(database) = [JOURNAL, USERS].iter().find(|each| **each == name) else { return Ok(()) };
        let path = scratch.0.join(Path::new(database).file_name().unwrap_or_default());
        io::copy(source, &mut File::create_new(&path)?)?;
        check_database(name, &path)
    });
    bar.finish_and_clear();
    if interrupt.came() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let manifest = read.with_context(|| format!("{} is not to be relied on", args.file.display()))?;
    let files: Vec<&String> = manifest.files.iter().map(|(name, _)| name).collect();
    if args.json {
        let (made_at, version) = (&manifest.made_at, &manifest.version);
        let encrypted = passphrase.is_some();
        let said = json!({ "encrypted": encrypted, "files": files, "made_at": made_at, "version": version });
        print(&format!("{said}\n"))?;
    } else {
        let (file, count) = (args.file.display(), files.len());
        print(&format!("{file} is whole: {count} files, made {} by version {}\n", manifest.made_at, manifest.version))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a database that came out of a backup can be worked with.
fn check_database(name: &str, path: &Path) -> io::Result<()> {
    match name {
        JOURNAL => snapshot::check_journal(path).map_err(io::Error::other),
        USERS => snapshot::check_users(path).map_err(io::Error::other),
        _ => Ok(()),
    }
}

/// A backup, and its passphrase if it has one; the error is the exit code.
fn open(path: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<Result<(File, Option<String>), ExitCode>> {
    let beginning = || -> io::Result<Vec<u8>> {
        let mut beginning = Vec::new();
        File::open(path)?.take(64).read_to_end(&mut beginning)?;
        Ok(beginning)
    };
    let beginning = beginning().with_context(|| format!("cannot read {}", path.display()))?;
    let sealed = bundle::is_sealed(&beginning).with_context(|| path.display().to_string())?;
    let passphrase = match sealed.then(|| passphrase(passphrase_file, false)).transpose()? {
        None => None,
        Some(Ok(passphrase)) => Some(passphrase),
        Some(Err(code)) => return Ok(Err(code)),
    };
    Ok(Ok((File::open(path)?, passphrase)))
}

/// The passphrase of the file, or of the terminal; a `new` one is asked for twice and must be long enough.
fn passphrase(file: Option<&Path>, new: bool) -> anyhow::Result<Result<String, ExitCode>> {
    let typed = match file {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            text.lines()
                .next()
                .filter(|line| !line.is_empty())
                .map_or(Typed::Nothing, |line| Typed::Password(line.into()))
        }
        None => password::ask("Passphrase of the backup: ", new)?,
    };
    match typed {
        Typed::Password(text) if new && text.chars().count() < PASSPHRASE_MIN => {
            bail!(
                "the passphrase must have at least {PASSPHRASE_MIN} characters: whoever has the file may try as many as they like"
            )
        }
        Typed::Password(text) => Ok(Ok(text)),
        Typed::Nothing => bail!("there is no passphrase"),
        Typed::Different => bail!("the two passphrases are not the same"),
        Typed::Interrupted => Ok(Err(ExitCode::from(INTERRUPTED))),
    }
}

fn bar(size: u64) -> ProgressBar {
    let template = "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
    ProgressBar::new(size).with_style(ProgressStyle::with_template(template).expect("the template is ours"))
}

/// A source that shows how far it is, and ends when the command is to end.
struct Shown<'a, R> {
    source: R,
    bar: &'a ProgressBar,
    interrupt: &'a Interrupt,
}

impl<R: Read> Read for Shown<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.came() {
            return Err(io::Error::other("interrupted"));
        }
        let length = self.source.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A directory of ours alone that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: &Path) -> anyhow::Result<Scratch> {
        let made = DirBuilder::new().mode(0o700).create(path);
        made.with_context(|| format!("cannot make {}; if no other backup runs, remove it", path.display()))?;
        Ok(Scratch(path.to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("hatchery: {} is left: {error}", self.0.display());
        }
    }
}

/// A file that goes away unless it got its name.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already, once it has its name.
        let _ = fs::remove_file(&self.0);
    }
}
