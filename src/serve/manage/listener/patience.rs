//! How long we wait: a body that stands still, and a reader who takes nothing, end.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A body of which each part has to come in time.
#[derive(Debug)]
pub struct Patient {
    body: Incoming,
    patience: Duration,
    waits: Pin<Box<Sleep>>,
}

impl Patient {
    /// That one, with so long for each part.
    pub fn new(body: Incoming, patience: Duration) -> Patient {
        Patient { body, patience, waits: Box::pin(sleep(patience)) }
    }
}

/// Why a body has no end.
#[derive(Debug)]
pub enum Broken {
    /// It broke off.
    Off(hyper::Error),
    /// It stood still.
    Still,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Off(error) => error.fmt(f),
            Broken::Still => f.write_str("the body stood still"),
        }
    }
}

impl std::error::Error for Broken {}

impl Body for Patient {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let next = Instant::now() + self.patience;
            self.waits.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Broken::Off)));
        }
        ready!(self.waits.as_mut().poll(cx));
        Poll::Ready(Some(Err(Broken::Still)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose far end has to take what is sent.
#[derive(Debug)]
pub struct Hurried {
    stream: TcpStream,
    patience: Duration,
    /// Set while something waits to be taken.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Hurried {
    /// That one, with so long for each part.
    pub fn new(stream: TcpStream, patience: Duration) -> Hurried {
        Hurried { stream, patience, waits: None }
    }

    /// The connection itself.
    pub fn inner(&self) -> &TcpStream {
        &self.stream
    }

    fn or_too_late<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waits = None;
            return polled;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Hurried {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Hurried {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_too_late(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.or_too_late(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
