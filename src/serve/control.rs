//! The local control socket: one JSON request a line, one JSON reply a line; who may use it is a matter of the
//! socket's file permissions.

mod answer;
mod found;
mod image;
mod request;

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::images::Known;
use super::inbox::Inbox;
use super::library::Library;
use super::people::People;
use super::preflight::Doctor;
use super::reload::Reloader;
use crate::access::Actor;
use crate::refusal::Refusal;
use crate::store::Records;
pub use found::Found;
pub use request::{Password, Reply, Request};

/// The longest request line.
const LINE_MAX: u64 = 256 * 1024;

/// Opens the socket, readable and writable by owner and group. A socket left behind by a server that died is replaced.
///
/// # Errors
/// Of the file system; `AddrInUse` if a server answers there already.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    if BlockingStream::connect(path).is_ok() {
        let text = format!("another hatchery answers on {}", path.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Whom the control socket and the management side ask.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The fleet.
    pub inbox: Inbox,
    /// What it was last known to be, and what machines get.
    pub library: Arc<Library>,
    /// What was found wrong around it.
    pub doctor: Doctor,
    /// The image directory, as an absolute path.
    pub images: PathBuf,
    /// What was measured of the files in it.
    pub known: Known,
    /// Takes over another configuration; `None` where there is none to read.
    pub reloader: Option<Arc<Reloader>>,
    /// What only the journal holds.
    pub records: Records,
    /// Who may manage; `None` where there is no management side.
    pub people: Option<Arc<People>>,
}

/// Answers for ever.
pub async fn run(listener: UnixListener, desk: Desk) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &desk).await {
                        tracing::debug!(%error, "control connection");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "control socket");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let by = Actor::local(stream.peer_cred().ok().map(|peer| peer.uid()));
    let (reader, mut writer) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader.take(LINE_MAX));
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        let reply = match serde_json::from_str(&line) {
            Ok(request) => desk.answer(&by, request).await,
            Err(error) => Refusal::Invalid(format!("not a request: {error}")).into(),
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        writer.write_all(text.as_bytes()).await?;
        line.clear();
        reader.get_mut().set_limit(LINE_MAX);
    }
    Ok(())
}

/// Asks the server behind `socket`, from the command line.
///
/// # Errors
/// If no server answers there.
pub fn ask(socket: &Path, request: &Request) -> io::Result<Reply> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply)?;
    if reply.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    }
    Ok(serde_json::from_str(&reply)?)
}
