//! As much HTTP/1.1 as boot firmware and installers speak: one request per connection, a body of known length.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::Type;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

use super::machine::Place;

/// Nothing may stand still for longer: the read timeout of the installers in the field.
const PATIENCE: Duration = Duration::from_secs(30);
const HEAD_MAX: usize = 16 * 1024;
/// Small exchanges are small: answers of the API, scripts.
const SMALL_BODY_MAX: u64 = 1 << 20;
/// Fits into a core's cache, so that a download is compared or hashed while it is there.
const CHUNK: usize = 256 * 1024;
/// Who takes his time takes so many pieces a second, and has room for little more.
const PACED_PIECES: u64 = 10;
const PACED_ROOM: usize = 128 * 1024;

/// What is asked of a server.
#[derive(Debug)]
pub(super) struct Request {
    pub method: &'static str,
    pub url: String,
    /// JSON.
    pub body: Option<String>,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub length: u64,
    stream: TcpStream,
    /// The beginning of the body, which came with the head.
    begun: Vec<u8>,
    /// Bytes a second at which the body is taken.
    rate: Option<u64>,
}

/// Sends the request from the machine's place and reads the answer's head. The body is taken at `rate` bytes a second,
/// or as fast as it comes.
pub(super) async fn ask(place: &Place, request: &Request, rate: Option<u64>) -> Result<Answer, String> {
    let url = Url::parse(&request.url).ok_or_else(|| format!("'{}' is no URL of an IPv4 host", request.url))?;
    let mut stream = patient("connecting", connect(place, url.host, rate)).await?;
    let Request { method, body, .. } = request;
    let Url { authority, path, .. } = url;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    if let Some(body) = body {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    text += body.as_deref().unwrap_or_default();
    patient("sending the request", stream.write_all(text.as_bytes())).await?;

    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_MAX {
            return Err("the answer's head has no end".into());
        }
        if patient("waiting for an answer", stream.read_buf(&mut bytes)).await? == 0 {
            return Err("the connection was closed before an answer".into());
        }
    };
    let (status, length) = head(&bytes[..end]).ok_or("the answer is not HTTP with a body of known length")?;
    let length = if *method == "HEAD" { 0 } else { length };
    Ok(Answer { status, length, stream, begun: bytes.split_off(end + 4), rate })
}

impl Answer {
    /// Reads a small body as a whole.
    pub async fn whole(self) -> Result<(u16, Vec<u8>), String> {
        if self.length > SMALL_BODY_MAX {
            return Err(format!("{} bytes are too many for a small exchange", self.length));
        }
        let (status, mut body) = (self.status, Vec::new());
        self.stream_to(|chunk| {
            body.extend_from_slice(chunk);
            Ok(())
        })
        .await?;
        Ok((status, body))
    }

    /// Hands the body over piece by piece.
    pub async fn stream_to(mut self, mut take: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        let mut missing = self.length;
        let mut buffer = std::mem::take(&mut self.begun);
        let mut filled = buffer.len();
        buffer.resize(CHUNK.max(filled), 0);
        let piece = self.rate.map_or(CHUNK as u64, |rate| (rate / PACED_PIECES).clamp(1, CHUNK as u64)) as usize;
        let begin = Instant::now();
        loop {
            let chunk = &buffer[..filled.min(usize::try_from(missing).unwrap_or(usize::MAX))];
            if !chunk.is_empty() {
                take(chunk)?;
            }
            missing -= chunk.len() as u64;
            if missing == 0 {
                return Ok(());
            }
            if let Some(rate) = self.rate {
                sleep_until(begin + Duration::from_secs_f64((self.length - missing) as f64 / rate as f64)).await;
            }
            filled = patient("reading the answer", self.stream.read(&mut buffer[..piece])).await?;
            if filled == 0 {
                return Err(format!("the connection was closed {missing} bytes before the end"));
            }
        }
    }
}

async fn connect(place: &Place, host: SocketAddrV4, rate: Option<u64>) -> std::io::Result<TcpStream> {
    let socket = place.socket(Type::STREAM)?;
    if rate.is_some() {
        // Else the kernel takes megabytes ahead.
        socket.set_recv_buffer_size(PACED_ROOM)?;
    }
    socket.bind(&SocketAddrV4::new(place.address, 0).into())?;
    TcpSocket::from_std_stream(socket.into()).connect(host.into()).await
}

async fn patient<T>(what: &str, step: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE, step).await {
        Ok(result) => result.map_err(|error| format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: nothing happened for {} s", PATIENCE.as_secs())),
    }
}

/// Status and body length of an answer's head, without its empty line.
fn head(bytes: &[u8]) -> Option<(u16, u64)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    Some((status, length.trim().parse().ok()?))
}

#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    host: SocketAddrV4,
    authority: &'a str,
    path: &'a str,
}

impl Url<'_> {
    /// Reads `http://ADDRESS[:PORT]/PATH`; machines have no DNS.
    fn parse(text: &str) -> Option<Url<'_>> {
        let place = text.strip_prefix("http://")?;
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let host = match authority.parse::<Ipv4Addr>() {
            Ok(address) => SocketAddrV4::new(address, 80),
            Err(_) => authority.parse().ok()?,
        };
        Some(Url { host, authority, path: if path.is_empty() { "/" } else { path } })
    }
}

#[cfg(test)]
mod tests;
