//! hatchery: blank machine in; named, imaged, tested, labelled unit out.

// Row 0: vocabulary.
pub mod ids;
pub mod net;
pub mod refusal;
pub mod time;
pub mod transfer;

// Row 1: wire.
pub mod wire;

// Row 2: rules.
pub mod tftp;

// Row 5: shell.
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod lab;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod serve;
