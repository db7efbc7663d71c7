//! The HTTP front over loopback: files, API and their limits, as clients see them.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "http_front/files.rs"]
mod files;
#[path = "http_front/limits.rs"]
mod limits;
#[path = "http_front/mixed.rs"]
mod mixed;
#[path = "http_front/world.rs"]
mod world;
#[path = "http_front/zero_copy.rs"]
mod zero_copy;
