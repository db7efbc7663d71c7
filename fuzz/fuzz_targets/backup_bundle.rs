//! Run: `cargo +nightly fuzz run backup_bundle fuzz/corpus/backup_bundle fuzz/seeds/backup_bundle`. What it checks stands in `bodies/backup_bundle.rs`.
#![no_main]

use hatchery_fuzz::{Reach, backup_bundle};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(backup_bundle::run(bytes)));
