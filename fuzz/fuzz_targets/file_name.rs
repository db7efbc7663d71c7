//! Run: `cargo +nightly fuzz run file_name fuzz/corpus/file_name fuzz/seeds/file_name`. What it checks stands in `bodies/file_name.rs`.
#![no_main]

use hatchery_fuzz::{Reach, file_name};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(file_name::run(bytes)));
