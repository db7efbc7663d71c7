//! hatchery: blank machine in; named, imaged, tested, labelled unit out.

// Row 0: vocabulary.
pub mod ids;
pub mod net;
pub mod refusal;
pub mod site;
pub mod time;
pub mod transfer;

// Row 1: wire.
pub mod wire;

// Row 2: rules.
pub mod machine;
pub mod catalog;
pub mod lease;
pub mod naming;
pub mod boot;
pub mod answer;
pub mod dhcp;
pub mod tftp;

// Row 3: core.
pub mod fleet;

// Row 4: world.
pub mod sim;

// Row 5: shell.
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod clock;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod store;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod lab;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod serve;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod load;

// Row 6: outside.
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod config;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod cli;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod command;
