//! The files and answers of the running server: opens what the boot rules resolve, and reports transfers to the fleet.

mod tree;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

pub use self::tree::Tree;
use super::content::{Content, FileSource, OpenFile};
use super::core::{SharedBoard, count, read};
use super::inbox::Inbox;
use super::log::{Who, about};
use crate::answer::{AnswerError, Answers};
use crate::boot::file::{Source, resolve};
use crate::boot::{Facts, View};
use crate::fleet::Event;
use crate::ids::TransferId;
use crate::refusal::Refusal;
use crate::transfer::{Outcome, Via};

/// A small file stays open for at least so long after it was asked for, and at most twice.
const KEPT_FOR: Duration = Duration::from_secs(5);

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
    /// Closes again and again the files that nobody asked for in a while.
    pub async fn close_unused(self: Arc<Library>) {
        loop {
            tokio::time::sleep(KEPT_FOR).await;
            self.boot.close_unused();
            self.images.close_unused();
        }
    }

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
