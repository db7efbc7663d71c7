//! A small HTTP server for one file, whose faults are chosen request by request.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a request asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Counted from 0.
    pub number: usize,
    /// First and last byte of `Range`.
    pub range: Option<(u64, Option<u64>)>,
    /// `If-Range`.
    pub if_range: Option<String>,
}

/// How a request is answered; by default as it should be.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// The connection is closed after so many bytes of the body.
    pub cut: Option<usize>,
    /// Nothing more comes after so many bytes, and the connection stays open.
    pub stall: Option<usize>,
    /// The byte at this place of the file is another one.
    pub corrupt: Option<usize>,
    /// This status and no body.
    pub status: Option<u16>,
    /// The whole file whatever range was asked for.
    pub no_ranges: bool,
    /// The part that comes begins so many bytes later than it should.
    pub shifted: u64,
    /// The file has been replaced: another `ETag`.
    pub replaced: bool,
    /// Every byte of the body takes so long.
    pub slow: Option<Duration>,
}

type Faults = dyn FnMut(&Request) -> Fault + Send;

/// The server; ends with this value.
pub struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Serves `file`; `faults` says how each request goes wrong.
    pub fn start(file: Vec<u8>, faults: impl FnMut(&Request) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let url = format!("http://{}/images/master.img", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let faults: Arc<Mutex<Faults>> = Arc::new(Mutex::new(faults));
        let (seen, ended, file) = (Arc::clone(&requests), Arc::clone(&stopped), Arc::new(file));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, faults, file) = (Arc::clone(&seen), Arc::clone(&faults), Arc::clone(&file));
                // A client that goes away ends its connection, and that is all.
                thread::spawn(move || stream.and_then(|stream| serve(stream, &file, &seen, &faults)));
            }
        });
        Self { url, requests, stopped }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread panics holding it").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://").split('/').next().expect("an address"));
    }
}

fn serve(stream: TcpStream, file: &[u8], seen: &Mutex<Vec<Request>>, faults: &Mutex<Faults>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut request = Request::default();
        let mut line = String::new();
        let mut first = true;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let text = line.trim_end();
            if text.is_empty() && !first {
                break;
            }
            first = false;
            match text.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                    let (start, last) = value.trim_start_matches("bytes=").split_once('-').expect("a range");
                    request.range = Some((start.parse().expect("a number"), last.parse().ok()));
                }
                Some((name, value)) if name.eq_ignore_ascii_case("if-range") => {
                    request.if_range = Some(value.to_owned())
                }
                _ => {}
            }
        }
        let fault = {
            let mut seen = seen.lock().expect("no thread panics holding it");
            request.number = seen.len();
            seen.push(request.clone());
            (faults.lock().expect("no thread panics holding it"))(&request)
        };
        if !answer(&mut stream, file, &request, &fault)? {
            return Ok(());
        }
    }
}

/// `false`: the connection ends.
fn answer(stream: &mut TcpStream, file: &[u8], request: &Request, fault: &Fault) -> std::io::Result<bool> {
    if let Some(status) = fault.status {
        write!(stream, "HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    }
    let etag = if fault.replaced { "\"v2\"" } else { "\"v1\"" };
    let applies = request.if_range.as_deref().is_none_or(|tag| tag == etag) && !fault.no_ranges;
    let total = file.len() as u64;
    let (start, end) = match request.range.filter(|_| applies) {
        Some((start, last)) => {
            let (start, end) = (start + fault.shifted, last.map_or(total, |last| last + 1).min(total));
            let last = end - 1;
            write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{total}\r\n")?;
            (start, end)
        }
        None => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            (0, total)
        }
    };
    write!(stream, "ETag: {etag}\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n", end - start)?;
    let place = |at: u64| usize::try_from(at).expect("a place in memory");
    let mut body = file[place(start)..place(end)].to_vec();
    if let Some(at) = fault.corrupt.and_then(|at| at.checked_sub(place(start))).filter(|at| *at < body.len()) {
        body[at] ^= 0x10;
    }
    let length = fault.cut.or(fault.stall).unwrap_or(body.len()).min(body.len());
    match fault.slow {
        Some(pause) => {
            for part in body[..length].chunks(64 << 10) {
                stream.write_all(part)?;
                thread::sleep(pause);
            }
        }
        None => stream.write_all(&body[..length])?,
    }
    stream.flush()?;
    if fault.stall.is_some() {
        // The client gives up first: this reads its end.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let _ = std::io::copy(stream, &mut std::io::sink());
    }
    Ok(fault.cut.is_none() && fault.stall.is_none())
}
