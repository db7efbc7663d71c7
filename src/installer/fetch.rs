//! Streams the image from the server; what breaks off is resumed where it stopped.
//!
//! [`Download`] reads as if nothing had happened: a closed connection, a silent one, a server that restarts are waited
//! for, up to [`Patience::silence`] without a new byte. It never mixes two files: every later request carries the first
//! answer's `ETag` in `If-Range` (RFC 9110 §13.1.5), and an answer that is not the wanted part of the same file is not
//! read. Knows no disk and no decoder.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use ureq::{Agent, BodyReader};

use super::job::{Failure, Patience};
use super::write::{Notices, Piece};

/// The first pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A run of zeros shorter than this is downloaded: asking anew costs more.
const ZERO_RUN_MIN: u64 = 16 << 20;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The image as the server sends it.
pub struct Download {
    agent: Agent,
    url: String,
    size: u64,
    /// What need not be asked for, because it is known to be zero.
    zeros: Vec<Range<u64>>,
    patience: Patience,
    notices: Notices,
    resumed: Arc<AtomicU32>,

    at: u64,
    /// `ETag` or `Last-Modified` of the first answer.
    version: Option<String>,
    body: Option<BodyReader<'static>>,
    /// Where the part ends that `body` brings.
    body_end: u64,
    broken: bool,
    last_byte: Instant,
    pause: Duration,
}

/// Why an attempt brought nothing.
enum Break {
    /// It may work the next time.
    Passing(String),
    Final(Failure),
}

impl Download {
    /// The `size` bytes at `url`. `zeros` are runs in these bytes that are known to be zero, ascending. Breaks are told
    /// to `notices` and counted in `resumed`.
    pub fn new(
        url: &str,
        size: u64,
        zeros: &[Range<u64>],
        patience: Patience,
        notices: Notices,
        resumed: Arc<AtomicU32>,
    ) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(patience.read))
            .timeout_recv_response(Some(patience.read))
            .user_agent(concat!("hatchery-installer/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        Self {
            agent: config.new_agent(),
            url: url.to_owned(),
            size,
            zeros: zeros.iter().filter(|run| run.end - run.start >= ZERO_RUN_MIN).cloned().collect(),
            patience,
            notices,
            resumed,
            at: 0,
            version: None,
            body: None,
            body_end: 0,
            broken: false,
            last_byte: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// Where the known zeros end that the position lies in.
    fn zeros_here(&self) -> Option<u64> {
        self.zeros.iter().find(|run| run.contains(&self.at)).map(|run| run.end)
    }

    /// Asks for the part from the position to the next known zeros.
    fn ask(&mut self) -> Result<(), Break> {
        let end = self.zeros.iter().map(|run| run.start).find(|start| *start > self.at).unwrap_or(self.size);
        let mut request = self.agent.get(&self.url);
        let whole = self.at == 0 && end == self.size;
        if !whole {
            request = request.header(RANGE, format!("bytes={}-{}", self.at, end - 1));
            // A weak tag may not stand in If-Range; the answer's own tag is compared below anyway.
            if let Some(version) = self.version.as_ref().filter(|version| !version.starts_with("W/")) {
                request = request.header(IF_RANGE, version);
            }
        }
        let response = request.call().map_err(|error| Break::Passing(error.to_string()))?;
        let status = response.status().as_u16();
        let headers = response.headers();
        let version = version(headers);
        let changed = self.version.is_some() && version != self.version;
        let skip = match status {
            200 | 206 if changed => return Err(Break::Final(Failure::Changed { url: self.url.clone() })),
            200 => {
                let length = number(headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()));
                if let Some(got) = length.filter(|length| *length != self.size) {
                    return Err(self.other_size(got));
                }
                // A server that knows no ranges sends everything; what we have is read past.
                self.body_end = self.size;
                self.at
            }
            206 => {
                let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let (start, last, total) = content_range(range)
                    .ok_or_else(|| Break::Passing(format!("the server sent an unreadable Content-Range: {range:?}")))?;
                if total != self.size {
                    return Err(self.other_size(total));
                }
                if start != self.at || last < start || last >= end {
                    return Err(Break::Passing(format!(
                        "the server sent another part than bytes {}-{}: {range}",
                        self.at,
                        end - 1
                    )));
                }
                self.body_end = last + 1;
                0
            }
            408 | 425 | 429 | 500..=599 => return Err(Break::Passing(format!("the server answered {status}"))),
            416 => return Err(Break::Final(Failure::Changed { url: self.url.clone() })),
            _ => return Err(Break::Final(Failure::Refused { url: self.url.clone(), status })),
        };
        self.version = version;
        let mut body = response.into_body().into_reader();
        if skip > 0 {
            let skipped = io::copy(&mut body.by_ref().take(skip), &mut io::sink());
            match skipped {
                Ok(skipped) if skipped == skip => {}
                Ok(_) => return Err(Break::Passing("the connection was closed early".to_owned())),
                Err(error) => return Err(Break::Passing(error.to_string())),
            }
        }
        self.body = Some(body);
        Ok(())
    }

    /// Another size: at the beginning the server's announcement was wrong, later the file was replaced.
    fn other_size(&self, got: u64) -> Break {
        Break::Final(match self.at {
            0 => Failure::Size { expected: self.size, got },
            _ => Failure::Changed { url: self.url.clone() },
        })
    }

    /// Waits before the next attempt, or gives up.
    fn wait(&mut self, why: String) -> Result<(), Failure> {
        self.body = None;
        let silent = self.last_byte.elapsed();
        if silent >= self.patience.silence {
            return Err(Failure::Silent { url: self.url.clone(), seconds: silent.as_secs(), last: why });
        }
        if !self.broken {
            self.broken = true;
            self.tell(format!("The download broke off at byte {} of {} ({why}); trying again.", self.at, self.size))?;
        }
        thread::sleep(self.pause.min(self.patience.silence - silent));
        self.pause = (self.pause * 2).min(self.patience.pause);
        Ok(())
    }

    /// # Errors
    ///
    /// When nobody listens any more: the installation has failed elsewhere.
    fn tell(&self, text: String) -> Result<(), Failure> {
        let gone =
            |_| Failure::Silent { url: self.url.clone(), seconds: 0, last: "the installation was given up".to_owned() };
        self.notices.send(Piece::Warning(text)).map_err(gone)
    }

    /// The next bytes, however often it takes.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.at < self.size {
            if let Some(end) = self.zeros_here() {
                let length = room(buffer.len(), end - self.at);
                buffer[..length].fill(0);
                self.at += length as u64;
                return Ok(length);
            }
            let Some(body) = self.body.as_mut() else {
                match self.ask() {
                    Ok(()) => {}
                    Err(Break::Passing(why)) => self.wait(why)?,
                    Err(Break::Final(failure)) => return Err(failure),
                }
                continue;
            };
            let wanted = room(buffer.len(), self.body_end - self.at);
            match body.read(&mut buffer[..wanted]) {
                Ok(0) => self.wait("the connection was closed early".to_owned())?,
                Ok(length) => {
                    self.arrived(length)?;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.wait(error.to_string())?,
            }
        }
        Ok(0)
    }

    fn arrived(&mut self, length: usize) -> Result<(), Failure> {
        self.last_byte = Instant::now();
        self.pause = FIRST_PAUSE;
        if self.broken {
            self.broken = false;
            self.resumed.fetch_add(1, Ordering::Relaxed);
            self.tell(format!("The download goes on at byte {}.", self.at))?;
        }
        self.at += length as u64;
        if self.at == self.body_end
            && let Some(mut body) = self.body.take()
        {
            // Reading the end lets the connection be used again.
            let _ = body.read(&mut [0]);
        }
        Ok(())
    }
}

impl Read for Download {
    /// Fails with a [`Failure`] inside.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(io::Error::other)
    }
}

fn room(buffer: usize, left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(buffer)
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// What tells this file from another one of the same name.
fn version(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED))?;
    value.to_str().ok().map(str::to_owned)
}

/// First and last byte and total of `bytes 0-499/1234` (RFC 9110 §14.4).
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    Some((number(Some(start))?, number(Some(last))?, number(Some(total))?))
}
