//! The files and answers of the running server: opens what the boot rules resolve, and reports transfers to the fleet.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use super::content::{Content, FileSource, OpenFile};
use super::core::{SharedBoard, count};
use super::inbox::Inbox;
use crate::answer::{AnswerError, Answers};
use crate::boot::Facts;
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
    /// Images.
    pub images: Tree,
    /// Where transfers are reported.
    pub inbox: Inbox,
    /// The id of the next transfer.
    pub next_transfer: AtomicU64,
}

impl Library {
    fn answer(&self, asker: Ipv4Addr, template: &str) -> Result<Content, Refusal> {
        let facts = {
            let board = self.board.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            board.at(asker).and_then(|view| board.facts(view)).ok_or(Refusal::UnknownMachine)?
        };
        let text = self.answers.render(template, &facts).map_err(|error| {
            tracing::warn!(%error, %asker, "answer could not be rendered");
            Refusal::NothingToBoot(error.to_string())
        })?;
        Ok(Content::Text(text.into()))
    }
}

impl Library {
    fn find(&self, asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        let view = self.board.read().unwrap_or_else(|poisoned| poisoned.into_inner()).at(asker).cloned();
        // Over HTTP the names of TFTP stand below /boot.
        let name = if via == Via::Http { name.strip_prefix("boot/").unwrap_or(name) } else { name };
        let missing = || Refusal::NoSuchFile(name.to_owned());
        match resolve(view.as_deref(), name)? {
            Source::Answer(template) => self.answer(asker, &template),
            Source::Image(path) => Ok(Content::File(self.images.open(&path).map_err(|_| missing())?)),
            Source::BootFiles(paths) => {
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
