//! `/images/…` and `/boot/…`: the only path by which the front sends files.
//!
//! Asks the [`FileSource`](crate::serve::content::FileSource) what a name means and sends that; reports every transfer
//! once at its start and once at its end, whatever ends it.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::debug;

use super::Front;
use super::reply::{Choice, Persistence, Reply, Validators, choose};
use crate::ids::TransferId;
use crate::refusal::Refusal;
use crate::serve::content::{Content, FileSource, OpenFile};
use crate::serve::image::{deliver, ending, send_file, send_head};
use crate::transfer::{Outcome, Via};
use crate::wire::http::{Head, Method};

/// A file of up to so many bytes is copied behind its head: sending both at once costs less than sendfile(2) does.
const COPIED: u64 = 16 << 10;

/// The least time between two progress reports of one transfer.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// The name by which the file source knows the path of `head`, when that path is ours to answer.
///
/// Leading slashes count once: firmware joins URLs carelessly, and follows no redirect to a tidier one.
pub(super) fn name_of(head: &Head) -> Option<&str> {
    let name = head.path.starts_with('/').then(|| head.path.trim_start_matches('/'))?;
    (name.starts_with("images/") || name.starts_with("boot/")).then_some(name)
}

/// Answers the request `head` for `name`; whether the connection can carry another request.
pub(super) async fn answer(
    stream: &TcpStream,
    peer: IpAddr,
    head: &Head,
    name: &str,
    persistence: Persistence,
    front: &Front,
) -> bool {
    let stall = front.limits.stall_timeout;
    let stays = persistence != Persistence::Close;
    let error =
        |status: StatusCode, sentence: &str| Reply::new(status, persistence).error(sentence, Some(&head.method));
    if let Method::Other(method) = &head.method {
        let reply = Reply::new(StatusCode::METHOD_NOT_ALLOWED, persistence).field("Allow", "GET, HEAD");
        let reply = reply.error(&format!("{method} is not possible here, only GET and HEAD"), None);
        return deliver(stream, &reply, stall).await.is_ok() && stays;
    }
    let opened = match peer.to_canonical() {
        IpAddr::V4(asker) => open(&front.files, asker, name).await.map(|content| (asker, content)),
        IpAddr::V6(_) => Err(Refusal::UnknownMachine),
    };
    let (asker, content) = match opened {
        Ok(opened) => opened,
        Err(refusal) => {
            debug!(%peer, name, refusal = refusal.kind(), "HTTP file refused: {refusal}");
            let reply = match &refusal {
                Refusal::Busy(_) => Reply::new(StatusCode::SERVICE_UNAVAILABLE, persistence)
                    .field("Retry-After", 1)
                    .error(&refusal.to_string(), Some(&head.method)),
                _ if name.starts_with("images/") => error(StatusCode::NOT_FOUND, "Image not found"),
                _ => error(StatusCode::NOT_FOUND, &refusal.to_string()),
            };
            return deliver(stream, &reply, stall).await.is_ok() && stays;
        }
    };

    let size = content.size();
    let validators = match &content {
        Content::File(file) => Some(Validators::new(&file.etag, file.modified_secs)),
        Content::Text(_) => None,
    };
    let described = |reply: Reply| match &validators {
        Some(own) => reply.field("ETag", &own.etag).field("Last-Modified", &own.modified.1),
        None => reply,
    };
    let typed = |reply: Reply, length: u64| {
        let kind = match &content {
            Content::File(_) => "application/octet-stream",
            Content::Text(_) => "text/plain; charset=utf-8",
        };
        reply.field("Content-Type", kind).field("Content-Length", length).field("Accept-Ranges", "bytes")
    };
    let (reply, range) = match choose(head, validators.as_ref(), size) {
        Choice::Whole => (typed(described(Reply::new(StatusCode::OK, persistence)), size).end(), 0..size),
        Choice::Part(part) => {
            let reply = described(Reply::new(StatusCode::PARTIAL_CONTENT, persistence));
            let reply = reply.field("Content-Range", format_args!("bytes {}-{}/{size}", part.start, part.end - 1));
            (typed(reply, part.end - part.start).end(), part)
        }
        Choice::NotModified => (described(Reply::new(StatusCode::NOT_MODIFIED, persistence)).end(), 0..0),
        Choice::PreconditionFailed => {
            let reply = described(Reply::new(StatusCode::PRECONDITION_FAILED, persistence));
            (reply.error("this is not the version of the file that the request is about", Some(&head.method)), 0..0)
        }
        Choice::Unsatisfiable => {
            let reply = Reply::new(StatusCode::RANGE_NOT_SATISFIABLE, persistence);
            let reply = reply.field("Content-Range", format_args!("bytes */{size}"));
            (reply.error(&format!("the range is outside of the {size} bytes of this file"), None), 0..0)
        }
    };
    // A HEAD asks about a file, it does not fetch it: no transfer begins.
    if head.method == Method::Head || range.is_empty() && size > 0 {
        return deliver(stream, &reply, stall).await.is_ok() && stays;
    }
    let _share = front.shares.join(stream, range.end - range.start);
    let mut transfer = Transfer::begin(front.files.clone(), asker, name, range.end - range.start);
    let outcome = send(stream, &reply, &content, range, stall, &mut transfer).await;
    let whole = outcome == Outcome::Complete;
    transfer.outcome = Some(outcome);
    whole && stays
}

async fn open(files: &Arc<dyn FileSource>, asker: Ipv4Addr, name: &str) -> Result<Content, Refusal> {
    if let Some(content) = files.open_at_once(asker, name, Via::Http) {
        return Ok(content);
    }
    let (files, name) = (files.clone(), name.to_owned());
    match tokio::task::spawn_blocking(move || files.open(asker, &name, Via::Http)).await {
        Ok(opened) => opened,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(Refusal::Busy("the server is stopping")),
    }
}

async fn send(
    stream: &TcpStream,
    reply: &[u8],
    content: &Content,
    range: Range<u64>,
    stall: Duration,
    transfer: &mut Transfer,
) -> Outcome {
    if let Content::File(file) = content
        && let Some(bytes) = joined(reply, file, &range)
    {
        return send_rest(stream, &bytes, range, stall, transfer).await;
    }
    // The transfer of an empty file is its head.
    let head =
        if range.is_empty() { deliver(stream, reply, stall).await } else { send_head(stream, reply, stall).await };
    if let Err(error) = head {
        return ending(&error, stall);
    }
    match content {
        Content::File(file) => send_file(stream, file, range, stall, |sent| transfer.moved(sent)).await,
        Content::Text(text) => {
            let within = |at: u64| usize::try_from(at).expect("a range lies within the text");
            let text = &text[within(range.start)..within(range.end)];
            send_rest(stream, text, range, stall, transfer).await
        }
    }
}

/// Sends the `bytes` with which all of `range` has left.
async fn send_rest(
    stream: &TcpStream,
    bytes: &[u8],
    range: Range<u64>,
    stall: Duration,
    transfer: &mut Transfer,
) -> Outcome {
    match deliver(stream, bytes, stall).await {
        Ok(()) => {
            transfer.moved(range.end - range.start);
            Outcome::Complete
        }
        Err(error) => ending(&error, stall),
    }
}

/// `head` and behind it this part of a small file; `None` for any other, and for one that cannot be read.
fn joined(head: &[u8], file: &OpenFile, range: &Range<u64>) -> Option<Vec<u8>> {
    if file.size > COPIED {
        return None;
    }
    let length = head.len() + (range.end - range.start) as usize;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(head);
    bytes.resize(length, 0);
    file.file.read_exact_at(&mut bytes[head.len()..], range.start).ok()?;
    Some(bytes)
}

/// A transfer that has been reported as started; reports its end when dropped.
struct Transfer {
    files: Arc<dyn FileSource>,
    id: TransferId,
    sent: u64,
    reported: Instant,
    outcome: Option<Outcome>,
}

impl Transfer {
    fn begin(files: Arc<dyn FileSource>, asker: Ipv4Addr, name: &str, size: u64) -> Self {
        let id = files.started(asker, name, size, Via::Http);
        Transfer { files, id, sent: 0, reported: Instant::now(), outcome: None }
    }

    fn moved(&mut self, sent: u64) {
        self.sent = sent;
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            self.files.progress(self.id, sent);
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let unfinished = || Outcome::Broken("the server stopped before the end".to_owned());
        self.files.finished(self.id, self.sent, self.outcome.take().unwrap_or_else(unfinished));
    }
}
