//! The server is killed again and again while twenty machines boot, an operator works and an image is uploaded, and
//! started anew on what it wrote: nothing that was acknowledged is lost or doubled, and every machine gets there.
//!
//! `HATCHERY_CRASH_ROUNDS=1000 cargo test --release --test crash -- --nocapture` kills so often; without it, 50 times.
//! `HATCHERY_CRASH_SEED` draws the same moments and the same operations again.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that need less of it")]
mod inside;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with the stock clients")]
mod table;

#[path = "crash/books.rs"]
mod books;
#[path = "crash/operator.rs"]
mod operator;
#[path = "crash/rounds.rs"]
mod rounds;
#[path = "crash/upload.rs"]
mod upload;
