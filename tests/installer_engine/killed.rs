//! The installing process is killed at every stage: what it leaves does not boot, or is complete, and the next run ends
//! with the same drive as if nothing had happened.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use hatchery::disk::compression::Compression;
use hatchery::installer::imaging;
use hatchery::installer::job::{Job, Observer, Stage};

use crate::bench::{PATIENCE, Watcher, drive, install, job};
use crate::images::{MIB, cloud, used_drive};
use crate::server::{Fault, Server};

/// Set for the child: where the image is, the drive, the server.
const CHILD: [&str; 3] = ["ENGINE_IMAGE", "ENGINE_DRIVE", "ENGINE_URL"];

fn cloud_job(url: &str, image: &Path) -> Job {
    let raw = fs::read(image).expect("the image");
    let mut job = job(url, &raw, Compression::None, raw.len());
    job.grow = true;
    for name in ["user-data", "meta-data"] {
        job.first_boot.files.insert(name.to_owned(), format!("content of {name}\n"));
    }
    job
}

/// Says each thing that it is told, and waits for leave to go on.
struct InStep(Mutex<usize>);

impl InStep {
    fn step(&self) {
        let mut count = self.0.lock().expect("nobody panics holding it");
        *count += 1;
        println!("STEP {count}");
        let mut line = String::new();
        // Without a parent there is nobody to wait for.
        let _ = std::io::stdin().lock().read_line(&mut line);
    }
}

impl Observer for InStep {
    fn stage(&self, _: Stage) {
        self.step();
    }

    fn progress(&self, _: Stage, _: u64, _: u64) {
        self.step();
    }

    fn note(&self, _: &str) {
        self.step();
    }

    fn warn(&self, _: &str) {
        self.step();
    }
}

/// This test in a process of its own that installs in step with us.
fn child(image: &Path, target: &Path, url: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a path"));
    command.args(["--exact", "killed::a_killed_process_leaves_nothing_that_boots_half", "--nocapture"]);
    for (name, value) in CHILD.iter().zip([image.as_os_str(), target.as_os_str(), url.as_ref()]) {
        command.env(name, value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this test again")
}

/// Lets the child go on until it has said `steps` things; then kills it, after leave for one more step if `further`.
/// `false`: it came to its end before.
fn kill_at(mut child: Child, steps: usize, further: bool) -> bool {
    let mut leave = child.stdin.take().expect("a pipe");
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = 0;
    for line in said.lines() {
        if !line.expect("text").contains("STEP") {
            continue;
        }
        seen += 1;
        if seen == steps {
            if further {
                leave.write_all(b"\n").expect("it waits");
            }
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
            return true;
        }
        leave.write_all(b"\n").expect("it waits");
    }
    assert!(child.wait().expect("it is ours").success(), "it ends well when it is left alone");
    false
}

#[test]
fn a_killed_process_leaves_nothing_that_boots_half() {
    if let [Ok(image), Ok(target), Ok(url)] = CHILD.map(std::env::var) {
        let job = cloud_job(&url, Path::new(&image));
        let target = drive(Path::new(&target));
        imaging::install(&job, &[target], &PATIENCE, &InStep(Mutex::new(0))).expect("nothing is in its way");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let image = cloud(directory.path());
    let server = Server::start(fs::read(&image).expect("the image"), |_| Fault::default());
    let job = cloud_job(server.url(), &image);
    let target: PathBuf = directory.path().join("drive");
    install(&job, &used_drive(&target, 96 * MIB), &Watcher::default()).expect("it works");
    let complete = fs::read(&target).expect("the drive");

    let mut dead = 0;
    let mut further = false;
    // Steps that no number of steps in a stage divides.
    for steps in (1..).step_by(3) {
        used_drive(&target, 96 * MIB);
        further = !further;
        if !kill_at(child(&image, &target, server.url()), steps, further) {
            break;
        }
        let left = fs::read(&target).expect("the drive");
        if left[..1 << 20].iter().all(|byte| *byte == 0) {
            dead += 1;
        } else if steps > 2 {
            // Before that the drive still holds what it held.
            assert!(left == complete, "killed at step {steps}: it boots and is not complete");
        }
    }
    assert!(dead > 8, "only {dead} kills came while the drive was being written");
    // On what the last one left, and on what a kill in the middle leaves.
    assert!(kill_at(child(&image, &target, server.url()), 10, true));
    install(&job, &target, &Watcher::default()).expect("it starts again");
    assert!(fs::read(&target).expect("the drive") == complete);
}
