//! Real firmware in QEMU against the real server: SeaBIOS with the iPXE ROM, OVMF, AAVMF and U-Boot, with the loaders that
//! `hatchery assets fetch` brings.
//!
//! Each test has network namespaces of its own, and at most two machines run at once. The processors are emulated (TCG),
//! so the tests do not depend on KVM. What is missing skips its tests loudly, and fails them under `CI=true`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;

#[path = "firmware/image.rs"]
mod image;
#[path = "firmware/install.rs"]
mod install;
#[path = "firmware/larder.rs"]
mod larder;
#[path = "firmware/loaders.rs"]
mod loaders;
#[path = "firmware/machine.rs"]
mod machine;
#[path = "firmware/needs.rs"]
mod needs;
#[path = "firmware/proxy.rs"]
mod proxy;
#[path = "common/rival.rs"]
#[allow(dead_code, reason = "shared with tests that look at the process")]
mod rival;
#[path = "firmware/site.rs"]
mod site;
