//! One request to hyper and axum, and the connection back.
//!
//! hyper sees exactly the bytes of one request and then the end of its input, so the next head on the connection is
//! the front's again. A chunked request has no known end: its connection is hyper's until it closes, and says so.
//! The true address of the client is the request's `ConnectInfo<SocketAddr>`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::debug;

use super::Front;
use crate::serve::image::acknowledged;
use crate::wire::http::MAX_HEAD;

/// Where a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After that many more bytes of the connection, beyond those already read.
    After(u64),
    /// Not known before it is there.
    Unknown,
}

/// Lets hyper and the API answer the request whose first bytes are `seen`. Whether the connection stands at the start
/// of another request afterwards.
pub(super) async fn answer(
    stream: &mut TcpStream,
    peer: SocketAddr,
    seen: Bytes,
    end: End,
    may_stay: bool,
    front: &Front,
) -> bool {
    let missing = Arc::new(AtomicU64::new(match end {
        End::After(bytes) => bytes,
        End::Unknown => u64::MAX,
    }));
    let may_stay = may_stay && end != End::Unknown;
    let closes = Arc::new(AtomicBool::new(!may_stay));
    let api = TowerToHyperService::new(front.api.clone());
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answered, missing, closes) = (api.call(request), missing.clone(), closes.clone());
        async move {
            let mut response = answered.await?;
            // An answer before the end of the request leaves bytes on the wire that are no head.
            if missing.load(Ordering::Relaxed) > 0 || says_close(&response) {
                closes.store(true, Ordering::Relaxed);
            }
            if closes.load(Ordering::Relaxed) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let window = Window {
        stream,
        seen,
        missing: missing.clone(),
        reads: Patience::new(front.limits.body_timeout),
        writes: Patience::new(front.limits.stall_timeout),
    };
    // Half-close: the end of our window must not look like a client that has gone away.
    let served = http1::Builder::new()
        .half_close(true)
        .keep_alive(may_stay)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(window), service)
        .without_shutdown()
        .await;
    let delivered = match served {
        Ok(_) => acknowledged(stream, front.limits.stall_timeout).await.map_err(Into::into),
        Err(error) => Err(Box::<dyn std::error::Error + Send + Sync>::from(error)),
    };
    match delivered {
        Ok(()) => !closes.load(Ordering::Relaxed) && missing.load(Ordering::Relaxed) == 0,
        Err(error) => {
            debug!(%peer, "HTTP request to the API ended early: {error}");
            false
        }
    }
}

fn says_close<B>(response: &Response<B>) -> bool {
    let values = response.headers().get_all(CONNECTION);
    values.iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

/// A view of a connection that ends where the request ends. Writing is not restricted.
struct Window<'a> {
    stream: &'a mut TcpStream,
    /// Bytes of the request that were read before.
    seen: Bytes,
    /// Bytes of the request that are still to come.
    missing: Arc<AtomicU64>,
    reads: Patience,
    writes: Patience,
}

impl AsyncRead for Window<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.seen.is_empty() {
            let part = this.seen.split_to(this.seen.len().min(buf.remaining()));
            buf.put_slice(&part);
            return Poll::Ready(Ok(()));
        }
        let missing = this.missing.load(Ordering::Relaxed);
        let room = usize::try_from(missing).unwrap_or(usize::MAX).min(buf.remaining());
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        let polled = Pin::new(&mut *this.stream).poll_read(cx, &mut part);
        let read = part.filled().len();
        ready!(this.reads.limit(cx, polled))?;
        buf.advance(read);
        if missing != u64::MAX {
            this.missing.store(missing - read as u64, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Window<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.stream).poll_write(cx, bytes);
        self.writes.limit(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.stream).poll_write_vectored(cx, slices);
        self.writes.limit(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}

/// Turns an operation that makes no progress for a while into a timeout.
struct Patience {
    limit: Duration,
    until: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Patience { limit, until: None }
    }

    fn limit<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.until = None;
            return polled;
        }
        let limit = self.limit;
        let until = self.until.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(until.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
