//! What `hatchery installer build` makes: of an image with the layout of Raspberry Pi OS, and of a real kernel package.
//!
//! Each test runs the command itself and looks at the result with other programs. One that is missing skips its tests
//! loudly, and fails them under `CI=true`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that start the lab by themselves")]
mod inside;

#[path = "environment/kernel.rs"]
mod kernel;
#[path = "environment/pi_image.rs"]
mod pi_image;
#[path = "environment/tools.rs"]
mod tools;
#[path = "environment/tree.rs"]
mod tree;
