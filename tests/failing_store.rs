//! A journal that fails, at every call: simulated, with all promises watched, and the real one under a tracer that lets
//! the system's calls fail.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "failing_store/disk.rs"]
mod disk;
#[path = "failing_store/simulated.rs"]
mod simulated;
