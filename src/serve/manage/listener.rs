//! The sockets of the management side: accept, cap, speak TLS, and hand each connection to hyper.
//!
//! Nobody can take all of it: connections are counted for each address, where all are taken who has most gives one up, and a
//! head, a body or an answer that stands still ends its connection.

mod patience;
mod plain;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::patience::{Hurried, Patient};
use super::tls::Tls;
use crate::refusal::Refusal;
use crate::serve::core::{self, SharedBoard};
use crate::serve::http::places::{Place, Places};
use crate::serve::http::{self, Listener};

/// Connections at once: a browser opens six.
const CONNECTIONS: usize = 512;

/// Connections at once from one address: a whole office behind a router looks at the wall.
const CONNECTIONS_OF_ONE: usize = 128;

/// Who has not sent a request's head in this time, or agreed on TLS, is not going to.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// A body that brings nothing for so long has ended.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Who takes nothing of an answer for so long has gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

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

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    routes: Router,
    tls: Option<(TlsAcceptor, Router)>,
    places: Arc<Places>,
    /// Counts who was turned away.
    board: SharedBoard,
    stopped: Receiver<bool>,
}

/// Serves `routes` on every socket until `stopped` says so, with TLS if there is a certificate.
pub async fn serve(
    listeners: Listeners,
    routes: Router,
    tls: Option<Arc<Tls>>,
    board: SharedBoard,
    stopped: Receiver<bool>,
) {
    let tls = tls.map(|tls| (TlsAcceptor::from(tls.server()), plain::routes()));
    let places = Arc::new(Places::new(CONNECTIONS, CONNECTIONS_OF_ONE));
    let shared = Shared { routes, tls, places, board, stopped };
    let mut all = JoinSet::new();
    for listener in listeners.0 {
        all.spawn(accept(listener, shared.clone()));
    }
    while all.join_next().await.is_some() {}
}

async fn accept(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    let mut stopped = shared.stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = until(&mut stopped) => break,
        };
        match accepted {
            Ok((stream, peer)) => match shared.places.take(peer.ip()) {
                Ok((place, given_up)) => {
                    if given_up {
                        core::count(&shared.board, &Refusal::Busy("management connections of who has most"));
                    }
                    let shared = shared.clone();
                    connections.spawn(async move {
                        tokio::select! {
                            () = welcome(stream, peer, shared, &place) => {}
                            () = place.given_up() => tracing::debug!(%peer, "management connection ended: others have none"),
                        }
                    });
                }
                Err(full) => {
                    core::count(&shared.board, &Refusal::Busy("management connections"));
                    tracing::debug!(ip = %peer.ip(), limit = full.limit, "management connection turned away: {full}");
                }
            },
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

/// Speaks TLS with who does, if we do.
async fn welcome(stream: TcpStream, peer: SocketAddr, shared: Shared, place: &Place) {
    // Pages are small, and events are to arrive when they happen.
    let _ = stream.set_nodelay(true);
    let Shared { routes, tls, stopped, .. } = shared;
    let stream = Hurried::new(stream, ANSWER_TIMEOUT);
    let Some((acceptor, plain)) = tls else {
        return converse(stream, peer, routes, place, stopped).await;
    };
    // The first byte of a TLS handshake is 22 (RFC 8446 §5.1); no method of HTTP begins so.
    let mut first = [0];
    match tokio::time::timeout(HEAD_TIMEOUT, stream.inner().peek(&mut first)).await {
        Ok(Ok(1..)) if first == [22] => {}
        Ok(Ok(1..)) => return converse(stream, peer, plain, place, stopped).await,
        _ => return,
    }
    match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => converse(stream, peer, routes, place, stopped).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS on a management connection"),
        Err(_) => tracing::debug!(%peer, "no TLS in time on a management connection"),
    }
}

async fn converse<S>(stream: S, peer: SocketAddr, routes: Router, place: &Place, mut stopped: Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Patient::new(body, BODY_TIMEOUT)));
        request.extensions_mut().insert(ConnectInfo(peer));
        place.waits(false);
        let answered = routes.call(request);
        async move {
            let answered = answered.await as Result<Response<_>, std::convert::Infallible>;
            place.waits(true);
            answered
        }
    });
    place.waits(true);
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
