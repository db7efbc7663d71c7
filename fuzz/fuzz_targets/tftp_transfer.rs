//! Run: `cargo +nightly fuzz run tftp_transfer fuzz/corpus/tftp_transfer fuzz/seeds/tftp_transfer`. What it checks stands in `bodies/tftp_transfer.rs`.
#![no_main]

use hatchery_fuzz::{Reach, tftp_transfer};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(tftp_transfer::run(bytes)));
