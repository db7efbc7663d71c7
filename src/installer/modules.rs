//! Kernel modules: the drivers that this machine's devices ask for, out of those that the initramfs brings.
//!
//! Owns the index of modules (`/lib/modules/VERSION/index`), the matching of device aliases, and their loading. A module that
//! cannot be loaded is told and passed over: another may drive the same device.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_long;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where the kernel says its version.
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Loaded whether or not a device asks for them: packet sockets are built into most kernels, but not into all.
const ALWAYS: [&str; 1] = ["af_packet"];

/// How long no new device must have appeared, until coldplug is over, and how long that may take at most.
const QUIET: Duration = Duration::from_millis(600);
const LIMIT: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A module that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Module {
    path: String,
    needs: Vec<String>,
    aliases: Vec<String>,
}

/// The modules of the initramfs by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index(BTreeMap<String, Module>);

impl Index {
    /// The modules that the initramfs has for the running kernel; it may have those of several. None without an index.
    pub fn of_this_kernel() -> Index {
        let release = fs::read_to_string(RELEASE).unwrap_or_default();
        let text = fs::read_to_string(format!("/lib/modules/{}/index", release.trim()));
        Index::parse(&text.unwrap_or_default())
    }

    /// Reads an index: `NAME<TAB>PATH<TAB>DEP,DEP<TAB>ALIAS ALIAS …`, one line a module. Lines of another shape are
    /// left out.
    pub fn parse(text: &str) -> Index {
        let module = |line: &str| {
            let mut fields = line.split('\t');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let path = fields.next()?.to_owned();
            let needs = fields.next().unwrap_or_default().split(',').filter(|need| !need.is_empty());
            let needs = needs.map(canonical).collect();
            let aliases = fields.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
            Some((canonical(name), Module { path, needs, aliases }))
        };
        Index(text.lines().filter_map(module).collect())
    }

    /// The modules that drive a device with this alias.
    fn drivers(&self, alias: &str) -> impl Iterator<Item = &str> {
        let drives =
            |module: &Module| module.aliases.iter().any(|pattern| matches(pattern.as_bytes(), alias.as_bytes()));
        self.0.iter().filter(move |(_, module)| drives(module)).map(|(name, _)| name.as_str())
    }

    /// The module and all it needs, in loading order; a need that is not in the index is built into the kernel.
    fn with_needs(&self, name: &str) -> Vec<&str> {
        let mut order = Vec::new();
        self.visit(name, &mut BTreeSet::new(), &mut order);
        order
    }

    fn visit<'a>(&'a self, name: &str, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
        let Some((name, module)) = self.0.get_key_value(name) else { return };
        if !seen.insert(name) {
            return;
        }
        for need in &module.needs {
            self.visit(need, seen, order);
        }
        order.push(name);
    }
}

/// The kernel writes `-` and `_` alike.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// Whether `text` matches a pattern of modprobe: fnmatch(3) without special characters, `*`, `?`, `[a-z]` and `[!a-z]`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on after a mismatch: behind the last `*`, one byte of text further each time.
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) => text.get(t).and_then(|byte| one(&pattern[p..], *byte)),
        };
        match (step, &mut retry) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((behind, from))) if *from < text.len() => {
                *from += 1;
                (p, t) = (*behind, *from);
            }
            (None, _) => return false,
        }
    }
}

/// The length of the pattern's first item if it matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern[0] {
        b'?' => Some(1),
        b'[' => {
            let negated = pattern.get(1) == Some(&b'!');
            let first = 1 + usize::from(negated);
            // A bracket that stands first belongs to the set.
            let end = first + 1 + pattern.get(first + 1..)?.iter().position(|each| *each == b']')?;
            let mut set = &pattern[first..end];
            let mut found = false;
            while let [low, rest @ ..] = set {
                (found, set) = match rest {
                    [b'-', high, rest @ ..] => (found || (*low..=*high).contains(&byte), rest),
                    _ => (found || *low == byte, rest),
                };
            }
            (found != negated).then_some(end + 1)
        }
        other => (other == byte).then_some(1),
    }
}

/// What became of modules.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Those that were loaded, in order.
    pub names: Vec<String>,
    /// What could not be, one sentence each.
    pub troubles: Vec<String>,
    tried: BTreeSet<String>,
}

/// Loads the drivers of all devices, until no new device has appeared for a moment. Nothing is loaded without an index:
/// then every driver is built into the kernel.
pub fn coldplug(index: &Index) -> Loaded {
    let mut aliases = BTreeSet::new();
    let mut loaded = Loaded::default();
    for name in ALWAYS {
        load(index, name, &mut loaded);
    }
    let begun = Instant::now();
    let mut changed = begun;
    while changed.elapsed() < QUIET && begun.elapsed() < LIMIT {
        for alias in device_aliases(Path::new("/sys/devices")) {
            if !aliases.insert(alias.clone()) {
                continue;
            }
            changed = Instant::now();
            let drivers: Vec<String> = index.drivers(&alias).map(str::to_owned).collect();
            for name in drivers {
                load(index, &name, &mut loaded);
            }
        }
        sleep(LOOK_AGAIN);
    }
    loaded
}

fn load(index: &Index, name: &str, loaded: &mut Loaded) {
    for name in index.with_needs(name) {
        if !loaded.tried.insert(name.to_owned()) {
            continue;
        }
        match insert(&index.0[name].path) {
            Ok(()) => loaded.names.push(name.to_owned()),
            // It was loaded already, or its hardware is not there after all.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EEXIST | libc::ENODEV)) => {}
            Err(error) => loaded.troubles.push(format!("driver {name} cannot be loaded: {error}")),
        }
    }
}

/// finit_module(2).
fn insert(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: the descriptor is open during the call, the parameters are an empty C string, the flags are zero.
    let result = unsafe { libc::syscall(libc::SYS_finit_module, c_long::from(file.as_raw_fd()), c"".as_ptr(), 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Every `modalias` below a directory of sysfs. Links are not followed: they lead in circles.
fn device_aliases(directory: &Path) -> Vec<String> {
    let mut aliases = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.file_name() == "modalias" => {
                    let alias = fs::read_to_string(entry.path()).unwrap_or_default();
                    aliases.extend(Some(alias.trim().to_owned()).filter(|alias| !alias.is_empty()));
                }
                _ => {}
            }
        }
    }
    aliases
}

#[cfg(test)]
mod tests;
