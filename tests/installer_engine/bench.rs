//! What every test needs: a job for an image, a drive, somebody who watches.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use hatchery::disk::compression::Compression;
use hatchery::ids::hex;
use hatchery::installer::imaging;
use hatchery::installer::job::{
    After, Choose, Drive, Failure, FirstBoot, Installed, Job, Observer, Patience, Stage, TargetRule, Transport,
};
use sha2::{Digest, Sha256};

/// Short enough for tests, long enough for a busy machine.
pub const PATIENCE: Patience =
    Patience { read: Duration::from_secs(1), pause: Duration::from_millis(300), silence: Duration::from_secs(5) };

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes `raw` as it is served at `url` in `served` bytes.
pub fn job(url: &str, raw: &[u8], compression: Compression, served: usize) -> Job {
    Job {
        hostname: "KXP2-CORO-001".to_owned(),
        image_url: url.to_owned(),
        image_size: served as u64,
        compression,
        raw_size: raw.len() as u64,
        reinstalls: None,
        raw_sha256: sha256(raw),
        zero_runs: Vec::new(),
        target: TargetRule { allowed: Vec::new(), choose: Choose::Only },
        grow: false,
        after: After::Wait,
        first_boot: FirstBoot::default(),
    }
}

pub fn drive(path: &Path) -> Drive {
    Drive {
        path: path.to_str().expect("an ASCII path").to_owned(),
        model: "a file".to_owned(),
        serial: String::new(),
        size: std::fs::metadata(path).expect("it is there").len(),
        transport: Transport::Virtio,
        removable: false,
        read_only: false,
        boot_medium: false,
    }
}

pub fn install(job: &Job, path: &Path, watcher: &Watcher) -> Result<Installed, Failure> {
    imaging::install(job, &[drive(path)], &PATIENCE, watcher)
}

/// Remembers what it is told.
#[derive(Default)]
pub struct Watcher {
    pub stages: Mutex<Vec<Stage>>,
    pub texts: Mutex<Vec<String>>,
    last: Mutex<Option<(Stage, u64, u64)>>,
}

impl Watcher {
    /// The last that was told of a stage's progress.
    pub fn last(&self) -> Option<(Stage, u64, u64)> {
        *self.last.lock().expect("nobody panics holding it")
    }

    pub fn said(&self, text: &str) -> bool {
        self.texts.lock().expect("nobody panics holding it").iter().any(|one| one.contains(text))
    }
}

impl Observer for Watcher {
    fn stage(&self, stage: Stage) {
        self.stages.lock().expect("nobody panics holding it").push(stage);
    }

    fn progress(&self, stage: Stage, done: u64, total: u64) {
        let mut last = self.last.lock().expect("nobody panics holding it");
        assert!(done <= total, "{done} of {total}");
        if let Some((before, so_far, _)) = *last {
            assert!(before != stage || so_far <= done, "progress never falls: {so_far} then {done}");
        }
        *last = Some((stage, done, total));
    }

    fn note(&self, text: &str) {
        self.texts.lock().expect("nobody panics holding it").push(text.to_owned());
    }

    fn warn(&self, text: &str) {
        self.note(text);
    }
}
