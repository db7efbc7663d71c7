//! Run: `cargo +nightly fuzz run link_frame fuzz/corpus/link_frame fuzz/seeds/link_frame`. What it checks stands in `bodies/link_frame.rs`.
#![no_main]

use hatchery_fuzz::{Reach, link_frame};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(link_frame::run(bytes)));
