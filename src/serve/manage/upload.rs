//! Images that are sent to the management side, in one piece or in many, and go on where they broke off.
//!
//! Owns the half-open uploads: each is a file that grows and a note about it, in a hidden directory of the image
//! directory, where nobody is served from. A thread reads what is there as it comes, through the same pass as
//! `hatchery image add`; what it found is an image the moment the last byte was read.
//!
//! The invariants: a name in the image directory stands for a whole file or for none; what counts as received after a
//! restart was on disk for certain (it is read anew from its first byte, so what is hashed is what is there); their
//! number is bounded, and what nobody went on with for a day is removed.

mod finish;
mod form;
mod note;
mod partial;
mod receive;
pub mod routes;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use nix::sys::statvfs::statvfs;
use serde_json::Value;

pub use self::form::Texts;
use self::note::Note;
use self::note::Wish;
use self::partial::Partial;
use crate::boot::file::PARTIAL;
use crate::catalog::Edition;
use crate::ids::{Digest, ProductName};
use crate::image::{FILE_NAME_MAX, is_file_name};
use crate::refusal::Refusal;
use crate::serve::control::{Desk, Reply};
use crate::serve::{core, secret};
use crate::time::Timestamp;

/// Where in the image directory half-open uploads are.
const HIDDEN: &str = ".uploads";

/// Uploads at once, those among them that nobody goes on with. Each has a thread, two descriptors and, while it is being
/// unpacked, the memory of a decoder.
const OPEN_MAX: usize = 16;

/// An upload that nobody went on with for so long gives its place to a new one, if there is no other.
const IDLE: Duration = Duration::from_secs(3600);

/// An upload that nobody went on with for so long is removed.
const EXPIRES: Duration = Duration::from_secs(24 * 3600);

/// Room that uploads leave on the disk, bytes: the journal may be there, too. A twentieth of a small disk.
const RESERVE: u64 = 256 << 20;

/// Of how many uploads that are over it is remembered how they ended.
const OVER_MAX: usize = 64;

/// Why something about an upload was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub sentence: String,
}

impl Trouble {
    fn no_room(sentence: String) -> Trouble {
        Trouble { code: "no-room", sentence }
    }

    fn internal(what: impl fmt::Display) -> Trouble {
        Trouble { code: "internal", sentence: what.to_string() }
    }

    /// What the disk says. That it is full is no fault of ours.
    fn of_disk(error: &io::Error, what: &str) -> Trouble {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => {
                Trouble::no_room(format!("{what}: the disk is full. Nothing was kept; make room and send it again"))
            }
            _ => Trouble::internal(format!("{what}: {error}")),
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble { code: refusal.kind(), sentence: refusal.to_string() }
    }
}

impl From<Trouble> for Reply {
    fn from(Trouble { code, sentence }: Trouble) -> Reply {
        Reply::Error { code: code.to_owned(), sentence }
    }
}

/// Every upload.
pub struct Uploads {
    desk: Desk,
    hidden: PathBuf,
    open: Mutex<BTreeMap<String, Arc<Partial>>>,
    over: Mutex<VecDeque<(String, Value)>>,
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}

impl Uploads {
    /// Into the image directory of that desk.
    pub fn new(desk: Desk) -> Uploads {
        let hidden = desk.images.join(HIDDEN);
        Uploads { desk, hidden, open: Mutex::default(), over: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Partial>>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn over(&self) -> MutexGuard<'_, VecDeque<(String, Value)>> {
        self.over.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Those under way, by when they began.
    pub fn list(&self) -> Vec<Value> {
        let mut all: Vec<Arc<Partial>> = self.open().values().cloned().collect();
        all.sort_by_key(|partial| partial.began);
        all.iter().map(|partial| partial.shown()).collect()
    }

    /// How one stands; also one that is over, for a while.
    ///
    /// # Errors
    /// `not-found`.
    pub fn state(&self, id: &str) -> Result<Value, Trouble> {
        if let Some(partial) = self.open().get(id) {
            return Ok(partial.shown());
        }
        let over = self.over().iter().find(|(other, _)| other == id).map(|(_, state)| state.clone());
        over.ok_or_else(|| unknown(id))
    }

    fn find(&self, id: &str) -> Result<Arc<Partial>, Trouble> {
        self.open().get(id).cloned().ok_or_else(|| unknown(id))
    }

    /// What must hold of what is wished before a byte of it is taken.
    ///
    /// # Errors
    /// `invalid`, with a sentence for who sends it.
    fn check(&self, wish: &Wish) -> Result<(), Trouble> {
        let known: Vec<ProductName> =
            core::read(&self.desk.library.board).image_files().active.keys().cloned().collect();
        let product = ProductName::parse(&wish.product).filter(|product| known.contains(product)).ok_or_else(|| {
            let all: Vec<String> = known.iter().map(|product| format!("'{product}'")).collect();
            Refusal::Invalid(format!("Invalid product_type: {}. Must be {}", wish.product, all.join(" or ")))
        })?;
        if wish.sha256.as_deref().is_some_and(|text| Digest::parse(text).is_none()) {
            return Err(Refusal::Invalid("sha256 is 64 hex digits".into()).into());
        }
        let edition = Edition::new(product, wish.file.clone(), Timestamp::default());
        edition.described(wish.description.as_deref(), wish.version.as_deref())?;
        Ok(())
    }

    /// Begins an upload of `room` bytes at most.
    ///
    /// # Errors
    /// `invalid` for a name or a size that cannot be taken; `conflict` if that name is taken or on its way; `busy` if
    /// too many are under way; `no-room`.
    fn begin(&self, wish: Wish, room: u64) -> Result<Arc<Partial>, Trouble> {
        check_name(&wish.file)?;
        if room == 0 || wish.size == Some(0) {
            return Err(Refusal::Invalid("An empty file is no image".into()).into());
        }
        let mut open = self.open();
        if let Some(other) = open.values().find(|partial| partial.file_name() == wish.file) {
            let sentence =
                format!("{} is being uploaded already (upload {}): go on with that, or end it", wish.file, other.id);
            return Err(Refusal::Conflict(sentence).into());
        }
        if fs::symlink_metadata(self.desk.images.join(&wish.file)).is_ok() {
            let sentence = format!("{} is there already; machines may be reading it: choose another name", wish.file);
            return Err(Refusal::Conflict(sentence).into());
        }
        if open.len() >= OPEN_MAX {
            let idle = open.values().filter(|partial| partial.idle() > IDLE).max_by_key(|partial| partial.idle());
            let Some(idle) = idle.cloned() else {
                let refusal = Refusal::Busy("uploads under way; wait for one, or end one");
                core::count(&self.desk.library.board, &refusal);
                return Err(refusal.into());
            };
            open.remove(&idle.id);
            idle.remove();
        }
        let promised: u64 = open.values().map(|partial| partial.missing()).sum();
        self.find_room(room, promised)?;
        let id = secret::new()[..32].to_owned();
        let partial = Partial::create(&self.hidden, id, wish, room)
            .map_err(|error| Trouble::of_disk(&error, "The upload cannot be kept"))?;
        let partial = Arc::new(partial);
        open.insert(partial.id.clone(), partial.clone());
        Ok(partial)
    }

    /// Whether the disk has room for that many bytes beside those that others were promised.
    fn find_room(&self, wanted: u64, promised: u64) -> Result<(), Trouble> {
        let stat = statvfs(&self.desk.images).map_err(Trouble::internal)?;
        let unit = stat.fragment_size();
        let (free, total) = (stat.blocks_available() * unit, stat.blocks() * unit);
        let usable = free.saturating_sub(RESERVE.min(total / 20)).saturating_sub(promised);
        if wanted <= usable {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        Err(Trouble::no_room(format!(
            "There is no room for it: it has {} MiB, and {} MiB can be used. Remove images that nobody needs",
            mib(wanted),
            usable >> 20
        )))
    }

    /// Ends an upload that is not whole; nothing of it stays.
    ///
    /// # Errors
    /// `not-found`; `conflict` if it is becoming an image this moment.
    pub fn give_up(&self, id: &str) -> Result<String, Trouble> {
        let partial = self.find(id)?;
        if !partial.give_up() {
            return Err(Refusal::Conflict("It is whole already, and becomes an image this moment".into()).into());
        }
        self.open().remove(id);
        partial.remove();
        Ok(format!("The upload of {} is ended", partial.file_name()))
    }

    /// Takes up what was under way when the server ended, and removes what is too old or belongs to nothing.
    pub async fn restore(self: &Arc<Self>) {
        let Ok(entries) = fs::read_dir(&self.hidden) else { return };
        let files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        for path in &files {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let note = self.hidden.join(format!("{stem}.json"));
            let is_note = *path == note;
            let kept = if is_note { self.take_up(stem, &note).await } else { files.contains(&note) };
            if !kept && let Err(error) = fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "a remnant of an upload was not removed");
            }
        }
    }

    /// Goes on with the upload of a note; `false` if there is nothing to go on with. Its other file goes with the note.
    async fn take_up(self: &Arc<Self>, id: &str, path: &Path) -> bool {
        let part = self.hidden.join(format!("{id}{PARTIAL}"));
        let remove_part = || match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(%error, "a remnant of an upload"),
            _ => {}
        };
        let age = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let fresh = age.is_some_and(|then| SystemTime::now().duration_since(then).is_ok_and(|age| age < EXPIRES));
        let Some(note) = Note::read(path).filter(|note| fresh && check_name(&note.wish.file).is_ok()) else {
            remove_part();
            return false;
        };
        if !part.exists() {
            // It got its name, and the server ended before the journal was told.
            if let Some(found) = note.found.clone() {
                self.enrol_again(&note, found).await;
            }
            return false;
        }
        match Partial::restore(&self.hidden, id.to_owned(), note) {
            Ok(partial) => {
                let partial = Arc::new(partial);
                self.open().insert(partial.id.clone(), partial.clone());
                tracing::info!(file = partial.file_name(), offset = partial.written(), "an upload can be gone on with");
                if partial.is_whole() && self.end(&partial).await.is_err() {
                    // It failed, and is gone; why is in the log.
                    return false;
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, "an upload cannot be gone on with");
                remove_part();
                false
            }
        }
    }

    /// Removes what nobody goes on with.
    pub fn sweep(&self) {
        let old = |partial: &Partial| partial.idle() > EXPIRES && partial.give_up();
        self.open().retain(|_, partial| {
            let over = old(partial);
            if over {
                partial.remove();
                tracing::info!(file = partial.file_name(), "an upload that nobody went on with was removed");
            }
            !over
        });
    }
}

fn check_name(name: &str) -> Result<(), Trouble> {
    if is_file_name(name) && !name.ends_with(PARTIAL) {
        return Ok(());
    }
    let rule = format!(
        "It may have letters, digits, dots, hyphens, underscores and plus signs, {FILE_NAME_MAX} at most, begins with a \
         letter or a digit, and does not end in {PARTIAL}"
    );
    Err(Refusal::Invalid(format!("'{name}' is no name for an image. {rule}")).into())
}

fn unknown(id: &str) -> Trouble {
    Refusal::NotFound(format!("There is no upload {id}: it was ended, is too old, or never began")).into()
}
