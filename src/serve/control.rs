//! The local control socket: one JSON request a line, one JSON reply a line; who may use it is a matter of the
//! socket's file permissions.

mod found;

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::core;
use super::images::{self, Known};
use super::inbox::Inbox;
use super::library::Library;
use super::preflight::Doctor;
use super::reload::Reloader;
use super::show;
use crate::catalog::ImageState;
use crate::fleet::command::{Command, NameFilter, Selector};
use crate::fleet::{Event, ImageRow, Told};
use crate::ids::{BatchId, ProductName};
use crate::refusal::Refusal;
use crate::store::Records;
pub use found::Found;

/// The longest request line.
const LINE_MAX: u64 = 256 * 1024;

/// What the command line asks of the running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Counts: machines by stage, leases, transfers, refusals.
    Status,
    /// Every machine.
    Machines,
    /// Every lease.
    Leases,
    /// What keeps the server from its work: a fresh look at everything.
    Doctor,
    /// What one machine gets now, and why.
    Explain {
        /// A MAC, an address, a serial or a name.
        machine: String,
    },
    /// What one machine gets now under a name.
    Render {
        /// A MAC, an address, a serial or a name.
        machine: String,
        /// A file name as the machine asks for it, or the name of a template.
        name: String,
    },
    /// Read the configuration again.
    Reload,
    /// Let a machine install again.
    Reinstall {
        /// As above.
        machine: String,
    },
    /// Keep a machine from booting anything.
    Hold {
        /// As above.
        machine: String,
    },
    /// Remove a machine and its leases.
    Forget {
        /// As above.
        machine: String,
        /// Its name goes back to the pool, instead of never being given again.
        release_name: bool,
        /// Even while it is being installed.
        force: bool,
    },
    /// What the installer of a machine wrote down.
    MachineLog {
        /// As above.
        machine: String,
    },
    /// Every venue.
    Venues,
    /// Add or change a venue.
    VenueAdd {
        /// Its code.
        code: String,
        /// Its name.
        name: String,
        /// Where it is.
        location: Option<String>,
        /// Whom to write to.
        contact_email: Option<String>,
    },
    /// The names that fit; `None` fits all.
    Names {
        /// Of this product.
        product: Option<String>,
        /// At this venue.
        venue: Option<String>,
        /// In this state.
        state: Option<String>,
    },
    /// Add numbers to a pool of names.
    NamesImport {
        /// Of which product.
        product: String,
        /// At which venue.
        venue: String,
        /// The numbers.
        numbers: Vec<u32>,
    },
    /// Take a name from its machine.
    NameRelease {
        /// Which.
        hostname: String,
        /// Even while the machine is being installed.
        force: bool,
    },
    /// Never give a name again.
    NameRetire {
        /// Which.
        hostname: String,
    },
    /// Let a retired name be given again.
    NameReinstate {
        /// Which.
        hostname: String,
    },
    /// The image directory, as an absolute path.
    ImageDirectory,
    /// Every image.
    Images,
    /// A file of the image directory is an image of a product.
    ImageAdd {
        /// Of which product.
        product: String,
        /// Its name there.
        file: String,
        /// What to call it.
        version: Option<String>,
        /// What was found in it while it was copied; `None` leaves that to the server.
        found: Option<Found>,
    },
    /// Give the machines of a product another image.
    ImageActivate {
        /// Which product.
        product: String,
        /// A file or a version.
        image: String,
    },
    /// Every batch.
    Batches,
    /// Order units.
    BatchCreate {
        /// For where.
        venue: String,
        /// What.
        product: String,
        /// How many.
        count: i64,
        /// Higher goes first.
        priority: i64,
    },
    /// Let a batch give names.
    BatchStart {
        /// Its number.
        id: u64,
    },
    /// Hold a batch back.
    BatchPause {
        /// Its number.
        id: u64,
    },
    /// End a batch before its last unit.
    BatchCancel {
        /// Its number.
        id: u64,
    },
    /// Let a batch go before or after others.
    BatchPriority {
        /// Its number.
        id: u64,
        /// Higher goes first.
        priority: i64,
    },
}

/// The reply to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done; what was asked for.
    Ok(Value),
    /// Refused; a sentence for the operator.
    Error(String),
    /// The configuration is wrong; a sentence for each problem.
    Problems(Vec<String>),
}

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

/// Whom the control socket asks.
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
    let (reader, mut writer) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader.take(LINE_MAX));
    let mut line = String::new();
    while reader.read_line(&mut line).await? > 0 {
        let reply = match serde_json::from_str(&line) {
            Ok(request) => answer(request, desk).await,
            Err(error) => Reply::Error(format!("not a request: {error}")),
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        writer.write_all(text.as_bytes()).await?;
        line.clear();
        reader.get_mut().set_limit(LINE_MAX);
    }
    Ok(())
}

async fn answer(request: Request, desk: &Desk) -> Reply {
    let Desk { library, doctor, reloader, .. } = desk;
    let read = || core::read(&library.board);
    let command = match request {
        Request::Status => return Reply::Ok(show::status(&read())),
        Request::Machines => return Reply::Ok(show::machines(&read())),
        Request::Leases => return Reply::Ok(show::leases(&read())),
        Request::Doctor => {
            let findings = doctor.findings().await;
            return Reply::Ok(show::findings(findings, &read()));
        }
        Request::Explain { machine } => {
            let found = select(&machine).and_then(|selector| show::explain(&read(), &selector));
            return found.map_or_else(|refusal| Reply::Error(refusal.to_string()), Reply::Ok);
        }
        Request::Render { machine, name } => {
            let found = select(&machine).and_then(|selector| show::find(&read(), &selector).cloned());
            let text = found.and_then(|view| library.preview(&view, &name));
            return text.map_or_else(|refusal| Reply::Error(refusal.to_string()), |text| Reply::Ok(text.into()));
        }
        Request::MachineLog { machine } => return machine_log(&machine, desk).await,
        Request::Reload => {
            let Some(reloader) = reloader else {
                return Reply::Error("this server has no configuration file to read again".into());
            };
            return reloader.reload().await.map_or_else(Reply::Problems, |sentence| Reply::Ok(sentence.into()));
        }
        Request::Reinstall { machine } => select(&machine).map(Command::Reinstall),
        Request::Hold { machine } => select(&machine).map(Command::Hold),
        Request::Forget { machine, release_name, force } => {
            select(&machine).map(|machine| Command::Forget { machine, release_name, force })
        }
        Request::Venues => Ok(Command::VenueList),
        Request::VenueAdd { code, name, location, contact_email } => {
            Ok(Command::VenueAdd { code, name, location, contact_email })
        }
        Request::Names { product, venue, state } => {
            NameFilter::parse(product.as_deref(), venue.as_deref(), state.as_deref()).map(Command::NameList)
        }
        Request::NamesImport { product, venue, numbers } => Ok(Command::NamesImport { product, venue, numbers }),
        Request::NameRelease { hostname, force } => Ok(Command::NameRelease { hostname, force }),
        Request::NameRetire { hostname } => Ok(Command::NameRetire(hostname)),
        Request::NameReinstate { hostname } => Ok(Command::NameReinstate(hostname)),
        Request::ImageDirectory => return Reply::Ok(desk.images.to_string_lossy().into()),
        Request::Images => Ok(Command::ImageList),
        Request::ImageAdd { product, file, version, found } => {
            let there = there(&desk.images, &file);
            if let (Ok(()), Some(found)) = (&there, found) {
                take_over(&product, &file, &found, desk);
            }
            there.map(|()| Command::ImageAdd { product, file, version })
        }
        Request::ImageActivate { product, image } => return activate(product, image, desk).await,
        Request::Batches => Ok(Command::BatchList),
        Request::BatchCreate { venue, product, count, priority } => {
            Ok(Command::BatchCreate { venue, product, total: count, priority })
        }
        Request::BatchStart { id } => Ok(Command::BatchStart(BatchId(id))),
        Request::BatchPause { id } => Ok(Command::BatchPause(BatchId(id))),
        Request::BatchCancel { id } => Ok(Command::BatchCancel(BatchId(id))),
        Request::BatchPriority { id, priority } => Ok(Command::BatchPriority { id: BatchId(id), priority }),
    };
    match command {
        Ok(command) => operate(command, desk).await,
        Err(refusal) => Reply::Error(refusal.to_string()),
    }
}

async fn operate(command: Command, desk: &Desk) -> Reply {
    match desk.inbox.ask(|reply_to| Event::Command { command, reply_to }).await {
        Ok(told) => Reply::Ok(show::told(&told)),
        Err(refusal) => Reply::Error(refusal.to_string()),
    }
}

/// Believes what was found in an image file, if it is about the file that is there. If not, the file is measured like any
/// other.
fn take_over(product: &str, file: &str, found: &Found, desk: &Desk) {
    let metadata = std::fs::metadata(desk.images.join(file));
    let same = metadata.is_ok_and(|metadata| images::identity(&metadata) == found.identity);
    if let (true, Some(measured), Some(product)) = (same, found.measured(file), ProductName::parse(product)) {
        desk.known.add(measured.clone());
        let state = ImageState::Ready(measured.image.clone());
        desk.inbox.tell(Event::Image { product, state, measured: Some(measured) });
    }
}

/// SQLite blocks, and may have to wait for the disk.
async fn machine_log(machine: &str, desk: &Desk) -> Reply {
    let found = select(machine).and_then(|selector| show::find(&core::read(&desk.library.board), &selector).cloned());
    let view = match found {
        Ok(view) => view,
        Err(refusal) => return Reply::Error(refusal.to_string()),
    };
    let (records, id) = (desk.records.clone(), view.machine.id);
    match tokio::task::spawn_blocking(move || records.log(id)).await {
        Ok(Ok(found)) => Reply::Ok(show::log(&view, found)),
        Ok(Err(error)) => Reply::Error(error.to_string()),
        Err(error) => Reply::Error(format!("the journal was not read: {error}")),
    }
}

/// The fleet knows what was hashed; whether the file is still there, only a look can tell.
async fn activate(product: String, image: String, desk: &Desk) -> Reply {
    let listed = desk.inbox.ask(|reply_to| Event::Command { command: Command::ImageList, reply_to }).await;
    if let Ok(Told::Images(rows)) = listed {
        let named = |row: &&ImageRow| {
            let version = row.edition.as_ref().and_then(|edition| edition.version.as_deref());
            row.product.as_str().eq_ignore_ascii_case(&product) && (row.file == image || version == Some(&image))
        };
        if let Some(Err(refusal)) = rows.iter().find(named).map(|row| there(&desk.images, &row.file)) {
            return Reply::Error(refusal.to_string());
        }
    }
    operate(Command::ImageActivate { product, image }, desk).await
}

/// Refuses a file that is not in the image directory.
fn there(directory: &Path, file: &str) -> Result<(), Refusal> {
    match std::fs::metadata(directory.join(file)) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        _ => Err(Refusal::NotFound(format!("There is no file {file} in {}", directory.display()))),
    }
}

fn select(text: &str) -> Result<Selector, Refusal> {
    Selector::parse(text)
        .ok_or_else(|| Refusal::Invalid(format!("'{text}' is neither a MAC, an address, a serial nor a host name")))
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
