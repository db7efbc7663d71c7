//! The files and answers of the running server: opens what the boot rules resolve, and reports transfers to the fleet.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use super::content::{Content, FileSource, OpenFile};
use super::core::{SharedBoard, count, read};
use super::inbox::Inbox;
use super::log::{Who, about};
use crate::answer::{AnswerError, Answers};
use crate::boot::file::{RelativePath, Source, resolve};
use crate::boot::{Facts, View};
use crate::fleet::Event;
use crate::ids::TransferId;
use crate::refusal::Refusal;
use crate::transfer::{Outcome, Via};

/// A directory from which only files below it can be opened, whatever name or link is tried.
#[derive(Debug)]
pub struct Tree(OwnedFd);

impl Tree {
    /// Opens the directory.
    ///
    /// # Errors
    /// Of open(2).
    pub fn new(directory: &Path) -> io::Result<Tree> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
        Ok(Tree(open(directory, flags, Mode::empty())?))
    }

    /// Opens a regular file below the directory; links may point about inside, never out (openat2(2),
    /// RESOLVE_BENEATH).
    ///
    /// # Errors
    /// `NotFound` for anything that is not a regular file there; else of openat2(2).
    pub fn open(&self, path: &RelativePath) -> io::Result<OpenFile> {
        self.open_file(Path::new(path.as_str()), ResolveFlag::empty())
    }

    /// As [`Tree::open`], only by what the kernel has in memory (openat2(2), RESOLVE_CACHED).
    ///
    /// # Errors
    /// `WouldBlock` if a disk would have to be waited for; `InvalidInput` where the kernel cannot do it (before 5.12);
    /// else as [`Tree::open`].
    pub fn open_cached(&self, path: &RelativePath) -> io::Result<OpenFile> {
        /// linux/openat2.h; nix does not know it.
        const RESOLVE_CACHED: u64 = 0x20;
        let cached = ResolveFlag::from_bits_retain(RESOLVE_CACHED);
        self.open_file(Path::new(path.as_str()), cached)
    }

    /// As [`Tree::open`], where every part of the path stands for the first entry, by name, that differs from it in the
    /// case of ASCII letters only; an entry of just that name goes first.
    ///
    /// # Errors
    /// As [`Tree::open`].
    pub fn open_ignoring_case(&self, path: &RelativePath) -> io::Result<OpenFile> {
        let mut found = PathBuf::new();
        for part in path.as_str().split('/') {
            let entry = self.entry(&found, part)?;
            found.push(entry);
        }
        self.open_file(&found, ResolveFlag::empty())
    }

    /// The entry of the directory at `path` that `name` stands for when case is ignored.
    fn entry(&self, path: &Path, name: &str) -> io::Result<String> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let directory = self.open_below(path, OFlag::O_DIRECTORY, ResolveFlag::empty())?;
        let mut found: Option<String> = None;
        for entry in std::fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))? {
            let Ok(entry) = entry?.file_name().into_string() else { continue };
            if entry == name {
                return Ok(entry);
            }
            if entry.eq_ignore_ascii_case(name) && found.as_ref().is_none_or(|found| entry < *found) {
                found = Some(entry);
            }
        }
        found.ok_or(io::ErrorKind::NotFound.into())
    }

    fn open_below(&self, path: &Path, kind: OFlag, further: ResolveFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | kind)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | further);
        Ok(openat2(self.0.as_fd(), path, how)?)
    }

    fn open_file(&self, path: &Path, further: ResolveFlag) -> io::Result<OpenFile> {
        // A FIFO must not block us.
        let file = std::fs::File::from(self.open_below(path, OFlag::O_NONBLOCK, further)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (size, modified_secs) = (metadata.len(), metadata.mtime());
        let etag = format!("{:x}-{size:x}-{modified_secs:x}.{:x}", metadata.ino(), metadata.mtime_nsec());
        Ok(OpenFile { file: Arc::new(file), size, modified_secs, etag })
    }
}

/// The compiled templates in force; a reload replaces all of them at once.
#[derive(Debug)]
pub struct Templates(RwLock<Arc<Answers>>);

impl Templates {
    /// Begins with these.
    pub fn new(answers: Answers) -> Templates {
        Templates(RwLock::new(Arc::new(answers)))
    }

    /// From now on these; what is being rendered is finished with the old ones.
    pub fn replace(&self, answers: Answers) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(answers);
    }

    /// As [`Answers::has`].
    pub fn has(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).has(name)
    }

    /// As [`Answers::render`].
    ///
    /// # Errors
    /// As there.
    pub fn render(&self, name: &str, facts: &Facts) -> Result<String, AnswerError> {
        let answers = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        answers.render(name, facts)
    }
}

/// What TFTP and HTTP serve.
#[derive(Debug)]
pub struct Library {
    /// Who asks, and what they get.
    pub board: SharedBoard,
    /// Rendered files.
    pub answers: Templates,
    /// Boot files.
    pub boot: Tree,
    /// Whether a boot file that is not there is looked for again with the case of its name ignored.
    pub ignore_case: bool,
    /// Images.
    pub images: Tree,
    /// Where transfers are reported.
    pub inbox: Inbox,
    /// The id of the next transfer.
    pub next_transfer: AtomicU64,
}

impl Library {
    /// The machine to which the address is bound: answers go to nobody else.
    pub fn at(&self, asker: Ipv4Addr) -> Option<Arc<View>> {
        read(&self.board).at(asker).cloned()
    }

    /// The answer that this machine gets now under the file name `name`.
    ///
    /// # Errors
    /// [`Refusal::NoSuchFile`] if its profile has no answer of that name, [`Refusal::NothingToBoot`] if it cannot be
    /// rendered, and as [`resolve`].
    pub fn answer(&self, view: &View, name: &str) -> Result<String, Refusal> {
        match resolve(Some(view), name)? {
            Source::Answer(template) => self.render(view, &template),
            Source::Image(_) | Source::BootFiles(_) | Source::Program(_) => Err(Refusal::NoSuchFile(name.to_owned())),
        }
    }

    /// For the operator: [`Library::answer`], or else the template `name` of any profile, filled for this machine.
    ///
    /// # Errors
    /// As [`Library::answer`].
    pub fn preview(&self, view: &View, name: &str) -> Result<String, Refusal> {
        match self.answer(view, name) {
            Err(Refusal::NoSuchFile(_)) if self.answers.has(name) => self.render(view, name),
            answer => answer,
        }
    }

    /// The files that this machine's installed system reads at its first boot, by name.
    ///
    /// # Errors
    /// [`Refusal::NothingToBoot`] if one cannot be rendered.
    pub fn first_boot(&self, view: &View) -> Result<BTreeMap<String, String>, Refusal> {
        let Some(profile) = view.plan.installs() else { return Ok(BTreeMap::new()) };
        profile.first_boot.iter().map(|(name, template)| Ok((name.clone(), self.render(view, template)?))).collect()
    }

    fn render(&self, view: &View, template: &str) -> Result<String, Refusal> {
        let facts = read(&self.board).facts(view);
        self.answers.render(template, &facts.ok_or(Refusal::UnknownMachine)?).map_err(|error| {
            about!(warn, Who::of(view), %error, "answer could not be rendered");
            Refusal::NothingToBoot(error.to_string())
        })
    }

    fn find(&self, asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        let view = self.at(asker);
        let name = in_tftp(name, via);
        let missing = || Refusal::NoSuchFile(name.to_owned());
        match (resolve(view.as_deref(), name)?, view.as_deref()) {
            // The same view chose the template and fills it: nobody's file with somebody else's values.
            (Source::Answer(template), Some(view)) => Ok(Content::Text(self.render(view, &template)?.into())),
            (Source::Answer(_), None) => Err(Refusal::UnknownMachine),
            (Source::Program(bytes), _) => Ok(Content::Text(bytes.into())),
            (Source::Image(path), _) => Ok(Content::File(first([self.images.open(&path)])?.ok_or_else(missing)?)),
            (Source::BootFiles(paths), _) => {
                let mut file = first(paths.iter().map(|path| self.boot.open(path)))?;
                if file.is_none() && self.ignore_case {
                    file = first(paths.iter().map(|path| self.boot.open_ignoring_case(path)))?;
                }
                Ok(Content::File(file.ok_or_else(missing)?))
            }
        }
    }
}

/// The name by which TFTP knows it: over HTTP those names stand below /boot.
fn in_tftp(name: &str, via: Via) -> &str {
    if via == Via::Http { name.strip_prefix("boot/").unwrap_or(name) } else { name }
}

/// The first file that could be opened. That it is missing is an answer to firmware, which then boots otherwise; so what
/// says nothing about the file must not look like that.
fn first(opened: impl IntoIterator<Item = io::Result<OpenFile>>) -> Result<Option<OpenFile>, Refusal> {
    for opened in opened {
        match opened {
            Ok(file) => return Ok(Some(file)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {
                return Err(Refusal::Busy("open files"));
            }
            Err(_) => {}
        }
    }
    Ok(None)
}

impl FileSource for Library {
    fn open(&self, asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        self.find(asker, name, via).inspect_err(|refusal| count(&self.board, refusal))
    }

    fn open_at_once(&self, asker: Ipv4Addr, name: &str, via: Via) -> Option<Content> {
        let missing =
            |opened: &io::Result<OpenFile>| matches!(opened, Err(error) if error.kind() == io::ErrorKind::NotFound);
        let opened = match resolve(self.at(asker).as_deref(), in_tftp(name, via)).ok()? {
            Source::Image(path) => self.images.open_cached(&path),
            Source::BootFiles(paths) => {
                paths.iter().map(|path| self.boot.open_cached(path)).find(|opened| !missing(opened))?
            }
            Source::Answer(_) | Source::Program(_) => return None,
        };
        opened.ok().map(Content::File)
    }

    fn refused(&self, refusal: &Refusal) {
        count(&self.board, refusal);
    }

    fn started(&self, asker: Ipv4Addr, name: &str, size: u64, via: Via) -> TransferId {
        let transfer = TransferId(self.next_transfer.fetch_add(1, Ordering::Relaxed));
        self.inbox.report(Event::FetchStarted { transfer, address: asker, name: name.to_owned(), size, via });
        transfer
    }

    fn progress(&self, transfer: TransferId, sent: u64) {
        self.inbox.report(Event::FetchProgress { transfer, sent });
    }

    fn finished(&self, transfer: TransferId, sent: u64, outcome: Outcome) {
        self.inbox.report(Event::Fetched { transfer, sent, outcome });
    }
}
