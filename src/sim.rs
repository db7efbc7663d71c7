//! A world in memory: simulated machines, links, relay agents, a server and a store, all from one seed.
//!
//! [`world::run`] plays a plan to its end: machines are switched on, packets get lost, power fails, machines and cards
//! change places, another DHCP server turns up, an operator changes his mind, the server dies between a commit and its
//! answers; then all that stops, and every machine must reach its end. [`reach`] says what a run got to see. Nothing here reads a
//! clock or draws luck of its own, so a seed is a film that can be shown again.

pub mod client;
mod json;
mod link;
mod pcap;
mod place;
mod promise;
pub mod reach;
mod rival;
mod server;
mod store;
mod story;
mod tape;
mod wiring;
pub mod world;
