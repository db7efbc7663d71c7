//! What servers need to stand there: memory, idle and with a thousand clients, and time until they are ready.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::Plan;
use crate::dhcp::servers::{Kind, Way};
use crate::dhcp::{self, Ground, MANY, Order};
use crate::http;
use crate::measure::{Better, Contest, Turn};
use crate::pattern::Pattern;
use crate::place::{INTERFACE, OURS, PREFIX, Place, Server};

/// Clients at once.
const CLIENTS: u32 = 1000;
/// What each of them downloads, longer than the kernel holds for them.
const IMAGE: u64 = 64 << 20;

/// All loads.
pub fn run(place: &mut Place, plan: &Plan) -> anyhow::Result<Vec<Contest>> {
    let mut ground = Ground::new(place)?;
    let kinds: Vec<Kind> = [Kind::Hatchery, Kind::Kea].into_iter().filter(|kind| kind.is_there(place)).collect();
    let names = dhcp::names(&kinds);
    let idle = dhcp::contest("Memory of a server that has just started, without leases", "MiB", Better::Lower);
    let idle = idle.run(&names, 1, |index| {
        let server = kinds[index].start(Way::Direct, place, &mut ground.client)?;
        memory(&server)
    })?;
    let many = dhcp::contest(format!("Memory of a server that gave {MANY} leases"), "MiB", Better::Lower);
    let many = many.run(&names, 1, |index| memory(&ground.filled(kinds[index], place)?))?;
    let words = format!("From the start of a server with {MANY} leases, killed before, until it is ready");
    let start = dhcp::contest(words, "ms", Better::Lower).run(&names, plan.rounds, |index| {
        let (server, took) = kinds[index].resume(Way::Direct, place, &mut ground.client)?;
        Ok(Turn { value: took.as_secs_f64() * 1e3, ..memory(&server)? })
    })?;
    let words = format!("Memory of ours while {CLIENTS} machines have an address and a download under way each");
    let ours = [(Kind::Hatchery.name().to_owned(), true)];
    let busy = dhcp::contest(words, "MiB", Better::Lower).run(&ours, 1, |_| busy(place, &mut ground))?;
    Ok(vec![idle, many, start, busy])
}

/// Every client has asked for its address and for an image, and takes no more of it than the kernel holds.
fn busy(place: &mut Place, ground: &mut Ground) -> anyhow::Result<Turn> {
    let pattern = Arc::new(Pattern::new());
    pattern.write(&place.path("images/memory.img"), IMAGE).context("cannot write an image")?;
    let tables = format!(
        "[limits]\nmax_connections_per_client = 1000\n\n[[network]]\ninterface = \"{INTERFACE}\"\nname = \"files\"\n\
         address = \"{OURS}/{PREFIX}\"\npool = []\n\n{}",
        dhcp::servers::TABLES
    );
    let server = place.start_ours("memory", &tables)?;
    let order =
        Order { rate: 2000.0, time: Duration::from_secs_f64(f64::from(CLIENTS) / 2000.0), first: 0, machines: CLIENTS };
    let given = ground.client.run(order)?.acks;
    anyhow::ensure!(given == CLIENTS, "{given} of {CLIENTS} machines have an address");
    let mut downloads: Vec<TcpStream> = Vec::new();
    for client in 0..CLIENTS {
        let mut stream = http::connect(client as usize, OURS)?;
        write!(stream, "GET /images/memory.img HTTP/1.1\r\nHost: {OURS}\r\n\r\n").context("cannot ask")?;
        downloads.push(stream);
    }
    // Each is under way once its first byte is there.
    for stream in &mut downloads {
        stream.read_exact(&mut [0; 9]).context("no answer")?;
    }
    memory(&server)
}

fn memory(server: &Server) -> anyhow::Result<Turn> {
    let peak_bytes = server.usage()?.peak_bytes;
    Ok(Turn { value: peak_bytes as f64 / f64::from(1 << 20), cpu: 0.0, peak_bytes, more: Vec::new() })
}
