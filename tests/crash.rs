//! The server is killed again and again while machines boot, and started anew on what it wrote: every machine still
//! gets there, and nothing that was promised is lost or given twice.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/inside.rs"]
mod inside;

use fastrand::Rng;
use hatchery::load::bench::{Bench, PRODUCT, Setup, VENUE};
use hatchery::load::{End, Load, Record, Run};
use hatchery::serve::control::Request;
use hatchery::sim::client::{Client, Identity, Kind, Options};
use inside::inside;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const MACHINES: u32 = 20;
const KILLS: usize = 6;
/// A Pi whose transfer died repeats itself for 30 s and then starts over; here that takes 3 s.
const PACE: u32 = 10;
/// Between two kills. Twenty images alone are 320 MiB.
const WORK_BETWEEN_KIB: u32 = 80 * 1024;
const PATIENCE: Duration = Duration::from_secs(40);
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
    let load = Load { clients: clients(&mut rng), link: 0, known: Some(bench.image().clone()), pace: PACE, rate: None };
    let mut run = Run::start(load, bench.network()).expect("ports");
    for kill in 0..KILLS {
        // The first one falls while addresses are given, the others anywhere.
        let kib = if kill == 0 { MACHINES * 2 * 1024 } else { WORK_BETWEEN_KIB };
        let target = work_kib(&run.records()) + rng.u64(..u64::from(kib));
        let delay = Duration::from_micros(rng.u64(..10_000));
        let worked = async {
            while work_kib(&run.records()) < target {
                sleep(Duration::from_millis(1)).await;
            }
            sleep(delay).await;
        };
        timeout(PATIENCE, worked).await.unwrap_or_else(|_| panic!("stuck before kill {kill}: {:#?}", run.records()));
        let under_way = run.records().iter().filter(|record| record.end.is_none()).count();
        println!("kill {kill} after {target} KiB of work: {under_way} machines under way");
        assert!(under_way > 0, "the machines were faster than {KILLS} kills: less work must lie between them");
        bench.kill_server();
        tokio::task::block_in_place(|| bench.start_server()).expect("a server on what the last one wrote");
    }
    // Whoever has not ended by then is found by the caller.
    let _ = timeout(PATIENCE, run.finished()).await;
    run.records()
}

/// How far the machines came: what they received, and 1 MiB for each milestone, of which most weigh nothing.
fn work_kib(records: &[Record]) -> u64 {
    let one = |record: &Record| (record.image_bytes + record.other_bytes) / 1024 + record.phases.len() as u64 * 1024;
    records.iter().map(one).sum()
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
