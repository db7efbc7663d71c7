//! What no server that keeps its word can stay below: this program, started anew as a server that knows no rules, and does
//! for an exchange nothing but receive twice, write one page, sync it to disk, and answer twice.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use socket2::{Domain, Protocol, Socket, Type};

use crate::anew;
use crate::place::INTERFACE;

const WORD: &str = "serve-dhcp-floor";

const PAGE: usize = 4096;
/// Pages that are written before the first answer, so that later none makes the file longer.
const PAGES: u64 = 4096;

/// Octets of a message before its options, and the magic cookie (RFC 2131 §2, §3).
const FIXED: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The command that serves, with its file in `directory`.
pub fn command(directory: &Path) -> io::Result<Command> {
    let mut command = anew::command(WORD)?;
    command.arg(directory.join("journal"));
    Ok(command)
}

/// Serves until it is ended, if this process was started for that.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = anew::arguments(WORD)?;
    let served = serve(&PathBuf::from(arguments.next()?));
    eprintln!("the floor ended: {served:?}");
    Some(ExitCode::FAILURE)
}

fn serve(path: &Path) -> io::Result<()> {
    let journal = File::options().write(true).create(true).truncate(true).open(path)?;
    journal.write_all_at(&vec![0; PAGE * PAGES as usize], 0)?;
    journal.sync_all()?;
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(INTERFACE.as_bytes()))?;
    socket.set_broadcast(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67)).into())?;
    let socket = std::net::UdpSocket::from(socket);
    let mut room = [0; 1024];
    let mut written = 0;
    loop {
        let (length, _) = socket.recv_from(&mut room)?;
        let Some((kind, answer)) = answer(&room[..length]) else { continue };
        if kind == ACK {
            let mut page = [0; PAGE];
            page[..answer.len()].copy_from_slice(&answer);
            journal.write_all_at(&page, written % PAGES * PAGE as u64)?;
            journal.sync_data()?;
            written += 1;
        }
        socket.send_to(&answer, (Ipv4Addr::BROADCAST, 68))?;
    }
}

const OFFER: u8 = 2;
const ACK: u8 = 5;

/// The answer to a message of [`super::client`], and its type: an address by the machine's number.
fn answer(message: &[u8]) -> Option<(u8, Vec<u8>)> {
    let options = message.get(FIXED..)?.strip_prefix(&COOKIE)?;
    // The client says first what it wants.
    let kind = match options.get(..3)? {
        [53, 1, 1] => OFFER,
        [53, 1, 3] => ACK,
        _ => return None,
    };
    let mut answer = message[..FIXED].to_vec();
    answer[0] = 2;
    answer[16..20].copy_from_slice(&[10, 0, message[32], message[33]]);
    answer.extend(COOKIE);
    answer.extend([53, 1, kind, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 168, 192, 1, 4, 255, 255, 0, 0, 255]);
    answer.resize(300, 0);
    Some((kind, answer))
}
