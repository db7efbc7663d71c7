//! Run: `cargo +nightly fuzz run http_head fuzz/corpus/http_head fuzz/seeds/http_head`. What it checks stands in `bodies/http_head.rs`.
#![no_main]

use hatchery_fuzz::{Reach, http_head};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(http_head::run(bytes)));
