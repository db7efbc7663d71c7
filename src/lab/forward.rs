//! Connections from outside into the lab's server side: for the pages of a demo, and for a browser that looks at them.
//!
//! A listener that was opened outside, before this process went in, still accepts there; each connection gets one of the
//! server side, and the bytes go over unchanged both ways.

use super::side::{Netlink, Side};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Weak;
use std::{io, thread};

/// Accepts in a thread of its own, as long as the server side is there.
pub(super) fn start(listener: TcpListener, to: SocketAddr, server: Weak<Side>) -> io::Result<()> {
    let accept = move || {
        for caller in listener.incoming() {
            // A connection that failed before it was accepted is no matter; the next one may not.
            let Ok(caller) = caller else { continue };
            let Some(server) = server.upgrade() else { return };
            let called = server.run(move |_: &Netlink| TcpStream::connect(to));
            drop(server);
            // The caller sees its connection closed, as it would without us.
            if let Err(error) = called.and_then(|called| join(caller, called)) {
                tracing::debug!(%error, %to, "connection into the lab");
            }
        }
    };
    thread::Builder::new().name("lab-forward".into()).spawn(accept).map(drop)
}

/// Passes on what either says until both have ended.
fn join(caller: TcpStream, called: TcpStream) -> io::Result<()> {
    for stream in [&caller, &called] {
        stream.set_nodelay(true)?;
    }
    pass(caller.try_clone()?, called.try_clone()?)?;
    pass(called, caller)
}

fn pass(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let pass = move || {
        // One that broke off ends like one that ended.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::Builder::new().name("lab-pass".into()).spawn(pass).map(drop)
}
