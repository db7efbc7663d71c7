//! Run: `cargo +nightly fuzz run ext4_image fuzz/corpus/ext4_image fuzz/seeds/ext4_image`. What it checks stands in `bodies/ext4_image.rs`.
#![no_main]

use hatchery_fuzz::{Reach, ext4_image};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(ext4_image::run(bytes)));
