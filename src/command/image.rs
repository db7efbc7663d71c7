//! `hatchery image …`: image files into the image directory, and which of them machines get.
//!
//! A file is measured while it is copied, in one pass: what is cut off or damaged never gets there.
//!
//! A file appears under its name when all of it is on disk; until then it ends in `.part`, which goes away when the
//! command ends, however it is ended.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::INTERRUPTED;
use super::ask::{cell, reply, sentence, show, table, wrong};
use super::interrupt::Interrupt;
use crate::boot::file::PARTIAL;
use crate::cli::{Image, ImageActivate, ImageAdd, ImageDescribe, OneImage};
use crate::disk::content::{self, Measure};
use crate::serve::control::{Found, Request};
use crate::serve::images;

const COLUMNS: [&str; 11] = [
    "product_type",
    "version",
    "file",
    "format",
    "size",
    "raw_size",
    "active",
    "since",
    "machines",
    "description",
    "sha256",
];

/// How often the server is asked whether it has hashed the image.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Does what was asked.
pub fn run(args: &Image) -> anyhow::Result<ExitCode> {
    match args {
        Image::Add(args) => add(args),
        Image::List(ask) => show(ask, &Request::Images, |all| rows(all, "no product is configured")),
        Image::Activate(ImageActivate { one, force }) => {
            let (product, image) = named(one);
            show(&one.ask, &Request::ImageActivate { product, image, force: *force }, row)
        }
        Image::Describe(ImageDescribe { one, description, version }) => {
            let (product, image) = named(one);
            let (description, version) = (description.clone(), version.clone());
            show(&one.ask, &Request::ImageDescribe { product, image, description, version }, row)
        }
        Image::Deprecate(one) => deprecate(one, true),
        Image::Undeprecate(one) => deprecate(one, false),
        Image::Remove(one) => {
            let (product, image) = named(one);
            show(&one.ask, &Request::ImageRemove { product, image }, sentence)
        }
    }
}

fn named(one: &OneImage) -> (String, String) {
    (one.product.clone(), one.image.clone())
}

fn deprecate(one: &OneImage, deprecated: bool) -> anyhow::Result<ExitCode> {
    let (product, image) = named(one);
    show(&one.ask, &Request::ImageDeprecate { product, image, deprecated }, row)
}

fn row(image: &Value) -> String {
    rows(&json!([image]), "")
}

/// A line for each image, and behind them what speaks against it.
fn rows(images: &Value, empty: &str) -> String {
    let mut images = images.clone();
    let mut warnings = String::new();
    for image in images.as_array_mut().into_iter().flatten() {
        let word = |key: &str| image[key].as_str().filter(|word| !["none", "disk", "unknown"].contains(word));
        let format: Vec<&str> = word("kind").into_iter().chain(word("compression")).collect();
        let format = if format.is_empty() { "raw".to_owned() } else { format.join(" ") };
        for warning in image["warnings"].as_array().into_iter().flatten() {
            warnings += &format!("warning: {}: {}\n", cell(image.get("file")), cell(Some(warning)));
        }
        if !image["deprecated_since"].is_null() {
            warnings += &format!("deprecated: {}\n", cell(image.get("file")));
        }
        image["format"] = if image["compression"].is_null() { Value::Null } else { json!(format) };
    }
    table(&images, &COLUMNS, empty) + &warnings
}

fn add(args: &ImageAdd) -> anyhow::Result<ExitCode> {
    let name = args.file.file_name().and_then(|name| name.to_str()).context("the image needs a file name in UTF-8")?;
    let directory = match reply(&args.ask, &Request::ImageDirectory)? {
        Ok(directory) => PathBuf::from(directory.as_str().unwrap_or_default()),
        Err(code) => return Ok(code),
    };
    let interrupt = Interrupt::listen()?;
    let found = match bring(&args.file, &directory.join(name), args.link, &interrupt) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return interrupted("; nothing was added"),
        // No fault of the disk: the image itself is wrong.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            return wrong(&args.ask, &[format!("{}: {error}", args.file.display())]);
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot bring {} to {}", args.file.display(), directory.display()));
        }
    };
    let (product, file, version) = (args.product.clone(), name.to_owned(), args.version.clone());
    let request = Request::ImageAdd { product: product.clone(), file: file.clone(), version, found: Some(found) };
    if !args.activate {
        return show(&args.ask, &request, row);
    }
    let mut added = match reply(&args.ask, &request)? {
        Ok(added) => added,
        Err(code) => return Ok(code),
    };
    while added["sha256"].is_null() {
        if interrupt.came() {
            return interrupted("; the image was added and not activated");
        }
        std::thread::sleep(LOOK_AGAIN);
        let all = match reply(&args.ask, &Request::Images)? {
            Ok(all) => all,
            Err(code) => return Ok(code),
        };
        let same = |row: &&Value| row["file"] == added["file"] && row["product_type"] == added["product_type"];
        added = all.as_array().and_then(|all| all.iter().find(same)).cloned().context("the image is gone again")?;
    }
    show(&args.ask, &Request::ImageActivate { product, image: file, force: false }, row)
}

fn interrupted(what: &str) -> anyhow::Result<ExitCode> {
    eprintln!("hatchery: interrupted{what}");
    Ok(ExitCode::from(INTERRUPTED))
}

/// Makes `target` of `source`, all of it or nothing, and says what is in it; [`io::ErrorKind::Interrupted`] if told to
/// stop.
pub(super) fn bring(source: &Path, target: &Path, link: bool, interrupt: &Interrupt) -> io::Result<Found> {
    let file = File::open(source)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let size = metadata.len();
    match fs::metadata(target) {
        Ok(there) if (there.dev(), there.ino()) == (metadata.dev(), metadata.ino()) => {
            let measure = check(Source { file, copy: None }, size, interrupt)?;
            return looked_into(source, target, measure, &metadata);
        }
        Ok(_) => {
            let text =
                format!("{} is there already; machines may be reading it: choose another name", target.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if link {
        let measure = check(Source { file, copy: None }, size, interrupt)?;
        let found = looked_into(source, target, measure, &metadata)?;
        fs::hard_link(source, target)?;
        return Ok(found);
    }
    let part = Part::new(target)?;
    let copy = Some(part.file.try_clone()?);
    let measure = check(Source { file, copy }, size, interrupt)?;
    let found = looked_into(&part.path, target, measure, &part.file.metadata()?)?;
    part.finish(target)?;
    Ok(found)
}

/// What was measured of the file at `path` that becomes `target`, and what a look into it adds. It must still be the one
/// of `before`.
fn looked_into(path: &Path, target: &Path, measure: Measure, before: &Metadata) -> io::Result<Found> {
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let measured = images::identify(path, name, before, measure)?;
    let measured = measured.ok_or_else(|| io::Error::other("it was written to while it was read"))?;
    Ok(Found::new(&measured))
}

/// Reads all of the source, and shows how far that is.
fn check(source: Source, size: u64, interrupt: &Interrupt) -> io::Result<Measure> {
    let template = "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is ours");
    let bar = ProgressBar::new(size).with_style(style);
    let measure = content::measure(source, |read| {
        bar.set_position(read);
        !interrupt.came()
    })?;
    bar.finish_and_clear();
    if measure.size == size { Ok(measure) } else { Err(io::Error::other("it was written to while it was read")) }
}

/// A file whose bytes are copied as they are read.
struct Source {
    file: File,
    copy: Option<File>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..length])?;
        }
        Ok(length)
    }
}

/// A file that is not whole yet; removed unless it is finished.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn new(target: &Path) -> io::Result<Part> {
        let mut path = target.as_os_str().to_owned();
        path.push(PARTIAL);
        let path = PathBuf::from(path);
        // Another import may be writing to it.
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| {
            let hint = format!("{}: {error}; if no other import runs, remove it", path.display());
            if error.kind() == io::ErrorKind::AlreadyExists { io::Error::new(error.kind(), hint) } else { error }
        })?;
        Ok(Part { path, file })
    }

    fn finish(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        match target.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already, once it was finished.
        let _ = fs::remove_file(&self.path);
    }
}
