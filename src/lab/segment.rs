//! A network interface of the system's as a bench: machines plugged into it, from a namespace of our own.
//!
//! Owns the namespace that the calling thread moves into, and the ports in it. Of the system's own network it changes
//! nothing: the ports' addresses and routes are in our namespace. That is held by this process only, so the kernel takes
//! the ports back when it ends, however it ends.

use super::network::{be_many_stations, interface_of};
use super::side::{Side, own_namespace};
use super::{Error, Port, Ports, Step};
use crate::net::Mac;
use std::fs::File;
use std::sync::Arc;

/// An interface to plug machines into; its link 0 is the only one.
pub struct Segment {
    interface: String,
    /// Where the interface is.
    outside: Side,
    /// Where the machines are.
    inside: Arc<Side>,
    namespace: Arc<File>,
}

impl Segment {
    /// Moves the calling thread, and those it starts from now on, into a network namespace of its own; call this before
    /// there are others. Takes CAP_SYS_ADMIN and CAP_NET_ADMIN. The machines cannot reach an address that this host has
    /// on the interface itself: a macvlan never talks to the interface below it.
    pub fn new(interface: &str) -> Result<Segment, Error> {
        let outside = Side::here("outer")?;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .map_err(|errno| Error::Enter { step: Step::Unshare, source: errno.into() })?;
        let inside = Side::here("inner")?;
        let namespace = inside.run(|netlink| {
            be_many_stations();
            netlink.set_up("lo")?;
            own_namespace().map_err(|source| Error::Netlink { side: "inner", source })
        })?;
        let (interface, namespace) = (interface.to_owned(), Arc::new(namespace));
        Ok(Segment { interface, outside, inside: Arc::new(inside), namespace })
    }
}

impl Ports for Segment {
    fn add_machine_port(&self, link: usize, mac: Mac) -> Result<Port, Error> {
        if link > 0 {
            return Err(Error::NoSuchLink(link));
        }
        let name = interface_of(mac);
        let (made, lower, namespace) = (name.clone(), self.interface.clone(), self.namespace.clone());
        self.outside.run(move |netlink| netlink.add_macvlan_in(&made, &lower, mac, &namespace))?;
        let made = name.clone();
        let index = self.inside.run(move |netlink| netlink.set_up_index(&made))?;
        Ok(Port::new(name, index, mac, Arc::clone(&self.inside)))
    }
}
