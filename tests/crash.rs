//! The server is killed again and again while machines boot, and started anew on what it wrote: every machine still
//! gets there, and nothing that was promised is lost or given twice.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
mod inside;

use fastrand::Rng;
use hatchery::load::bench::{Bench, PRODUCT, Setup, VENUE};
use hatchery::load::{End, Record, Run};
use hatchery::serve::control::Request;
use hatchery::sim::client::{Client, Identity, Kind, Options};
use inside::inside;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

const MACHINES: u32 = 20;
const KILLS: usize = 6;
/// A Pi whose transfer died repeats itself for 30 s and then starts over.
const PATIENCE: Duration = Duration::from_secs(80);
const KINDS: [Kind; 4] = [Kind::Pi5, Kind::UefiX64, Kind::LinuxInstaller, Kind::Pi4];

#[test]
fn kill_9_loses_no_lease_and_no_name() {
    if !inside("kill_9_loses_no_lease_and_no_name") {
        return;
    }
    let replay = std::env::var("HATCHERY_CRASH_SEED").ok().and_then(|text| text.parse().ok());
    let seed = replay.unwrap_or_else(|| Rng::new().u64(..));
    println!("the same kills again: HATCHERY_CRASH_SEED={seed}");
    let mut bench = Bench::new(&Setup {
        program: env!("CARGO_BIN_EXE_hatchery").into(),
        image_mib: 16,
        network: String::new(),
        tables: String::new(),
        log: "info".into(),
    })
    .expect("a bench");
    bench.start_server().expect("a server");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let records = runtime.block_on(boot_through_kills(&mut bench, seed));

    let unfinished: Vec<_> = records.iter().filter(|record| !matches!(record.end, Some((End::Done(_), _)))).collect();
    assert!(unfinished.is_empty(), "{unfinished:#?}\n{}", bench.log_tail(60));
    let promises = Promises::of(&records);
    promises.assert_kept(&bench);
    // And once more, read anew from the journal alone.
    bench.kill_server();
    bench.start_server().expect("a server");
    promises.assert_kept(&bench);
}

async fn boot_through_kills(bench: &mut Bench, seed: u64) -> Vec<Record> {
    let mut rng = Rng::with_seed(seed);
    let clients = clients(&mut rng);
    let mut run = Run::start(clients, bench.network(), 0, Some(bench.image().clone())).expect("ports");
    for kill in 0..KILLS {
        // Addresses are given in the first 20 ms or so, names and images later.
        let longest = if kill == 0 { 20 } else { 1500 };
        let moment = Duration::from_micros(rng.u64(..longest * 1000));
        let over = timeout(moment, run.finished()).await.is_ok();
        assert!(!over, "the machines were faster than {KILLS} kills: the test needs more of them");
        bench.kill_server();
        tokio::task::block_in_place(|| bench.start_server()).expect("a server on what the last one wrote");
    }
    let end = timeout(PATIENCE, run.finished()).await;
    if end.is_err() {
        println!("not all machines have ended; the server's log ends:\n{}", bench.log_tail(60));
    }
    run.records()
}

fn clients(rng: &mut Rng) -> Vec<Client> {
    let options = Options {
        product: PRODUCT.into(),
        venue: Some(VENUE.into()),
        uefi_offer_wait: Duration::ZERO,
        ipxe_proxy_wait: Duration::ZERO,
        restart_pause: Duration::from_secs(1),
        ..Options::default()
    };
    (1..=MACHINES)
        .zip(KINDS.into_iter().cycle())
        .map(|(index, kind)| {
            let identity = Identity::numbered(kind, index, rng);
            Client::new(kind, identity, rng.u64(..), options.clone())
        })
        .collect()
}

/// What the machines were told, by MAC: the one address and the one name.
struct Promises(BTreeMap<String, (String, String)>);

impl Promises {
    fn of(records: &[Record]) -> Promises {
        let mut promises = BTreeMap::new();
        for record in records {
            let mac = record.mac.to_string();
            let [address] = record.addresses[..] else { panic!("{mac} was acknowledged {:?}", record.addresses) };
            let [name] = &record.names[..] else { panic!("{mac} was named {:?}", record.names) };
            let Some((End::Done(last), _)) = &record.end else { panic!("{mac} is not done") };
            assert_eq!(name.as_str(), last, "the name that {mac} ended with");
            promises.insert(mac, (address.to_string(), name.to_string()));
        }
        Promises(promises)
    }

    /// The server's books must say the same, machine by machine, and nothing more.
    fn assert_kept(&self, bench: &Bench) {
        let machines = bench.ask(&Request::Machines).expect("machines");
        let leases = bench.ask(&Request::Leases).expect("leases");
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("-").to_owned();
        let rows = |value: &Value| value.as_array().expect("rows").clone();
        let books: BTreeMap<String, (String, String)> = rows(&machines)
            .iter()
            .map(|machine| (text(machine, "mac"), (text(machine, "address"), text(machine, "hostname"))))
            .collect();
        assert_eq!(books, self.0, "machines of the server, and what they were told");
        assert_eq!(rows(&machines).len(), books.len(), "each machine once");
        assert!(rows(&machines).iter().all(|machine| machine["stage"] == "done"), "{machines:#}");
        let held: BTreeMap<String, String> = rows(&leases)
            .iter()
            .filter(|lease| lease["state"] == "bound")
            .map(|lease| (text(lease, "address"), text(lease, "machine")))
            .collect();
        let told: BTreeMap<String, String> = self.0.values().cloned().collect();
        assert_eq!(told.len(), self.0.len(), "no address was given twice: {:?}", self.0);
        assert_eq!(held, told, "leases of the server, and what machines were told");
        let names: std::collections::BTreeSet<&String> = self.0.values().map(|(_, name)| name).collect();
        assert_eq!(names.len(), self.0.len(), "no name was given twice: {:?}", self.0);
    }
}
