//! Watches the image files of every product: a file is measured once, and again only when its size, time or inode changes.
//!
//! What `hatchery image add` measured while it copied is not measured again.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::core::{SharedBoard, read};
use super::inbox::Inbox;
use crate::catalog::{Image, ImageState};
use crate::disk::content;
use crate::fleet::{Event, Measured};
use crate::ids::ProductName;
use crate::image::Content;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// What was measured, by file name; shared by those who measure.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<BTreeMap<String, Measured>>>);

impl Known {
    /// What the journal remembers.
    pub fn new(measured: BTreeMap<String, Measured>) -> Known {
        Known(Arc::new(Mutex::new(measured)))
    }

    /// Takes note of a measured file.
    pub fn add(&self, measured: Measured) {
        self.all().insert(measured.image.file.clone(), measured);
    }

    /// What is known of the file, if it is still the same.
    fn of(&self, file: &str, metadata: &Metadata) -> Option<Measured> {
        self.all().get(file).filter(|known| is_unchanged(known, metadata)).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Measured>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The image files, watched by one thread.
#[derive(Debug)]
pub struct Watch {
    /// The image directory.
    pub directory: PathBuf,
    /// Where it stands which file is whose.
    pub board: SharedBoard,
    /// What is known already.
    pub known: Known,
    /// Where findings go.
    pub inbox: Inbox,
}

/// What was said last of each product: the file and how it stands.
type Told = BTreeMap<ProductName, (String, ImageState)>;

/// Files that could not be measured, as they were then: the same bytes fail again.
type Broken = BTreeMap<String, (u64, i64, u64)>;

impl Watch {
    /// Looks at every file until `stop` is set.
    pub fn run(self, stop: &AtomicBool) {
        let mut told: Told = BTreeMap::new();
        let mut broken = Broken::new();
        while !stop.load(Ordering::Relaxed) {
            let files = read(&self.board).image_files().clone();
            for (product, file) in &files.active {
                if told.get(product).is_some_and(|(before, _)| before != file) {
                    told.remove(product);
                }
                self.look(product, file, &mut told, &mut broken, stop);
            }
            // One at a time: the images in use come first again.
            if !self.measure_spare(&files.spare, &mut broken, stop) {
                std::thread::park_timeout(INTERVAL);
            }
        }
    }

    /// Measures one of the files that may be activated later; whether there was one.
    fn measure_spare(&self, spare: &[(ProductName, String)], broken: &mut Broken, stop: &AtomicBool) -> bool {
        let unknown = spare.iter().find_map(|(product, file)| {
            let metadata = std::fs::metadata(self.directory.join(file)).ok().filter(Metadata::is_file)?;
            let known = self.known.of(file, &metadata).is_some() || broken.get(file) == Some(&identity(&metadata));
            (!known).then_some((product, file, metadata))
        });
        let Some((product, file, metadata)) = unknown else { return false };
        let path = self.directory.join(file);
        match measure(&path, file, |_| !stop.load(Ordering::Relaxed)) {
            Ok(Some(measured)) => {
                self.known.add(measured.clone());
                let (product, state) = (product.clone(), ImageState::Ready(measured.image.clone()));
                self.inbox.tell(Event::Image { product, state, measured: Some(measured) });
                true
            }
            Ok(None) => false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "image cannot be used");
                broken.insert(file.clone(), identity(&metadata));
                true
            }
        }
    }

    fn look(&self, product: &ProductName, file: &str, told: &mut Told, broken: &mut Broken, stop: &AtomicBool) {
        let path = self.directory.join(file);
        let Some(metadata) = std::fs::metadata(&path).ok().filter(Metadata::is_file) else {
            return self.tell(product, file, ImageState::Missing, None, told);
        };
        if let Some(known) = self.known.of(file, &metadata) {
            return self.tell(product, file, ImageState::Ready(known.image), None, told);
        }
        if broken.get(file) == Some(&identity(&metadata)) {
            return;
        }
        self.tell(product, file, ImageState::Measuring, None, told);
        match measure(&path, file, |_| !stop.load(Ordering::Relaxed)) {
            Ok(Some(measured)) => {
                self.known.add(measured.clone());
                self.tell(product, file, ImageState::Ready(measured.image.clone()), Some(measured), told);
            }
            // Changed while it was read, or told to stop: the next look begins anew.
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "image cannot be used");
                broken.insert(file.to_owned(), identity(&metadata));
                self.tell(product, file, ImageState::Missing, None, told);
            }
        }
    }

    fn tell(&self, product: &ProductName, file: &str, state: ImageState, measured: Option<Measured>, told: &mut Told) {
        let now = (file.to_owned(), state.clone());
        if told.get(product) != Some(&now) {
            told.insert(product.clone(), now);
            self.inbox.tell(Event::Image { product: product.clone(), state, measured });
        }
    }
}

fn is_unchanged(known: &Measured, metadata: &Metadata) -> bool {
    (known.image.size, known.modified_nanos, known.inode) == identity(metadata)
}

/// Takes an image file away, for good; one that is gone already is no error.
///
/// # Errors
/// Of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    path.parent().map_or(Ok(()), sync_directory)
}

/// Waits until the names in a directory are on disk.
///
/// # Errors
/// Of the file system.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What tells a file from another one of the same name: size, modification time and inode.
pub fn identity(metadata: &Metadata) -> (u64, i64, u64) {
    (metadata.len(), modified_nanos(metadata), metadata.ino())
}

fn modified_nanos(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Measures the file at `path`; `None` if it changed meanwhile. `go_on` hears how many bytes of it were read, and may
/// end it.
///
/// # Errors
/// As [`content::measure`] and [`content::look`].
pub fn measure(path: &Path, name: &str, mut go_on: impl FnMut(u64) -> bool) -> io::Result<Option<Measured>> {
    let file = File::open(path)?;
    let before = file.metadata()?;
    let found = content::measure(file, &mut go_on)?;
    identify(path, name, &before, found)
}

/// What was found in the file at `path`, with what tells it from a later one of that name; `None` if it is not the one
/// of `before` any more.
///
/// # Errors
/// As [`content::look`].
pub fn identify(path: &Path, name: &str, before: &Metadata, found: content::Measure) -> io::Result<Option<Measured>> {
    let content::Measure { size, digest, compression, raw_size, raw_digest, zero_runs } = found;
    let layout = content::look(compression, raw_size, || File::open(path))?;
    let content = Content { compression, size: raw_size, digest: raw_digest, zero_runs: zero_runs.into(), layout };
    let image = Image { file: name.to_owned(), size, digest, content };
    let measured = Measured { image, modified_nanos: modified_nanos(before), inode: before.ino() };
    Ok(is_unchanged(&measured, &std::fs::metadata(path)?).then_some(measured))
}
