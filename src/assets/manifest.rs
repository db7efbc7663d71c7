//! The manifest: every asset there is, read from `boot-assets/manifest.toml`, which is compiled in.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Error;
use crate::boot::file::RelativePath;
use crate::ids::Digest;
use crate::machine::firmware::Firmware;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(include_str!("../../boot-assets/manifest.toml")).expect("a test reads the built-in manifest")
});

/// Every asset, in the order of the file.
#[derive(Debug)]
pub struct Manifest {
    /// The assets.
    pub assets: Vec<Asset>,
}

/// A file that can be brought into the boot directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Where it goes, below the boot directory.
    pub name: String,
    /// The kinds of client it serves.
    pub firmware: Vec<Firmware>,
    /// Whether the default profiles boot it.
    pub default: bool,
    /// The Debian package it comes from.
    pub package: String,
    /// That package's architecture.
    pub architecture: String,
    /// How it comes from the package.
    pub origin: Origin,
    /// The version of the package that was looked at.
    pub version: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
}

/// How an asset comes from its package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// As a file of it, with the digest that the file had in the version that was looked at.
    File {
        /// Its path in the package.
        path: String,
        /// Its digest.
        digest: Digest,
    },
    /// Built by `grub-mkimage` from the modules of this GRUB platform, such as `arm64-efi`.
    Grub(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    asset: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    firmware: Vec<String>,
    #[serde(default)]
    default: bool,
    package: String,
    architecture: String,
    file: Option<String>,
    sha256: Option<String>,
    grub: Option<String>,
    version: String,
    licence: String,
}

impl Manifest {
    /// The built-in manifest.
    pub fn built_in() -> &'static Manifest {
        &MANIFEST
    }

    fn parse(text: &str) -> Result<Manifest, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let assets = file.asset.into_iter().map(Asset::read).collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<&str> = assets.iter().map(|asset| asset.name.as_str()).collect();
        if names.len() != assets.len() {
            return Err("a name stands there twice".into());
        }
        Ok(Manifest { assets })
    }

    /// The assets that `names` mean: a whole name, or a directory of several. Without names, those of the default
    /// profiles. In the order of the manifest, each once.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that means nothing.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Asset>, Error> {
        let unknown = |name: &&String| !self.assets.iter().any(|asset| asset.is_called(name));
        if let Some(name) = names.iter().find(unknown) {
            return Err(Error::Unknown(name.clone()));
        }
        let meant = |asset: &&Asset| match names {
            [] => asset.default,
            names => names.iter().any(|name| asset.is_called(name)),
        };
        Ok(self.assets.iter().filter(meant).collect())
    }
}

impl Asset {
    fn read(entry: Entry) -> Result<Asset, String> {
        let name = entry.name;
        let wrong = |what: &str| format!("{name}: {what}");
        let firmware: Option<Vec<_>> = entry.firmware.iter().map(|kind| Firmware::parse(kind)).collect();
        let origin = match (entry.file, entry.sha256, entry.grub) {
            (Some(path), Some(sha256), None) => {
                let digest = Digest::parse(&sha256).ok_or_else(|| wrong("sha256 is not 64 hex digits"))?;
                Origin::File { path, digest }
            }
            (None, None, Some(platform)) => Origin::Grub(platform),
            _ => return Err(wrong("either file and sha256, or grub")),
        };
        if RelativePath::clean(&name).ok().is_none_or(|clean| clean.as_str() != name) {
            return Err(wrong("no path below the boot directory"));
        }
        Ok(Asset {
            firmware: firmware.ok_or_else(|| wrong("unknown firmware"))?,
            default: entry.default,
            package: entry.package,
            architecture: entry.architecture,
            origin,
            version: entry.version,
            licence: entry.licence,
            name,
        })
    }

    /// Whether `name` is its name or a directory above it.
    fn is_called(&self, name: &str) -> bool {
        let name = name.trim_end_matches('/');
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests;
