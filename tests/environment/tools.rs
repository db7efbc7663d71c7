//! Programs of this machine, and what they make of the results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Debian's package of each program.
const PACKAGES: [(&str, &str); 8] = [
    ("apt-get", "apt"),
    ("cpio", "cpio"),
    ("gcc", "gcc"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("sfdisk", "fdisk"),
];

/// Ordinary users have no sbin in their PATH.
fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Whether all these programs are there; says which are not.
pub fn are_there(programs: &[&str], test: &str) -> bool {
    let is_there = |name: &str| search_path().split(':').any(|directory| Path::new(directory).join(name).is_file());
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(name, _)| programs.contains(name) && !is_there(name))
        .map(|(_, package)| package)
        .collect();
    missing.iter().for_each(|package| skip(test, &format!("apt-get install {package}")));
    missing.is_empty()
}

/// Says that a test cannot run here, and why.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must be able to run {test}: {why}");
    eprintln!("SKIPPED {test}: {why}");
}

/// Runs a program that has to succeed; what it wrote to standard output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).env("PATH", search_path()).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both channels.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// `hatchery installer …`.
pub fn installer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.arg("installer").args(arguments);
    command
}

/// What `hatchery installer … --json` says, and whether it succeeded.
pub fn json(arguments: &[&str]) -> (Value, bool) {
    let output = installer(arguments).arg("--json").output().expect("it runs");
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    (said, output.status.success())
}

/// Every file below a directory, by its path.
pub fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below it").to_owned();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// An initramfs unpacked by GNU cpio, devices apart.
pub fn unpacked(initramfs: &Path, into: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::create_dir_all(into).expect("a directory");
    let script = "gzip -dc \"$1\" | cpio --quiet --extract --make-directories --no-absolute-filenames --directory \"$2\" \
                  --nonmatching dev/console dev/null";
    run("sh", &["-c", script, "sh", as_str(initramfs), as_str(into)]);
    files(into)
}

/// What GNU cpio says stands in an initramfs, a line each.
pub fn listed(initramfs: &Path) -> String {
    run("sh", &["-c", "gzip -dc \"$1\" | cpio --quiet --list --verbose --numeric-uid-gid", "sh", as_str(initramfs)])
}

pub fn as_str(path: &Path) -> &str {
    path.to_str().expect("temporary files have plain names")
}

/// Checks an index against the files: every module is there, after what it depends on. Gives the names.
pub fn check_index(files: &BTreeMap<PathBuf, Vec<u8>>, version: &str) -> Vec<String> {
    let path = format!("lib/modules/{version}/index");
    let index = files.get(Path::new(&path)).unwrap_or_else(|| panic!("no {path}"));
    let index = String::from_utf8(index.clone()).expect("text");
    let mut names: Vec<String> = Vec::new();
    for line in index.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, path, before, _aliases] = fields[..] else { panic!("{line:?}") };
        let file = files.get(Path::new(path.trim_start_matches('/'))).unwrap_or_else(|| panic!("no {path}"));
        assert!(file.starts_with(b"\x7fELF"), "{path} is uncompressed");
        for each in before.split(',').filter(|each| !each.is_empty()) {
            assert!(names.iter().any(|name| name == each), "{name} comes before {each}");
        }
        names.push(name.to_owned());
    }
    names
}
