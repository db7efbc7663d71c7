//! Run: `cargo +nightly fuzz run deb_package fuzz/corpus/deb_package fuzz/seeds/deb_package`. What it checks stands in `bodies/deb_package.rs`.
#![no_main]

use hatchery_fuzz::{Reach, deb_package};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(deb_package::run(bytes)));
