//! Watches the image files of every product: a file is hashed once, and again only when its size, time or inode changes.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::core::{SharedBoard, read};
use super::inbox::Inbox;
use crate::catalog::{Image, ImageState};
use crate::fleet::{Event, Measured};
use crate::ids::{Digest, ProductName};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// Bytes hashed between two looks at whether to stop.
const CHUNK: usize = 1 << 20;

/// The image files, watched by one thread.
#[derive(Debug)]
pub struct Watch {
    /// The image directory.
    pub directory: PathBuf,
    /// Where it stands which file is whose.
    pub board: SharedBoard,
    /// What the journal remembers, by file name.
    pub measured: BTreeMap<String, Measured>,
    /// Where findings go.
    pub inbox: Inbox,
}

/// What was said last of each product: the file and how it stands.
type Told = BTreeMap<ProductName, (String, ImageState)>;

impl Watch {
    /// Looks at every file until `stop` is set.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut told: Told = BTreeMap::new();
        while !stop.load(Ordering::Relaxed) {
            let files = read(&self.board).image_files().clone();
            for (product, file) in &files.active {
                if told.get(product).is_some_and(|(before, _)| before != file) {
                    told.remove(product);
                }
                self.look(product, file, &mut told, stop);
            }
            // One at a time: the images in use come first again.
            if !self.measure_spare(&files.spare, stop) {
                std::thread::park_timeout(INTERVAL);
            }
        }
    }

    /// Hashes one of the files that may be activated later; whether there was one.
    fn measure_spare(&mut self, spare: &[(ProductName, String)], stop: &AtomicBool) -> bool {
        let unknown = spare.iter().find(|(_, file)| {
            let metadata = std::fs::metadata(self.directory.join(file)).ok().filter(Metadata::is_file);
            let known = self.measured.get(file);
            metadata.is_some_and(|metadata| !known.is_some_and(|known| is_unchanged(known, &metadata)))
        });
        let Some((product, file)) = unknown else { return false };
        let path = self.directory.join(file);
        match measure(&path, file, stop) {
            Ok(Some(measured)) => {
                self.measured.insert(file.clone(), measured.clone());
                let (product, state) = (product.clone(), ImageState::Ready(measured.image.clone()));
                self.inbox.tell(Event::Image { product, state, measured: Some(measured) });
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "image cannot be read");
                false
            }
        }
    }

    fn look(&mut self, product: &ProductName, file: &str, told: &mut Told, stop: &AtomicBool) {
        let path = self.directory.join(file);
        let Some(metadata) = std::fs::metadata(&path).ok().filter(Metadata::is_file) else {
            return self.tell(product, file, ImageState::Missing, None, told);
        };
        let known = self.measured.get(file).filter(|known| is_unchanged(known, &metadata)).cloned();
        if let Some(known) = known {
            return self.tell(product, file, ImageState::Ready(known.image), None, told);
        }
        self.tell(product, file, ImageState::Measuring, None, told);
        match measure(&path, file, stop) {
            Ok(Some(measured)) => {
                self.measured.insert(file.to_owned(), measured.clone());
                self.tell(product, file, ImageState::Ready(measured.image.clone()), Some(measured), told);
            }
            // Changed while it was read, or told to stop: the next look begins anew.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "image cannot be read");
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
    known.image.size == metadata.len()
        && known.modified_nanos == modified_nanos(metadata)
        && known.inode == metadata.ino()
}

fn modified_nanos(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Hashes the file; `None` if it changed meanwhile or `stop` was set.
fn measure(path: &Path, name: &str, stop: &AtomicBool) -> io::Result<Option<Measured>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let length = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..length]);
    }
    let image = Image { file: name.to_owned(), size: metadata.len(), digest: Digest(hasher.finalize().into()) };
    let measured = Measured { image, modified_nanos: modified_nanos(&metadata), inode: metadata.ino() };
    Ok(is_unchanged(&measured, &std::fs::metadata(path)?).then_some(measured))
}
