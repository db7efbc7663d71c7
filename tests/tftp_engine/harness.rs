//! A server of ours on loopback with files in memory, and a client that shows every packet.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hatchery::ids::TransferId;
use hatchery::refusal::Refusal;
use hatchery::serve::content::{Content, FileSource, OpenFile};
use hatchery::serve::tftp::{Config, Server};
use hatchery::transfer::{Outcome, Via};
use hatchery::wire::tftp::{ErrorCode, Mode, Options, Packet, Request};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::peer::content;

/// Nothing on loopback takes this long.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub const NONE: Options = Options { blksize: None, timeout_secs: None, tsize: None, windowsize: None };

/// What a server told its file source about one transfer.
#[derive(Clone, Debug)]
pub struct Told {
    pub name: String,
    pub size: u64,
    pub finished: Vec<(u64, Outcome)>,
}

#[derive(Default)]
pub struct Files {
    pub contents: BTreeMap<String, Content>,
    pub told: Mutex<Vec<Told>>,
    /// The kinds of the refusals that the listener made by itself.
    pub refused: Mutex<Vec<&'static str>>,
}

impl Files {
    pub fn with(texts: &[(&str, usize)]) -> Self {
        let text = |&(name, size): &(&str, usize)| (name.to_owned(), Content::Text(content(size).into()));
        Files { contents: texts.iter().map(text).collect(), ..Files::default() }
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("no test panics while it holds this").clone()
    }

    /// Waits until `count` transfers have ended, and returns their outcomes in the order they started.
    pub async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let all_ended = async {
            loop {
                let told = self.told();
                if told.len() == count && told.iter().all(|told| !told.finished.is_empty()) {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let told = timeout(DEADLINE, all_ended).await.expect("the transfers do not end");
        assert!(told.iter().all(|told| told.finished.len() == 1), "finished more than once: {told:?}");
        told.into_iter().map(|told| told.finished[0].1.clone()).collect()
    }
}

impl FileSource for Files {
    fn open(&self, _asker: Ipv4Addr, name: &str, via: Via) -> Result<Content, Refusal> {
        assert_eq!(via, Via::Tftp);
        if name.contains("..") {
            return Err(Refusal::OutsideTree(name.to_owned()));
        }
        self.contents.get(name).cloned().ok_or_else(|| Refusal::NoSuchFile(name.to_owned()))
    }

    fn refused(&self, refusal: &Refusal) {
        self.refused.lock().expect("no test panics while it holds this").push(refusal.kind());
    }

    fn started(&self, _asker: Ipv4Addr, name: &str, size: u64, _via: Via) -> TransferId {
        let mut told = self.told.lock().expect("no test panics while it holds this");
        told.push(Told { name: name.to_owned(), size, finished: Vec::new() });
        TransferId(told.len() as u64 - 1)
    }

    fn progress(&self, _transfer: TransferId, _sent: u64) {}

    fn finished(&self, transfer: TransferId, sent: u64, outcome: Outcome) {
        let mut told = self.told.lock().expect("no test panics while it holds this");
        told[transfer.0 as usize].finished.push((sent, outcome));
    }
}

/// A running server of ours.
pub struct Ours {
    pub address: SocketAddrV4,
    pub files: Arc<Files>,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<std::io::Result<()>>,
}

impl Ours {
    pub fn start(files: Files, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { listen: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), ..Config::default() };
        adjust(&mut config);
        let server = Server::bind(config).expect("a free port of loopback");
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, files) = (server.local_addr(), Arc::new(files));
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.run(Arc::clone(&files) as Arc<dyn FileSource>, shutdown));
        Ours { address, files, stop, task }
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        timeout(DEADLINE, self.task).await.expect("the server does not stop").expect("no panic").expect("no error");
    }
}

/// One client port.
pub struct Client {
    pub socket: UdpSocket,
    pub server: SocketAddrV4,
}

pub fn read_request(name: &str, options: Options) -> Vec<u8> {
    Packet::Read(Request { name: name.to_owned(), mode: Mode::Octet, options }).encode()
}

impl Client {
    pub async fn new(server: SocketAddrV4) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port of loopback");
        Client { socket, server }
    }

    pub async fn request(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).await.expect("loopback takes it");
    }

    pub async fn read(&self, name: &str, options: Options) {
        self.request(&read_request(name, options)).await;
    }

    pub async fn say(&self, to: SocketAddr, packet: &Packet<'_>) {
        self.socket.send_to(&packet.encode(), to).await.expect("loopback takes it");
    }

    pub async fn ack(&self, to: SocketAddr, block: u16) {
        self.say(to, &Packet::Ack { block }).await;
    }

    pub async fn hear_within(&self, patience: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; 65_536];
        let (length, from) = timeout(patience, self.socket.recv_from(&mut buffer)).await.ok()?.expect("no error");
        buffer.truncate(length);
        Some((buffer, from))
    }

    pub async fn hear(&self) -> (Vec<u8>, SocketAddr) {
        self.hear_within(DEADLINE).await.expect("the server does not answer")
    }

    pub async fn hear_oack(&self) -> (Options, SocketAddr) {
        let (bytes, from) = self.hear().await;
        match Packet::parse(&bytes) {
            Ok(Packet::Oack(options)) => (options, from),
            other => panic!("no OACK: {other:?}"),
        }
    }

    pub async fn hear_block(&self) -> (u16, Vec<u8>, SocketAddr) {
        let (bytes, from) = self.hear().await;
        match Packet::parse(&bytes) {
            Ok(Packet::Data { block, content }) => (block, content.to_vec(), from),
            other => panic!("no DATA: {other:?}"),
        }
    }

    pub async fn hear_error(&self) -> (ErrorCode, String) {
        let (bytes, _) = self.hear().await;
        match Packet::parse(&bytes) {
            Ok(Packet::Error { code, message }) => (code, message),
            other => panic!("no ERROR: {other:?}"),
        }
    }

    /// Reads a file by the book.
    pub async fn fetch(&self, name: &str, asked: Options) -> Vec<u8> {
        self.read(name, asked).await;
        let (mut blksize, mut windowsize, mut expected, mut unacknowledged) = (512, 1, 1_u64, 0);
        let mut file = Vec::new();
        loop {
            let (bytes, from) = self.hear().await;
            match Packet::parse(&bytes).expect("a packet") {
                Packet::Oack(granted) => {
                    blksize = granted.blksize.unwrap_or(512);
                    windowsize = granted.windowsize.unwrap_or(1);
                    self.ack(from, 0).await;
                }
                Packet::Data { block, content } if block == expected as u16 => {
                    file.extend_from_slice(content);
                    expected += 1;
                    unacknowledged += 1;
                    let last = content.len() < usize::from(blksize);
                    if last || unacknowledged == windowsize {
                        unacknowledged = 0;
                        self.ack(from, block).await;
                    }
                    if last {
                        return file;
                    }
                }
                // A burst may overflow the socket's buffer.
                Packet::Data { .. } => {
                    unacknowledged = 0;
                    self.ack(from, (expected - 1) as u16).await;
                }
                other => panic!("not part of a read: {other:?}"),
            }
        }
    }
}

pub fn file_content(path: &std::path::Path, bytes: &[u8]) -> Content {
    File::create(path).and_then(|mut file| file.write_all(bytes)).expect("a scratch file");
    let file = Arc::new(File::open(path).expect("the scratch file"));
    Content::File(OpenFile { file, size: bytes.len() as u64, modified_secs: 0, etag: "".into() })
}
