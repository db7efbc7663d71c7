//! One connection: head after head, each answered by exactly one of the two paths, files or API.
//!
//! Owns the read buffer. Between two requests nothing of the first is left in it or on the wire, and its answer has been
//! acknowledged; where that cannot be had, the connection closes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::handoff::End;
use super::places::Place;
use super::reply::{Persistence, Reply};
use super::{Front, file, handoff};
use crate::refusal::Refusal;
use crate::serve::image::deliver;
use crate::wire::http::{Body, Head, HeadError, MAX_HEAD, MAX_TARGET, Version, parse};

/// How long a client may take to read a last answer that came before the end of its request.
const LINGER: Duration = Duration::from_secs(2);

/// Serves `stream` until either side ends it; `stop` ends it at the next request boundary.
pub(super) async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    front: &Front,
    place: &Place,
    mut stop: watch::Receiver<bool>,
) {
    let mut buffer = BytesMut::with_capacity(4096);
    let mut wait = front.limits.head_timeout;
    loop {
        place.waits(true);
        let next = next_head(&mut stream, &mut buffer, wait, front, &mut stop).await;
        place.waits(false);
        let (head, length) = match next {
            Next::Request(head, length) => (head, length),
            Next::Refused(status, sentence) => return refuse(stream, peer, status, &sentence, front).await,
            Next::Nothing => return,
        };
        let may_stay = !*stop.borrow();
        let stays = match file::name_of(&head) {
            Some(name) => {
                buffer.advance(length);
                // A body on these paths means nothing; it is not read, so no request can follow it.
                let persistence = Persistence::of(&head, may_stay && head.body == Body::Empty);
                file::answer(&stream, peer.ip(), &head, name, persistence, front).await
            }
            None => hand_off(&mut stream, peer, &head, length, &mut buffer, may_stay, front).await,
        };
        if !stays {
            return close(stream).await;
        }
        wait = front.limits.idle_timeout;
    }
}

async fn hand_off(
    stream: &mut TcpStream,
    peer: SocketAddr,
    head: &Head,
    length: usize,
    buffer: &mut BytesMut,
    may_stay: bool,
    front: &Front,
) -> bool {
    let body = match head.body {
        Body::Empty => 0,
        Body::Sized(bytes) if bytes > front.limits.max_body => {
            let reply = Reply::new(StatusCode::PAYLOAD_TOO_LARGE, Persistence::Close);
            let sentence = format!("the body has {bytes} bytes, at most {} are taken", front.limits.max_body);
            let reply = reply.error(&sentence, Some(&head.method));
            // Whether it arrives or not, the connection ends.
            let _ = deliver(stream, &reply, front.limits.stall_timeout).await;
            return false;
        }
        Body::Sized(bytes) => bytes,
        Body::Chunked => {
            return handoff::answer(stream, peer, buffer.split().freeze(), End::Unknown, false, front).await;
        }
    };
    let seen = (buffer.len() - length).min(usize::try_from(body).unwrap_or(usize::MAX));
    let request = buffer.split_to(length + seen).freeze();
    // An answer of unknown length to HTTP/1.0 ends with its connection; only hyper would know which it was.
    let stays = may_stay && head.keep_alive && head.version == Version::Http11;
    handoff::answer(stream, peer, request, End::After(body - seen as u64), stays, front).await
}

enum Next {
    Request(Box<Head>, usize),
    Refused(StatusCode, String),
    /// The client is gone, or said nothing at all in time, or we stop.
    Nothing,
}

/// Reads until `buffer` starts with a whole head. Waits `wait` for its first byte, then the head timeout for the rest.
async fn next_head(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    wait: Duration,
    front: &Front,
    stop: &mut watch::Receiver<bool>,
) -> Next {
    let mut deadline = Instant::now() + if buffer.is_empty() { wait } else { front.limits.head_timeout };
    loop {
        match parse(buffer) {
            Ok(Some((head, length))) => return Next::Request(Box::new(head), length),
            Ok(None) => {}
            Err(error) => return refusal(error),
        }
        let starts = buffer.is_empty();
        buffer.reserve(MAX_HEAD / 4);
        let read = tokio::select! {
            read = timeout_at(deadline, stream.read_buf(buffer)) => read,
            _ = stop.wait_for(|stopped| *stopped), if starts => return Next::Nothing,
        };
        match read {
            Ok(Ok(1..)) if starts => deadline = Instant::now() + front.limits.head_timeout,
            Ok(Ok(1..)) => {}
            // Nobody waits for an answer to a request that was never begun.
            Err(_) if !starts => {
                let limit = front.limits.head_timeout.as_secs();
                return Next::Refused(StatusCode::REQUEST_TIMEOUT, format!("the request head took over {limit} s"));
            }
            Ok(Ok(0) | Err(_)) | Err(_) => return Next::Nothing,
        }
    }
}

fn refusal(error: HeadError) -> Next {
    let (status, sentence) = match error {
        HeadError::TooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request head is too large: at most {MAX_HEAD} bytes are taken"),
        ),
        HeadError::TargetTooLong => {
            (StatusCode::URI_TOO_LONG, format!("the URL is too long: at most {MAX_TARGET} bytes are taken"))
        }
        HeadError::LengthRequired => {
            (StatusCode::LENGTH_REQUIRED, "Content-Length is missing, or Transfer-Encoding: chunked".to_owned())
        }
        HeadError::Malformed(refusal) => (StatusCode::BAD_REQUEST, refusal.to_string()),
    };
    Next::Refused(status, sentence)
}

async fn refuse(stream: TcpStream, peer: SocketAddr, status: StatusCode, sentence: &str, front: &Front) {
    debug!(%peer, "HTTP request refused: {sentence}");
    front.files.refused(&Refusal::Unparsable(sentence.to_owned()));
    let reply = Reply::new(status, Persistence::Close).error(sentence, None);
    if deliver(&stream, &reply, front.limits.stall_timeout).await.is_ok() {
        close(stream).await;
    }
}

/// Closes so that the last answer arrives: closing over unread bytes would reset the connection, and a client that is
/// still sending could lose the answer with it (RFC 9112 §9.6).
pub(super) async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut scrap = [0; 4096];
    let drained = async { while matches!(stream.read(&mut scrap).await, Ok(1..)) {} };
    // Running out of patience is the normal end for a client that never closes.
    let _ = timeout(LINGER, drained).await;
}
