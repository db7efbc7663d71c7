//! The imaging engine on plain files and loop devices: images made by real tools, downloads that break in every way,

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "installer_engine/bench.rs"]
mod bench;
#[path = "installer_engine/breaks.rs"]
mod breaks;
#[path = "installer_engine/devices.rs"]
mod devices;
#[path = "installer_engine/first_boot.rs"]
mod first_boot;
#[path = "installer_engine/images.rs"]
mod images;
#[path = "installer_engine/killed.rs"]
mod killed;
#[path = "installer_engine/server.rs"]
mod server;
#[path = "installer_engine/whole.rs"]
mod whole;
