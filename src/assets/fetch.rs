//! Bringing assets into the boot directory: from Debian packages, or from files of the operator's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::manifest::{Asset, Origin};
use super::record::{Entry, From, Record, measure};
use super::{Error, grub, put};
use crate::archive::apt::Apt;
use crate::archive::deb::{self, Kind};
use crate::clock;

/// Largest file that is taken from a package, bytes; real ones have less than 2 MB.
const FILE_MAX: u64 = 64 << 20;

/// Where things go and come from.
pub struct Places<'a> {
    /// The boot directory.
    pub boot: &'a Path,
    /// An empty directory that the caller removes afterwards.
    pub scratch: &'a Path,
    /// Where packages are looked for first and kept, if anywhere: the file `PACKAGE_ARCHITECTURE.deb`.
    pub packages: Option<&'a Path>,
    /// Our addresses on the served networks: what a GRUB image tries when nothing else names the boot server.
    pub servers: &'a [Ipv4Addr],
    /// Asked while apt runs.
    pub stop: &'a dyn Fn() -> bool,
}

/// What was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// The asset.
    pub name: String,
    /// As recorded.
    pub entry: Entry,
    /// What is worth saying about it: another version than the manifest's.
    pub remark: Option<String>,
}

/// Brings assets, one after another, with one look at apt's lists for each architecture.
pub struct Fetcher<'a> {
    places: Places<'a>,
    record: Record,
    apts: BTreeMap<String, Apt<'a>>,
}

impl<'a> Fetcher<'a> {
    /// Reads the record of the boot directory.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn new(places: Places<'a>) -> Result<Fetcher<'a>, Error> {
        let record = Record::load(places.boot)?;
        Ok(Fetcher { places, record, apts: BTreeMap::new() })
    }

    /// Brings an asset from its package.
    ///
    /// # Errors
    /// If the package cannot be had or read, or the file not be written.
    pub fn from_package(&mut self, asset: &Asset) -> Result<Brought, Error> {
        let path = self.package(asset)?;
        let wrong = |source| Error::Package { path: path.clone(), source };
        let package = deb::open(&path).map_err(wrong)?;
        let version = package.control().version.clone();
        let bytes = match &asset.origin {
            Origin::File { path: wanted, .. } => {
                let mut found = None;
                let take = |entry: deb::Entry<'_>| {
                    if entry.kind == Kind::File && entry.path == wanted {
                        let mut bytes = Vec::new();
                        entry.content.take(FILE_MAX).read_to_end(&mut bytes)?;
                        found = Some(bytes);
                    }
                    Ok(())
                };
                package.visit(take).map_err(wrong)?;
                let (package, file) = (asset.package.clone(), wanted.clone());
                found.ok_or_else(|| Error::NotInPackage { package, version: version.clone(), file })?
            }
            Origin::Grub(platform) => {
                let modules = self.places.scratch.join(platform);
                fs::create_dir_all(&modules).map_err(Error::file(&modules))?;
                unpack_directory(package, &format!("usr/lib/grub/{platform}/"), &modules).map_err(wrong)?;
                grub::build(platform, &modules, self.places.servers, self.places.scratch)?
            }
        };
        let from = From::Package {
            package: asset.package.clone(),
            version: version.clone(),
            architecture: asset.architecture.clone(),
            built: matches!(asset.origin, Origin::Grub(_)),
        };
        let mut brought = self.keep(&asset.name, &bytes, from)?;
        brought.remark = remark(asset, &version, &brought.entry.sha256);
        Ok(brought)
    }

    /// Brings a file of the operator's under any name below the boot directory.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn from_file(&mut self, name: &str, file: &Path) -> Result<Brought, Error> {
        let bytes = fs::read(file).map_err(Error::file(file))?;
        let origin = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        self.keep(name, &bytes, From::File(origin))
    }

    fn keep(&mut self, name: &str, bytes: &[u8], from: From) -> Result<Brought, Error> {
        let target = self.places.boot.join(name);
        put(&target, bytes)?;
        let (size, digest) = measure(&target)?;
        let at = clock::iso(clock::now().timestamp);
        let entry = Entry { from, size, sha256: digest.to_string(), at };
        self.record.note(name, entry.clone());
        self.record.save(self.places.boot)?;
        Ok(Brought { name: name.to_owned(), entry, remark: None })
    }

    /// The `.deb` of an asset.
    fn package(&mut self, asset: &Asset) -> Result<PathBuf, Error> {
        let kept = self.places.packages.map(|kept| kept.join(format!("{}_{}.deb", asset.package, asset.architecture)));
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_file()) {
            return Ok(kept.clone());
        }
        let failed = |source| Error::Download { package: asset.package.clone(), asset: asset.name.clone(), source };
        // Packages for every architecture are in the lists of each; we may have some already.
        let any = if asset.architecture == "all" { self.apts.keys().next().cloned() } else { None };
        let architecture = match any {
            Some(any) => any,
            None if asset.architecture == "all" => "amd64".to_owned(),
            None => asset.architecture.clone(),
        };
        if !self.apts.contains_key(&architecture) {
            let scratch = self.places.scratch.join(format!("apt-{architecture}"));
            let apt = Apt::new(&architecture, &scratch, self.places.stop).map_err(failed)?;
            self.apts.insert(architecture.clone(), apt);
        }
        let downloaded = self.apts[&architecture].download(&asset.package).map_err(failed)?;
        match kept {
            Some(kept) => {
                let bytes = fs::read(&downloaded).map_err(Error::file(&downloaded))?;
                put(&kept, &bytes)?;
                Ok(kept)
            }
            None => Ok(downloaded),
        }
    }
}

/// Writes the files of one directory of a package, without those below it.
fn unpack_directory(
    package: deb::Package<impl Read + io::Seek + Send + 'static>,
    directory: &str,
    target: &Path,
) -> Result<(), deb::DebError> {
    package.visit(|entry| {
        let Some(name) = entry.path.strip_prefix(directory) else { return Ok(()) };
        if entry.kind == Kind::File && !name.contains('/') {
            let mut file = File::create(target.join(name))?;
            io::copy(&mut entry.content.take(FILE_MAX), &mut file)?;
        }
        Ok(())
    })
}

/// What differs from the manifest.
fn remark(asset: &Asset, version: &str, sha256: &str) -> Option<String> {
    if version != asset.version {
        return Some(format!("{} {version}; the manifest knows {}", asset.package, asset.version));
    }
    match &asset.origin {
        Origin::File { digest, .. } if digest.to_string() != sha256 => {
            Some(format!("{} {version} holds other bytes than the manifest says: {digest}", asset.package))
        }
        _ => None,
    }
}
