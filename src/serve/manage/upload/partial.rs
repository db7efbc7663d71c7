//! One half-open upload: the file that grows, and the thread that reads after it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::note::{Note, Wish};
use super::{Refusal, Trouble};
use crate::boot::file::PARTIAL;
use crate::disk::content::{self, Measure};
use crate::serve::control::Found;

/// So many bytes may be not on disk for certain yet. Also keeps the kernel from piling up gigabytes to write at the end.
const SYNC_EVERY: u64 = 64 << 20;

/// How far it is.
#[derive(Debug, Default)]
struct Progress {
    wish: Wish,
    written: u64,
    synced: u64,
    whole: bool,
    /// Nobody wants it any more.
    given_up: bool,
    /// It gets its name this moment: too late to give up.
    placing: bool,
    reading: bool,
    checking: bool,
    /// Bytes that the reader has seen.
    checked: u64,
    /// What the reader found.
    measured: Option<Result<Measure, Trouble>>,
    touched: Option<Instant>,
}

/// A half-open upload.
#[derive(Debug)]
pub(super) struct Partial {
    pub id: String,
    pub began: Instant,
    /// Bytes that were found room for.
    room: u64,
    pub part: PathBuf,
    note: PathBuf,
    file: File,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// Who may write: one request at a time, the latest.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    pub turns: watch::Sender<u64>,
    /// Set when the reader is through.
    pub read: watch::Sender<bool>,
    /// Set when it is over.
    pub over: watch::Sender<Option<Result<Value, Trouble>>>,
}

impl Partial {
    /// A new one.
    pub fn create(hidden: &Path, id: String, wish: Wish, room: u64) -> io::Result<Partial> {
        match DirBuilder::new().mode(0o700).create(hidden) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let partial = Partial::opened(hidden, id, wish, room, true)?;
        partial.note_down(None).inspect_err(|_| partial.remove())?;
        Ok(partial)
    }

    /// One that a server before this one began: what was not on disk for certain is cut off.
    pub fn restore(hidden: &Path, id: String, note: Note) -> io::Result<Partial> {
        let Note { wish, synced, whole, .. } = note;
        // The server may have ended between the last byte and the word that it was the last.
        let whole = whole || wish.size == Some(synced);
        // Without a known size only the request that brought it could say that it is whole.
        if wish.size.is_none() && !whole {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the form that brought it broke off"));
        }
        let room = wish.size.unwrap_or(synced);
        let partial = Partial::opened(hidden, id, wish, room, false)?;
        let length = partial.file.metadata()?.len();
        if length < synced {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its file is shorter than it was"));
        }
        partial.file.set_len(synced)?;
        let mut progress = partial.progress();
        (progress.written, progress.synced, progress.whole) = (synced, synced, whole);
        drop(progress);
        Ok(partial)
    }

    fn opened(hidden: &Path, id: String, wish: Wish, room: u64, new: bool) -> io::Result<Partial> {
        let part = hidden.join(format!("{id}{PARTIAL}"));
        // Machines read it over HTTP, and who else may read it is as with any new file there.
        let file = OpenOptions::new().read(true).write(true).create_new(new).mode(0o644).open(&part)?;
        Ok(Partial {
            began: Instant::now(),
            room,
            note: hidden.join(format!("{id}.json")),
            part,
            id,
            file,
            progress: Mutex::new(Progress { wish, touched: Some(Instant::now()), ..Progress::default() }),
            changed: Condvar::new(),
            turn: Arc::default(),
            turns: watch::Sender::new(0),
            read: watch::Sender::new(false),
            over: watch::Sender::new(None),
        })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What is to become of it.
    pub fn wish(&self) -> Wish {
        self.progress().wish.clone()
    }

    /// What was learnt late of what is to become of it.
    pub fn set_wish(&self, wish: Wish) {
        self.progress().wish = wish;
    }

    /// The name that it is to have.
    pub fn file_name(&self) -> String {
        self.progress().wish.file.clone()
    }

    /// Bytes taken so far.
    pub fn written(&self) -> u64 {
        self.progress().written
    }

    /// Bytes still to come, at most.
    pub fn missing(&self) -> u64 {
        self.room.saturating_sub(self.progress().written)
    }

    /// Bytes that it may have.
    pub fn room(&self) -> u64 {
        self.room
    }

    /// Whether all of it is there.
    pub fn is_whole(&self) -> bool {
        self.progress().whole
    }

    /// How long nobody went on with it; no time at all while it is being checked.
    pub fn idle(&self) -> Duration {
        let progress = self.progress();
        let since = progress.touched.filter(|_| !progress.whole);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// As programs see it.
    pub fn shown(&self) -> Value {
        let progress = self.progress();
        let Wish { file, product, version, description, sha256, activate, size, by } = &progress.wish;
        json!({
            "activate": activate,
            "by": by,
            "checked": progress.checked,
            "description": description,
            "file": file,
            "id": self.id,
            "offset": progress.written,
            "product_type": product,
            "sha256": sha256,
            "size": size,
            "state": if progress.whole { "checking" } else { "receiving" },
            "version": version,
        })
    }

    /// Writes the next bytes behind those that are there.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let at = self.progress().written;
        self.file.write_all_at(bytes, at)?;
        let mut progress = self.progress();
        progress.written = at + bytes.len() as u64;
        progress.touched = Some(Instant::now());
        let due = progress.written - progress.synced >= SYNC_EVERY;
        drop(progress);
        self.changed.notify_all();
        if due { self.sync() } else { Ok(()) }
    }

    /// Waits until what was written is on disk, and writes that down.
    pub fn sync(&self) -> io::Result<()> {
        let (written, synced) = {
            let progress = self.progress();
            (progress.written, progress.synced)
        };
        if written == synced {
            return Ok(());
        }
        self.file.sync_data()?;
        self.progress().synced = written;
        self.note_down(None)
    }

    /// Whether it is not being checked yet; from here on it is.
    pub fn begin_checking(&self) -> bool {
        !std::mem::replace(&mut self.progress().checking, true)
    }

    /// That was all of it.
    pub fn end(&self) -> io::Result<()> {
        self.sync()?;
        let mut progress = self.progress();
        progress.whole = true;
        progress.wish.size = Some(progress.written);
        drop(progress);
        self.changed.notify_all();
        self.note_down(None)
    }

    /// Writes down how it stands, and what was found in it.
    pub fn note_down(&self, found: Option<Found>) -> io::Result<()> {
        let note = {
            let progress = self.progress();
            Note { wish: progress.wish.clone(), synced: progress.synced, whole: progress.whole, found }
        };
        note.write(&self.note)
    }

    /// What speaks against going on: the reader found that it is no image.
    pub fn objection(&self) -> Option<Trouble> {
        let progress = self.progress();
        if progress.given_up {
            return Some(Refusal::Conflict("The upload was ended".into()).into());
        }
        progress.measured.as_ref().and_then(|measured| measured.as_ref().err().cloned())
    }

    /// What the reader found, once it is through.
    pub fn measured(&self) -> Option<Result<Measure, Trouble>> {
        self.progress().measured.clone()
    }

    /// From here on it cannot be given up; `false` if it was.
    pub fn begin_placing(&self) -> bool {
        let mut progress = self.progress();
        progress.placing = !progress.given_up;
        progress.placing
    }

    /// Stops whoever works on it; `false` if it is too late.
    pub fn give_up(&self) -> bool {
        let mut progress = self.progress();
        if progress.placing {
            return false;
        }
        progress.given_up = true;
        drop(progress);
        self.stop();
        true
    }

    fn stop(&self) {
        self.changed.notify_all();
        self.turns.send_modify(|turn| *turn += 1);
    }

    /// Takes its files away, whatever becomes of who works on them.
    pub fn remove(&self) {
        self.progress().given_up = true;
        self.stop();
        // First the bytes: a note without them is nothing, and is swept.
        for path in [&self.part, &self.note, &self.note.with_extension("new")] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a remnant of an upload was not removed");
                }
                _ => {}
            }
        }
    }

    /// Starts the reader, unless it runs. One begins at the first byte, so after a restart what is there is read anew.
    pub fn read_along(self: &Arc<Self>) -> io::Result<()> {
        if std::mem::replace(&mut self.progress().reading, true) {
            return Ok(());
        }
        let follower = Follower { partial: self.clone(), file: self.file.try_clone()?, at: 0 };
        let partial = self.clone();
        let read = move || {
            let go_on = |checked: u64| {
                let mut progress = partial.progress();
                progress.checked = checked;
                !progress.given_up
            };
            let measured = content::measure(follower, go_on).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    let file = partial.file_name();
                    Refusal::Invalid(format!("{file} cannot be used: {error}. Nothing was kept")).into()
                }
                _ => Trouble::internal(format!("it could not be read: {error}")),
            });
            partial.progress().measured = Some(measured);
            partial.read.send_replace(true);
        };
        std::thread::Builder::new().name("upload".into()).spawn(read)?;
        Ok(())
    }
}

/// The file as it grows; at its end once it is whole.
struct Follower {
    partial: Arc<Partial>,
    file: File,
    at: u64,
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut progress = self.partial.progress();
        let end = loop {
            if progress.given_up {
                return Err(io::Error::other("nobody wants it any more"));
            }
            if progress.written > self.at || progress.whole {
                break progress.written;
            }
            progress = self.partial.changed.wait(progress).unwrap_or_else(|poisoned| poisoned.into_inner());
        };
        drop(progress);
        let most = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}
