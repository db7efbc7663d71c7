//! Simulated machines over real sockets: [`Client`]s of the simulator, each behind a network port of its own.
//!
//! Owns the sockets, the timers and the record of what happened; what a machine says and when is the client's. Every
//! byte of every image download is compared or hashed. Dropping a [`Run`] stops all machines at once.

pub mod bench;
mod dhcp;
mod http;
mod image;
mod machine;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock;
use crate::ids::Hostname;
use crate::lab::{self, Port, Ports};
use crate::net::Mac;
use crate::sim::client::{Client, Kind, Phase};
use machine::{Machine, Time};

pub use image::Known;

/// What is to be run.
#[derive(Debug)]
pub struct Load {
    /// The machines.
    pub clients: Vec<Client>,
    /// The link of the network that they are plugged into.
    pub link: usize,
    /// Downloads of this image are compared with it; others are hashed.
    pub known: Option<Arc<Known>>,
    /// How many of its seconds a client lives in one of ours. More than 1 makes firmware impatient, so that a test need
    /// not wait for its timeouts.
    pub pace: u32,
    /// Bytes a second at which each machine takes its image, as a card that is written would; none for as fast as it
    /// comes.
    pub rate: Option<u64>,
}

/// What one machine went through so far.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its hardware address.
    pub mac: Mac,
    /// When it passed each milestone for the first time, counted from the start of the run.
    pub phases: BTreeMap<Phase, Duration>,
    /// Bytes of the image that have arrived, over all tries; each was compared if the image is known, else hashed.
    pub image_bytes: u64,
    /// Bytes of boot files and of small exchanges that have arrived.
    pub other_bytes: u64,
    /// Every address that the server acknowledged, once each.
    pub addresses: Vec<Ipv4Addr>,
    /// Every name that the server gave in an ACK or a configuration, once each.
    pub names: Vec<Hostname>,
    /// How it ended, and when; nothing while it is under way.
    pub end: Option<(End, Duration)>,
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Installed, verified and reported, under this name.
    Done(String),
    /// It gave up; the sentence says why.
    Faulted(String),
}

/// Machines under way.
#[derive(Debug)]
pub struct Run {
    machines: JoinSet<Port>,
    /// Of machines that have ended.
    ports: Vec<Port>,
    records: Vec<Shared>,
}

/// A record as its machine and the onlookers share it.
#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Record>>);

impl Shared {
    /// The record; never held across an await.
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Run {
    /// Plugs every machine into the network, then switches all of them on at once. Must be called inside a
    /// multi-threaded runtime, by a thread of the network's client side; blocks for about a millisecond per machine.
    ///
    /// # Errors
    /// A port that cannot be made.
    pub fn start(load: Load, network: &impl Ports) -> Result<Run, lab::Error> {
        let Load { clients, link, known, pace, rate } = load;
        let mut machines = Vec::new();
        for client in clients {
            let port = network.add_machine_port(link, client.identity().mac)?;
            let record = Record {
                kind: client.kind(),
                mac: client.identity().mac,
                phases: BTreeMap::new(),
                image_bytes: 0,
                other_bytes: 0,
                addresses: Vec::new(),
                names: Vec::new(),
                end: None,
            };
            machines.push((client, port, Shared(Arc::new(Mutex::new(record)))));
        }
        let mut run = Run { machines: JoinSet::new(), ports: Vec::new(), records: Vec::new() };
        let time = Time { start: clock::now().instant, pace };
        for (client, port, record) in machines {
            run.records.push(record.clone());
            run.machines.spawn(Machine::new(client, port, known.clone(), time, record).taking(rate).live());
        }
        Ok(run)
    }

    /// What every machine went through so far, in the order of the clients.
    pub fn records(&self) -> Vec<Record> {
        self.records.iter().map(|record| record.lock().clone()).collect()
    }

    /// Waits until every machine has ended.
    pub async fn finished(&mut self) {
        while let Some(ended) = self.machines.join_next().await {
            match ended {
                Ok(port) => self.ports.push(port),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    /// Takes the machines that are known to have [finished](Run::finished) off the network, so that the same ones can be
    /// run again. Blocks for some milliseconds per machine.
    ///
    /// # Errors
    /// A port that cannot be removed.
    pub fn unplug(self) -> Result<(), lab::Error> {
        self.ports.into_iter().try_for_each(Port::unplug)
    }
}
