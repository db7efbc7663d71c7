//! The files and answers of the running server: opens what the boot rules resolve, and reports transfers to the fleet.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use super::content::{Content, FileSource, OpenFile};
use super::core::{SharedBoard, count};
use super::inbox::Inbox;
use crate::answer::Answers;
use crate::boot::View;
use crate::boot::file::{RelativePath, Source, resolve};
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
        let how = OpenHow::new()
            // A FIFO must not block us.
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let file = std::fs::File::from(openat2(self.0.as_fd(), path.as_str(), how)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (size, modified_secs) = (metadata.len(), metadata.mtime());
        let etag = format!("{:x}-{size:x}-{modified_secs:x}.{:x}", metadata.ino(), metadata.mtime_nsec());
        Ok(OpenFile { file: Arc::new(file), size, modified_secs, etag })
    }
}

/// What TFTP and HTTP serve.
#[derive(Debug)]
pub struct Library {
    /// Who asks, and what they get.
    pub board: SharedBoard,
    /// Rendered files.
    pub answers: Answers,
    /// Boot files.
    pub boot: Tree,
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
        self.board.read().unwrap_or_else(|poisoned| poisoned.into_inner()).at(asker).cloned()
    }

    /// The answer that this machine gets now under the file name `name`.
    ///
    /// # Errors
    /// [`Refusal::NoSuchFile`] if its profile has no answer of that name, [`Refusal::NothingToBoot`] if it cannot be
    /// rendered, and as [`resolve`].
    pub fn answer(&self, view: &View, name: &str) -> Result<String, Refusal> {
        match resolve(Some(view), name)? {
            Source::Answer(template) => self.render(view, &template),
            Source::Image(_) | Source::BootFiles(_) => Err(Refusal::NoSuchFile(name.to_owned())),
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

    fn render(&self, view: &View, template: &str) -> Result<String, Refusal> {
        let facts = self.board.read().unwrap_or_else(|poisoned| poisoned.into_inner()).facts(view);
        self.answers.render(template, &facts.ok_or(Refusal::UnknownMachine)?).map_err(|error| {
            tracing::warn!(%error, machine = view.label(), "answer could not be rendered");
            Refusal::NothingToBoot(error.to_string())
        })
    }

    fn find(&self, asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        let view = self.at(asker);
        // Over HTTP the names of TFTP stand below /boot.
        let name = if via == Via::Http { name.strip_prefix("boot/").unwrap_or(name) } else { name };
        let missing = || Refusal::NoSuchFile(name.to_owned());
        match (resolve(view.as_deref(), name)?, view.as_deref()) {
            // The same view chose the template and fills it: nobody's file with somebody else's values.
            (Source::Answer(template), Some(view)) => Ok(Content::Text(self.render(view, &template)?.into())),
            (Source::Answer(_), None) => Err(Refusal::UnknownMachine),
            (Source::Image(path), _) => Ok(Content::File(self.images.open(&path).map_err(|_| missing())?)),
            (Source::BootFiles(paths), _) => {
                let file = paths.iter().find_map(|path| self.boot.open(path).ok()).ok_or_else(missing)?;
                Ok(Content::File(file))
            }
        }
    }
}

impl FileSource for Library {
    fn open(&self, asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        self.find(asker, name, via).inspect_err(|refusal| count(&self.board, refusal))
    }

    fn started(&self, asker: Ipv4Addr, name: &str, size: u64, via: Via) -> TransferId {
        let transfer = TransferId(self.next_transfer.fetch_add(1, Ordering::Relaxed));
        self.inbox.tell(Event::FetchStarted { transfer, address: asker, name: name.to_owned(), size, via });
        transfer
    }

    fn progress(&self, transfer: TransferId, sent: u64) {
        self.inbox.offer(Event::FetchProgress { transfer, sent });
    }

    fn finished(&self, transfer: TransferId, sent: u64, outcome: Outcome) {
        self.inbox.tell(Event::Fetched { transfer, sent, outcome });
    }
}
