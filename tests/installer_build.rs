//! The static installers that are shipped: built as packaging/build-installer builds them, and run; the arm64 one under
//! QEMU. What the arm64 build takes is not on every machine: without it that test is skipped loudly, with the command
//! that brings it; under `CI=true` that is a failure.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What the script says when something to build with is missing.
const MISSING: i32 = 3;

fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have everything: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Builds it; nothing where that cannot be done.
fn build(architecture: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("packaging/build-installer")).arg(architecture).output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(MISSING) {
        skip(&format!("the {architecture} installer cannot be built here.\n{said}"));
        return None;
    }
    assert!(output.status.success(), "packaging/build-installer {architecture}: {}\n{said}", output.status);
    Some(root.join("target/installer").join(architecture).join("hatchery-installer"))
}

/// What a program says.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// It says its version, and looks at the machine that it is on.
fn check(mut command: impl FnMut() -> Command, architecture: &str) {
    let version = run(command().arg("--version"));
    assert_eq!(version, format!("hatchery-installer {}\n", env!("CARGO_PKG_VERSION")));
    let dry_run = run(command().args(["--dry-run", "--json", "--serial", "abc7", "--product", "KXP2"]));
    let value: Value = serde_json::from_str(&dry_run).expect("JSON");
    assert_eq!(value["installer"]["arch"], architecture, "{value:#}");
    assert_eq!(value["product_type"], "KXP2");
    assert!(value["installer"]["ram_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{value:#}");
}

#[test]
fn the_x86_64_installer_is_static_small_and_runs() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: this machine is no x86-64");
        return;
    }
    let program = build("x86_64").expect("what built this test builds it too");
    check(|| Command::new(&program), "x86_64");
}

#[test]
fn the_arm64_installer_is_static_small_and_runs() {
    let Some(program) = build("arm64") else { return };
    let emulator = "qemu-aarch64-static";
    if cfg!(target_arch = "aarch64") {
        check(|| Command::new(&program), "arm64");
    } else if Command::new(emulator).arg("--version").output().is_ok() {
        let emulated = || {
            let mut command = Command::new(emulator);
            command.arg(&program);
            command
        };
        check(emulated, "arm64");
    } else {
        skip("the arm64 installer was built and not run: apt-get install qemu-user-static");
    }
}
