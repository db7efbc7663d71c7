//! Run: `cargo +nightly fuzz run config_toml fuzz/corpus/config_toml fuzz/seeds/config_toml`. What it checks stands in `bodies/config_toml.rs`.
#![no_main]

use hatchery_fuzz::{Reach, config_toml};

static REACH: Reach = Reach::at_least_one_in(100);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| REACH.count(config_toml::run(bytes)));
