//! An OS image: unpacked if it is packed, and where its two partitions lie.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::compression::{self, Compression};
use crate::disk::ext4::FileSystem;
use crate::disk::partitions::{self, Kind, Partition};
use crate::environment::{BuildError, Watch};

/// Bytes written at once; as many zeros leave a hole.
const CHUNK: usize = 1 << 20;

/// An image, readable at any place.
#[derive(Debug)]
pub(super) struct Image {
    name: String,
    file: File,
    pub(super) boot: Partition,
    root: Partition,
}

/// Opens an image. A packed one is unpacked into `scratch`, to a file without a name.
pub(super) fn open(path: &Path, scratch: &Path, watch: &dyn Watch) -> Result<Image, BuildError> {
    let name = path.display().to_string();
    let mut file = File::open(path).map_err(BuildError::io(&name))?;
    let mut head = Vec::new();
    let size = file.metadata().map_err(BuildError::io(&name))?.len();
    (&file).take(compression::HEAD as u64).read_to_end(&mut head).map_err(BuildError::io(&name))?;
    file.rewind().map_err(BuildError::io(&name))?;
    let compression = Compression::recognise(&head);
    let file = match compression {
        Compression::None => file,
        packed => {
            watch.step(&format!("unpacking {name}"), Some(size));
            unpack(file, packed, scratch, watch).map_err(|error| match watch.stopped() {
                true => BuildError::Interrupted,
                false => BuildError::io(&name)(error),
            })?
        }
    };
    let unfit = |what: &str| {
        BuildError::Unfit(format!(
            "{name} {what}; take an image of Raspberry Pi OS: .img, .img.xz, .img.gz or .img.zst"
        ))
    };
    let size = file.metadata().map_err(BuildError::io(&name))?.len();
    let table = partitions::read(&mut &file, size).map_err(BuildError::io(&name))?;
    let table = table.ok_or_else(|| unfit("has no partition table"))?;
    let mut all = table.partitions.into_iter();
    let boot = all.find(|one| matches!(one.kind, Kind::Fat | Kind::Esp));
    let boot = boot.ok_or_else(|| unfit("has no FAT partition"))?;
    let root = all.find(|one| one.kind == Kind::Linux);
    let root = root.ok_or_else(|| unfit("has no Linux partition behind its FAT partition"))?;
    Ok(Image { name, file, boot, root })
}

impl Image {
    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A handle of its own to the bytes.
    pub(super) fn bytes(&self) -> Result<File, BuildError> {
        self.file.try_clone().map_err(BuildError::io(&self.name))
    }

    /// Its root file system.
    pub(super) fn root(&self) -> Result<FileSystem, BuildError> {
        let what = format!("partition {} of {}", self.root.number, self.name);
        FileSystem::open(self.bytes()?, self.root.start, self.root.length).map_err(BuildError::io(what))
    }
}

fn unpack(file: File, packed: Compression, scratch: &Path, watch: &dyn Watch) -> io::Result<File> {
    let read = Arc::new(AtomicU64::new(0));
    let mut decoder = compression::decoder(packed, Counted { file, read: read.clone() })?;
    let mut out = nameless(scratch)?;
    let mut buffer = vec![0; CHUNK];
    let (mut length, mut told) = (0_u64, 0);
    loop {
        if watch.stopped() {
            return Err(io::Error::other("stopped"));
        }
        let mut filled = 0;
        while filled < CHUNK {
            match decoder.read(&mut buffer[filled..])? {
                0 => break,
                more => filled += more,
            }
        }
        if filled == 0 {
            break;
        }
        if buffer[..filled].iter().any(|byte| *byte != 0) {
            out.seek(SeekFrom::Start(length))?;
            out.write_all(&buffer[..filled])?;
        }
        length += filled as u64;
        let now = read.load(Ordering::Relaxed);
        watch.advance(now - told);
        told = now;
    }
    out.set_len(length)?;
    Ok(out)
}

/// A file that goes away with its handle, however we end.
fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join("image");
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Counts what is read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
