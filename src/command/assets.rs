//! `hatchery assets …`: boot files into the boot directory, and what stands there.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::ask::table;
use super::interrupt::Interrupt;
use super::{INTERRUPTED, WRONG_INPUT, print};
use crate::archive::apt::AptError;
use crate::assets::Error;
use crate::assets::boots::{self, Boots};
use crate::assets::fetch::{Brought, Fetcher, Places};
use crate::assets::manifest::{Asset, Manifest};
use crate::assets::record::{Entry, From, Record, Standing};
use crate::boot::file::RelativePath;
use crate::cli::{Assets, AssetsAsk, AssetsFetch, BootDirectory};
use crate::config::Config;

/// The configuration that is read if there is one.
const CONFIG: &str = "/etc/hatchery/hatchery.toml";

/// Does what was asked.
pub fn run(args: &Assets) -> anyhow::Result<ExitCode> {
    match args {
        Assets::Fetch(args) => fetch(args),
        Assets::Verify(args) => verify(args),
        Assets::List(args) => list(args),
    }
}

/// The configuration, and the boot directory; problems are printed.
pub(super) fn place(args: &BootDirectory) -> Result<(Config, PathBuf), ExitCode> {
    let path = args.config.clone().unwrap_or_else(|| PathBuf::from(CONFIG));
    let config = if args.config.is_some() || path.exists() {
        Config::load(&path)
    } else {
        Config::parse("[[network]]\ninterface = \"none\"\n", CONFIG)
    };
    match config {
        Ok(config) => {
            let boot = args.boot.clone().unwrap_or_else(|| config.paths.boot.clone());
            Ok((config, boot))
        }
        Err(problems) => {
            eprintln!("{problems}");
            Err(ExitCode::from(WRONG_INPUT))
        }
    }
}

/// One thing to bring.
enum Wanted<'a> {
    Asset(&'a Asset),
    File { name: String, file: PathBuf },
}

impl Wanted<'_> {
    fn name(&self) -> &str {
        match self {
            Wanted::Asset(asset) => &asset.name,
            Wanted::File { name, .. } => name,
        }
    }
}

fn wanted(args: &AssetsFetch) -> Result<Vec<Wanted<'static>>, String> {
    let mut names = Vec::new();
    let mut files = Vec::new();
    for argument in &args.names {
        match argument.split_once('=') {
            Some((name, file)) => {
                let clean =
                    RelativePath::clean(name).map_err(|_| format!("{name:?} is no name below the boot directory"))?;
                files.push(Wanted::File { name: clean.as_str().to_owned(), file: file.into() });
            }
            None => names.push(argument.clone()),
        }
    }
    if args.grub {
        names.push("grub".to_owned());
    }
    let mut all = Vec::new();
    if !names.is_empty() || files.is_empty() {
        let assets = Manifest::built_in().select(&names).map_err(|error| error.to_string())?;
        all.extend(assets.into_iter().map(Wanted::Asset));
    }
    all.append(&mut files);
    Ok(all)
}

fn fetch(args: &AssetsFetch) -> anyhow::Result<ExitCode> {
    let wanted = match wanted(args) {
        Ok(wanted) => wanted,
        Err(sentence) => {
            eprintln!("hatchery: {sentence}");
            return Ok(ExitCode::from(WRONG_INPUT));
        }
    };
    let (config, boot) = match place(&args.place) {
        Ok(place) => place,
        Err(code) => return Ok(code),
    };
    let mut servers: Vec<Ipv4Addr> = config.site.links.iter().map(|link| link.address).collect();
    servers.sort_unstable();
    servers.dedup();
    let interrupt = Interrupt::listen()?;
    let scratch = Scratch::new()?;
    let stop = || interrupt.came();
    let packages = args.debs.as_deref();
    let places = Places { boot: &boot, scratch: &scratch.0, packages, servers: &servers, stop: &stop };
    let mut fetcher = Fetcher::new(places)?;
    let mut brought = Vec::new();
    let mut failed = Vec::new();
    for each in &wanted {
        if !args.place.json {
            eprintln!("{} …", each.name());
        }
        let result = match each {
            Wanted::Asset(asset) => fetcher.from_package(asset),
            Wanted::File { name, file } => fetcher.from_file(name, file),
        };
        match result {
            Ok(one) => brought.push(one),
            Err(Error::Download { source: AptError::Interrupted, .. }) => {
                eprintln!("hatchery: interrupted; what was brought before stays");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            Err(error) => failed.push((each.name().to_owned(), error)),
        }
    }
    if args.place.json {
        let failed: Vec<Value> =
            failed.iter().map(|(name, error)| json!({ "name": name, "error": error.to_string() })).collect();
        let brought: Vec<Value> = brought.iter().map(of_brought).collect();
        print(&format!("{}\n", json!({ "boot": boot, "brought": brought, "failed": failed })))?;
    } else {
        let rows: Vec<Value> = brought.iter().map(of_brought).collect();
        print(&table(&Value::Array(rows), &["name", "size", "from", "sha256"], "nothing was brought"))?;
        for remark in brought.iter().filter_map(|one| one.remark.as_ref()) {
            eprintln!("note: {remark}");
        }
    }
    for (name, error) in &failed {
        eprintln!("hatchery: {name}: {error}");
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_brought(brought: &Brought) -> Value {
    let Brought { name, entry, remark } = brought;
    json!({ "name": name, "size": entry.size, "from": origin(entry), "sha256": entry.sha256, "remark": remark })
}

/// Where a file came from, for people.
fn origin(entry: &Entry) -> String {
    match &entry.from {
        From::Package { package, version, built: false, .. } => format!("{package} {version}"),
        From::Package { package, version, built: true, .. } => format!("built from {package} {version}"),
        From::File(path) => path.display().to_string(),
    }
}

fn verify(args: &AssetsAsk) -> anyhow::Result<ExitCode> {
    let (_, boot) = match place(&args.place) {
        Ok(place) => place,
        Err(code) => return Ok(code),
    };
    let record = Record::load(&boot)?;
    let verified = record.verify(&boot)?;
    let rows: Vec<Value> = verified
        .iter()
        .map(|(name, entry, standing)| {
            json!({ "name": name, "standing": standing.word(), "from": origin(entry), "sha256": entry.sha256 })
        })
        .collect();
    let rows = Value::Array(rows);
    if args.place.json {
        print(&format!("{rows}\n"))?;
    } else {
        let none = format!("nothing was brought into {}; hatchery assets fetch does it", boot.display());
        print(&table(&rows, &["name", "standing", "from"], &none))?;
    }
    let good = verified.iter().all(|(_, _, standing)| *standing == Standing::Good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(args: &AssetsAsk) -> anyhow::Result<ExitCode> {
    let (config, boot) = match place(&args.place) {
        Ok(place) => place,
        Err(code) => return Ok(code),
    };
    let record = Record::load(&boot)?;
    let assets: Vec<Value> = Manifest::built_in().assets.iter().map(|asset| of_asset(asset, &record, &boot)).collect();
    let boots = boots::look(&config.profiles, &boot);
    if args.place.json {
        let boots: Vec<Value> = boots.iter().map(of_boots).collect();
        print(&format!("{}\n", json!({ "boot": boot, "assets": assets, "boots": boots })))?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = ["name", "there", "for", "package", "version", "licence"];
    let mut text = table(&Value::Array(assets), &columns, "");
    text.push_str(&format!("\nWhat each kind of machine boots from {}:\n", boot.display()));
    boots.iter().for_each(|each| text.push_str(&sentence(each)));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn of_asset(asset: &Asset, record: &Record, boot: &Path) -> Value {
    let firmware: Vec<&str> = asset.firmware.iter().map(|kind| kind.name()).collect();
    let there = if boot.join(&asset.name).is_file() { "yes" } else { "no" };
    let version = match record.get(&asset.name).map(|entry| &entry.from) {
        Some(From::Package { version, .. }) => version.clone(),
        Some(From::File(_)) => "your file".to_owned(),
        None => asset.version.clone(),
    };
    json!({
        "name": asset.name, "there": there, "for": firmware.join(" "), "package": asset.package, "version": version,
        "licence": asset.licence, "default": asset.default,
    })
}

fn of_boots(boots: &Boots) -> Value {
    let files: Vec<Value> =
        boots.files.iter().map(|file| json!({ "name": file.name, "there": file.there.words() })).collect();
    json!({ "firmware": boots.firmware.name(), "profile": boots.profile, "whole": boots.is_whole(), "files": files })
}

/// One kind of machine: a mark, then what it boots, one after another.
fn sentence(boots: &Boots) -> String {
    let mark = if boots.is_whole() { '✓' } else { '✗' };
    if boots.profile.is_none() {
        return format!("{mark} {}: no profile; an address only\n", boots.firmware);
    }
    let files: Vec<String> = boots.files.iter().map(|file| format!("{} ({})", file.name, file.there.words())).collect();
    format!("{mark} {}: {}\n", boots.firmware, files.join(" → "))
}

/// A scratch directory that goes away.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> anyhow::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("hatchery-{}", std::process::id()));
        // Never one that somebody else has prepared.
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed does no harm in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
