//! The pages of the demo's server, for a browser outside the demo's namespaces.
//!
//! The listener is opened before the demo goes in, and the server listens on the same address inside: what a browser says
//! where it connects to is true for both.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;

use crate::load::bench::Bench;

/// The place of the pages outside.
pub(super) struct Pages {
    listener: TcpListener,
    address: SocketAddr,
}

impl Pages {
    /// Takes this port of 127.0.0.1, or a free one for 0.
    pub fn open(port: u16) -> anyhow::Result<Pages> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot serve pages on 127.0.0.1:{port}; --pages takes another port"))?;
        let address = listener.local_addr().context("a port without an address")?;
        Ok(Pages { listener, address })
    }

    /// What the configuration of the server says about them.
    pub fn table(&self) -> String {
        format!("[management]\nlisten = [\"{}\"]\n", self.address)
    }

    /// Lets browsers in; the link to begin with, which makes the first user.
    pub fn serve(self, bench: &Bench) -> anyhow::Result<String> {
        let begins = format!("http://{}/", self.address);
        bench.network().forward(self.listener, self.address)?;
        let log = bench.log_tail(usize::MAX);
        let link = log.split_whitespace().find(|word| word.starts_with(&begins));
        Ok(link.unwrap_or(&begins).to_owned())
    }
}
