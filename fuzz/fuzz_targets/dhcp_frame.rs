//! Run: `cargo +nightly fuzz run dhcp_frame fuzz/corpus/dhcp_frame fuzz/seeds/dhcp_frame`. What it checks stands in `bodies/dhcp_frame.rs`.
#![no_main]

use hatchery_fuzz::{Reach, dhcp_frame};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(dhcp_frame::run(bytes)));
