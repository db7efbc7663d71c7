//! Run: `cargo +nightly fuzz run image_head fuzz/corpus/image_head fuzz/seeds/image_head`. What it checks stands in `bodies/image_head.rs`.
#![no_main]

use hatchery_fuzz::{Reach, image_head};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(image_head::run(bytes)));
