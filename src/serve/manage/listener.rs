//! The sockets of the management side: accept, cap, and hand each connection to hyper.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::serve::http::{self, Listener};

/// Connections at once: a browser opens six.
const CONNECTIONS: usize = 512;

/// Who has not sent a request's head in this time is not going to.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// How long what is under way may take when we stop.
const GRACE: Duration = Duration::from_secs(5);

/// Open sockets, in the order in which they were configured.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

/// Opens the sockets.
///
/// # Errors
/// Names the address that cannot be listened on.
pub fn bind(addresses: &[SocketAddr]) -> io::Result<Listeners> {
    let opened = http::bind(addresses)?.into_iter().map(Listener::into_tokio);
    opened.collect::<io::Result<_>>().map(Listeners)
}

impl Listeners {
    /// Where they really listen: port 0 was replaced.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

/// Serves `routes` on every socket until `stopped` says so.
pub async fn serve(listeners: Listeners, routes: Router, stopped: Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut all = JoinSet::new();
    for listener in listeners.0 {
        all.spawn(accept(listener, routes.clone(), room.clone(), stopped.clone()));
    }
    while all.join_next().await.is_some() {}
}

async fn accept(listener: TcpListener, routes: Router, room: Arc<Semaphore>, mut stopped: Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = until(&mut stopped) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(converse(stream, peer, routes.clone(), permit, stopped.clone()));
            }
            Err(error) => {
                // Too many open files, mostly: the next one may fit.
                tracing::warn!(%error, "management connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::info!("management connections were cut");
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    _permit: OwnedSemaphorePermit,
    mut stopped: Receiver<bool>,
) {
    // Pages are small, and events are to arrive when they happen.
    let _ = stream.set_nodelay(true);
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answered = routes.call(request);
        async move { answered.await as Result<Response<_>, std::convert::Infallible> }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        served = connection.as_mut() => Some(served),
        () = until(&mut stopped) => None,
    };
    let served = match ended {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "management connection");
    }
}

/// Waits for the stop; a sender that is gone is one, too.
async fn until(stopped: &mut Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}
