//! A world in memory: simulated machines, links and a store, all from one seed.

pub mod client;
