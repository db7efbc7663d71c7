//! Run: `cargo +nightly fuzz run import_text fuzz/corpus/import_text fuzz/seeds/import_text`. What it checks stands in `bodies/import_text.rs`.
#![no_main]

use hatchery_fuzz::{Reach, import_text};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(import_text::run(bytes)));
