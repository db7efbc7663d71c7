//! Run: `cargo +nightly fuzz run template fuzz/corpus/template fuzz/seeds/template`. What it checks stands in `bodies/template.rs`.
#![no_main]

use hatchery_fuzz::{Reach, template};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(template::run(bytes)));
