//! `hatchery image …`: image files into the image directory, and which of them machines get.
//!
//! A file appears under its name when all of it is on disk; until then it ends in `.part`, which goes away when the
//! command ends, however it is ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::INTERRUPTED;
use super::ask::{reply, show, table};
use super::interrupt::Interrupt;
use crate::boot::file::PARTIAL;
use crate::cli::{Image, ImageAdd};
use crate::serve::control::Request;

const COLUMNS: [&str; 7] = ["product_type", "version", "file", "size", "active", "since", "sha256"];

/// Bytes copied between two looks at whether to stop.
const CHUNK: usize = 4 << 20;

/// How often the server is asked whether it has hashed the image.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Does what was asked.
pub fn run(args: &Image) -> anyhow::Result<ExitCode> {
    match args {
        Image::Add(args) => add(args),
        Image::List(ask) => show(ask, &Request::Images, |all| table(all, &COLUMNS, "no product is configured")),
        Image::Activate(args) => {
            let (product, image) = (args.product.clone(), args.image.clone());
            show(&args.ask, &Request::ImageActivate { product, image }, row)
        }
    }
}

fn row(image: &Value) -> String {
    table(&json!([image]), &COLUMNS, "")
}

fn add(args: &ImageAdd) -> anyhow::Result<ExitCode> {
    let name = args.file.file_name().and_then(|name| name.to_str()).context("the image needs a file name in UTF-8")?;
    let directory = match reply(&args.ask, &Request::ImageDirectory)? {
        Ok(directory) => PathBuf::from(directory.as_str().unwrap_or_default()),
        Err(code) => return Ok(code),
    };
    let interrupt = Interrupt::listen()?;
    match bring(&args.file, &directory.join(name), args.link, &interrupt) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return interrupted("; nothing was added"),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot bring {} to {}", args.file.display(), directory.display()));
        }
    }
    let (product, file, version) = (args.product.clone(), name.to_owned(), args.version.clone());
    let request = Request::ImageAdd { product: product.clone(), file: file.clone(), version };
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
    show(&args.ask, &Request::ImageActivate { product, image: file }, row)
}

fn interrupted(what: &str) -> anyhow::Result<ExitCode> {
    eprintln!("hatchery: interrupted{what}");
    Ok(ExitCode::from(INTERRUPTED))
}

/// Makes `target` of `source`, all of it or nothing; [`io::ErrorKind::Interrupted`] if told to stop.
fn bring(source: &Path, target: &Path, link: bool, interrupt: &Interrupt) -> io::Result<()> {
    let mut file = File::open(source)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    match fs::metadata(target) {
        Ok(there) if (there.dev(), there.ino()) == (metadata.dev(), metadata.ino()) => return Ok(()),
        Ok(_) => {
            let text =
                format!("{} is there already; machines may be reading it: choose another name", target.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if link {
        return fs::hard_link(source, target);
    }
    let part = Part::new(target)?;
    copy(&mut file, &part.file, metadata.len(), interrupt)?;
    part.finish(target)
}

fn copy(from: &mut File, mut to: &File, size: u64, interrupt: &Interrupt) -> io::Result<()> {
    let style = ProgressStyle::with_template("{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}");
    let bar = ProgressBar::new(size).with_style(style.expect("the template is ours"));
    let mut buffer = vec![0; CHUNK];
    loop {
        if interrupt.came() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..length])?;
        bar.inc(length as u64);
    }
    bar.finish_and_clear();
    Ok(())
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
