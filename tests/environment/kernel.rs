//! Kernel and initramfs of PCs, from the real kernel package of this distribution, as apt brings it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use hatchery::environment::{Arch, Watch, pc};

use crate::inside::wait;
use crate::tools::{are_there, as_str, check_index, files, json, listed, skip, unpacked};

/// How long an emulated PC may take; it takes some seconds.
const PATIENCE: Duration = Duration::from_secs(240);

/// Nobody looks on.
struct Quiet;

impl Watch for Quiet {
    fn step(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn stopped(&self) -> bool {
        false
    }
}

/// The kernel packages of amd64, downloaded once for every run of the tests: apt locks its lists.
fn packages(test: &str) -> Option<Vec<PathBuf>> {
    static PACKAGES: OnceLock<Result<Vec<PathBuf>, String>> = OnceLock::new();
    match PACKAGES.get_or_init(bring_packages) {
        Ok(packages) => Some(packages.clone()),
        Err(why) => {
            skip(test, why);
            None
        }
    }
}

fn bring_packages() -> Result<Vec<PathBuf>, String> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel-amd64");
    let kept = scratch.join("kept");
    let there =
        || -> Vec<PathBuf> { fs::read_dir(&kept).into_iter().flatten().flatten().map(|entry| entry.path()).collect() };
    if there().is_empty() {
        let fetched = pc::fetch(Arch::X86_64, &scratch, &Quiet).map_err(|error| error.to_string())?;
        fs::create_dir_all(&kept).expect("a directory");
        for file in fetched {
            fs::rename(&file, kept.join(file.file_name().expect("a name"))).expect("the same file system");
        }
    }
    Ok(there())
}

#[test]
fn a_real_kernel_package_gives_the_same_bytes_every_time_and_boots() {
    let name = "a_real_kernel_package_gives_the_same_bytes_every_time_and_boots";
    if !are_there(&["apt-get", "cpio", "qemu-system-x86_64"], name) {
        return;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/installer/x86_64/hatchery-installer");
    if !program.exists() {
        return skip(name, "packaging/build-installer x86_64");
    }
    let Some(packages) = packages(name) else { return };
    let scratch = tempfile::tempdir().expect("a directory");
    let build = |boot: &str| {
        let boot = scratch.path().join(boot);
        let mut arguments = vec!["build", "pc", "--arch", "x86_64", "--installer", as_str(&program)];
        arguments.extend(["--boot", as_str(&boot)]);
        packages.iter().for_each(|file| arguments.extend(["--kernel", as_str(file)]));
        let (said, good) = json(&arguments);
        assert!(good, "{said}");
        let directory = boot.join("installer/x86_64");
        (said, files(&directory), directory)
    };
    let (said, first, directory) = build("first");
    let (_, second, _) = build("second");
    assert!(first == second, "two builds differ");
    assert_eq!(first.len(), 3, "{:?}", first.keys());

    let version = said["kernels"][0]["version"].as_str().expect("a version");
    let initrd = directory.join("initrd.img");
    assert!(listed(&initrd).contains("dev/console"), "{}", listed(&initrd));
    let names = check_index(&unpacked(&initrd, &scratch.path().join("unpacked")), version);
    for name in
        ["virtio_net", "virtio_blk", "e1000e", "igb", "r8169", "realtek", "nvme", "ahci", "sd_mod", "usb_storage"]
    {
        assert!(names.iter().any(|each| each == name), "no {name} in {names:?}");
    }

    let console = scratch.path().join("console");
    let mut machine = Command::new("qemu-system-x86_64");
    machine.args(["-machine", "q35,accel=tcg", "-m", "512", "-display", "none", "-no-reboot", "-nic", "none"]);
    machine.arg("-kernel").arg(directory.join("vmlinuz")).arg("-initrd").arg(&initrd);
    machine.args(["-append", "console=ttyS0 panic=-1", "-serial"]).arg(format!("file:{}", as_str(&console)));
    let mut machine = machine.stdin(Stdio::null()).spawn().expect("it starts");
    let said = || String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()).into_owned();
    let spoke = crate::inside::until(PATIENCE, || {
        let ended = machine.try_wait().expect("a child of ours").is_some();
        (said().contains(FIRST_WORDS) || ended).then(|| said().contains(FIRST_WORDS))
    });
    machine.kill().ok();
    wait(&mut machine, PATIENCE);
    assert_eq!(spoke, Some(true), "the installer said nothing:\n{}", said());
}

/// What the installer says before anything else.
const FIRST_WORDS: &str = "Looking for hardware";

#[test]
fn a_package_for_another_processor_is_refused() {
    let name = "a_package_for_another_processor_is_refused";
    if !are_there(&["apt-get"], name) {
        return;
    }
    let Some(packages) = packages(name) else { return };
    let scratch = tempfile::tempdir().expect("a directory");
    let program = crate::pi_image::installer(scratch.path());
    let boot = scratch.path().join("boot");
    let mut arguments =
        vec!["build", "pc", "--arch", "arm64", "--installer", as_str(&program), "--boot", as_str(&boot)];
    packages.iter().for_each(|file| arguments.extend(["--kernel", as_str(file)]));
    let (said, good) = json(&arguments);
    assert!(
        !good && said["error"].as_str().is_some_and(|said| said.ends_with("is for amd64, and not for arm64")),
        "{said}"
    );
    assert!(!boot.exists());
}
