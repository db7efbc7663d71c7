//! Run: `cargo +nightly fuzz run tftp_packet fuzz/corpus/tftp_packet fuzz/seeds/tftp_packet`. What it checks stands in `bodies/tftp_packet.rs`.
#![no_main]

use hatchery_fuzz::{Reach, tftp_packet};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(tftp_packet::run(bytes)));
