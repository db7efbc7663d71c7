//! The rounds: a kill at a moment that is drawn, a look at what was left, a new server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use fastrand::Rng;
use hatchery::lab;
use hatchery::load::bench::{Bench, PRODUCT, Setup, VENUE};
use hatchery::load::{End, Load, Record, Run};
use hatchery::serve::control::Request;
use hatchery::sim::client::{Client, Identity, Kind, Options, Phase};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::books::{Books, Journal, Reader};
use crate::inside;
use crate::operator::{Operator, PLACE};
use crate::table;
use crate::upload::Uploader;

const MACHINES: u32 = 20;
const KINDS: [Kind; 5] = [Kind::Pi5, Kind::UefiX64, Kind::LinuxInstaller, Kind::Pi4, Kind::BiosIpxe];
/// A Pi whose transfer died repeats itself for 30 s and then starts over; here that takes 1.5 s.
const PACE: u32 = 20;
/// The latest moment of a kill after the server serves: of most, while everything begins, and of every fourth, when some
/// machines are through.
const LATEST: [Duration; 4] =
    [Duration::from_millis(300), Duration::from_millis(300), Duration::from_millis(600), Duration::from_millis(2500)];
/// Kills while the same machines boot; then they may finish.
const KILLS: std::ops::Range<u64> = 6..20;
const IMAGE_MIB: u32 = 8;
/// Bytes a second at which a machine takes its image: two seconds long.
const RATE: u64 = 4 << 20;
/// What is tested is what was promised, not the patience of firmware.
const BOOT_FILE_MAX: u64 = 256 << 10;
/// Twenty machines without a kill take three seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// A new server that takes so long hangs. What it takes is printed.
const RESTART: Duration = Duration::from_secs(10);
const ROUNDS: u64 = 50;
/// Where the pages are, on the server's side.
const PAGES: &str = "127.0.0.1:8100";

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    const NAME: &str = "rounds::kill_9_loses_nothing_that_was_acknowledged";
    let wanted = std::env::var("HATCHERY_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = wanted.unwrap_or(ROUNDS);
    if lab::inside() {
        return run(rounds);
    }
    // Twice what they should take, and the machine may be busy.
    let deadline = Duration::from_secs(120 + 6 * rounds);
    if wanted.is_none() {
        inside::inside_within(NAME, deadline);
        return;
    }
    let mut command = inside::command(NAME);
    command.stdin(Stdio::null());
    let Some(mut child) = inside::spawn(&mut command) else { return };
    let status = inside::wait(&mut child, deadline);
    assert!(status.is_some_and(|status| status.success()), "{rounds} rounds: {status:?}");
}

fn run(rounds: u64) {
    let replay = std::env::var("HATCHERY_CRASH_SEED").ok().and_then(|text| text.parse().ok());
    let seed = replay.unwrap_or_else(|| Rng::new().u64(..));
    println!("{rounds} rounds; the same moments and operations again: HATCHERY_CRASH_SEED={seed}");
    let mut bench = Bench::new(&Setup {
        program: env!("CARGO_BIN_EXE_hatchery").into(),
        image_mib: IMAGE_MIB,
        network: String::new(),
        tables: format!(
            "[[venue]]\ncode = \"{PLACE}\"\nnumbers = {{ {PRODUCT} = [\"1-9999\"] }}\n[management]\nlisten = [\"{PAGES}\"]\n"
        ),
        log: "info".into(),
    })
    .expect("a bench");
    table::shrink(&bench.directory().join("data/boot"), BOOT_FILE_MAX).expect("smaller boot files");
    let scratch = lab::private_tmpfs(256).expect("room for copies of the journal");
    bench.start_server().expect("a server");
    bench.wait_for_image().expect("an image");
    let token =
        bench.ask(&Request::TokenAdd { name: "crash".into(), role: "operator".into(), scopes: vec![], days: None });
    let token = token.expect("a token")["token"].as_str().expect("its secret").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let pages: SocketAddr = listener.local_addr().expect("its address");
    bench.network().forward(listener, PAGES.parse().expect("an address")).expect("a way to the pages");

    let mut rng = Rng::with_seed(seed);
    let operator = Mutex::new(Operator::new(bench.socket(), rng.u64(..)));
    let images = bench.directory().join("data/images");
    let uploader = Mutex::new(Uploader::new(pages, bench.socket(), images, token, rng.u64(..)));
    let over = AtomicBool::new(false);
    let reader = Reader::new(&bench, scratch);
    let clients = Clients::new(rng.u64(..));
    scope(|scope| {
        scope.spawn(|| work(&operator, &over, 7, |operator| (!operator.is_in_doubt()).then(|| operator.act())));
        scope.spawn(|| work(&uploader, &over, 3, |uploader| (!uploader.is_in_doubt()).then(|| uploader.act())));
        // A broken promise ends the test, and nobody works on then.
        let _stop = Stop(&over);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let mut crash = Crash {
            bench,
            runtime,
            rng,
            rounds,
            round: 0,
            operator: &operator,
            uploader: &uploader,
            reader,
            told: BTreeMap::new(),
            done: 0,
            restarts: Vec::new(),
        };
        crash.run(&clients);
    });
}

/// Works until it is over, one thing at a time, with short pauses.
fn work<T>(worker: &Mutex<T>, over: &AtomicBool, pause_millis: u64, act: impl Fn(&mut T) -> Option<()>) {
    while !over.load(Ordering::Relaxed) {
        let acted = act(&mut lock(worker));
        sleep(Duration::from_millis(if acted.is_some() { pause_millis } else { 1 }));
    }
}

fn lock<T>(worker: &Mutex<T>) -> MutexGuard<'_, T> {
    worker.lock().unwrap_or_else(|poisoned| panic!("a worker found a broken promise: {poisoned}"))
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The same twenty machines, switched on again and again.
struct Clients {
    identities: Vec<(Kind, Identity, u64)>,
}

impl Clients {
    fn new(seed: u64) -> Clients {
        let mut rng = Rng::with_seed(seed);
        let identity = |(index, kind)| (kind, Identity::numbered(kind, index, &mut rng), rng.u64(..));
        Clients { identities: (1..=MACHINES).zip(KINDS.into_iter().cycle()).map(identity).collect() }
    }

    fn switched_on(&self) -> Vec<Client> {
        let options = Options {
            product: PRODUCT.into(),
            venue: Some(VENUE.into()),
            uefi_offer_wait: Duration::ZERO,
            ipxe_proxy_wait: Duration::ZERO,
            restart_pause: Duration::from_secs(1),
            // Every kill fails them a few times.
            restarts_max: 100,
            installer_tries_max: 1000,
            ..Options::default()
        };
        let client = |(kind, identity, seed): &(Kind, Identity, u64)| {
            Client::new(*kind, identity.clone(), *seed, options.clone())
        };
        self.identities.iter().map(client).collect()
    }
}

/// What a machine was told, and nobody has taken back.
#[derive(Clone, Debug, Default)]
struct Told {
    address: Option<String>,
    name: Option<String>,
}

struct Crash<'a> {
    bench: Bench,
    runtime: Runtime,
    rng: Rng,
    rounds: u64,
    round: u64,
    operator: &'a Mutex<Operator>,
    uploader: &'a Mutex<Uploader>,
    reader: Reader,
    told: BTreeMap<String, Told>,
    /// Machines that came to their ends, over all boots.
    done: usize,
    restarts: Vec<Duration>,
}

impl Crash<'_> {
    fn run(&mut self, clients: &Clients) {
        while self.round < self.rounds {
            let kills = self.rng.u64(KILLS).min(self.rounds - self.round);
            self.boots(clients, kills);
            self.look_at_rest();
            self.send_back();
        }
        self.restarts.sort_unstable();
        let of = |share: usize| self.restarts[(self.restarts.len() - 1) * share / 100].as_millis();
        let (operator, uploader) = (lock(self.operator), lock(self.uploader));
        println!(
            "{} kills during {} boots of {MACHINES} machines: nothing lost, nothing doubled. Served again after {} ms \
             (median), {} ms (99 %), {} ms (worst). {} operations and {} steps of {} uploads were acknowledged, {} \
             operations were cut off.",
            self.round,
            self.done / MACHINES as usize,
            of(50),
            of(99),
            of(100),
            operator.acknowledged,
            uploader.acknowledged,
            uploader.images_made,
            operator.doubted
        );
    }

    /// Boots all machines, with so many kills while they do.
    fn boots(&mut self, clients: &Clients, kills: u64) {
        let load = Load {
            clients: clients.switched_on(),
            link: 0,
            known: Some(self.bench.image().clone()),
            pace: PACE,
            rate: Some(RATE),
        };
        let mut run = {
            let _context = self.runtime.enter();
            Run::start(load, self.bench.network()).expect("machines that are plugged in")
        };
        for _ in 0..kills {
            let latest = LATEST[self.rng.usize(..LATEST.len())];
            let moment = Duration::from_micros(self.rng.u64(..latest.as_micros() as u64));
            let end = Instant::now() + moment;
            while Instant::now() < end && run.records().iter().any(|record| record.end.is_none()) {
                sleep(Duration::from_micros(500).min(end.saturating_duration_since(Instant::now())));
            }
            if run.records().iter().all(|record| record.end.is_some()) {
                break;
            }
            self.kill(&run, moment);
        }
        let finished = self.runtime.block_on(async { timeout(PATIENCE, run.finished()).await });
        let records = run.records();
        let unfinished: Vec<_> =
            records.iter().filter(|record| !matches!(record.end, Some((End::Done(_), _)))).collect();
        assert!(finished.is_ok() && unfinished.is_empty(), "{unfinished:#?}\n{}", self.bench.log_tail(60));
        self.learn(&records);
        for record in &records {
            let told = &self.told[&record.mac.to_string()];
            let Some((End::Done(last), _)) = &record.end else { unreachable!("all are done") };
            assert_eq!(told.name.as_ref(), Some(last), "the name that {} ended with", record.mac);
            assert!(told.address.is_some(), "{} has an address", record.mac);
        }
        self.done += records.len();
        run.unplug().expect("machines that are unplugged");
    }

    /// One round.
    fn kill(&mut self, run: &Run, moment: Duration) {
        self.round += 1;
        self.bench.kill_server();
        // What they asked for and got no answer to is in doubt; nobody asks for anything more meanwhile.
        let (mut operator, mut uploader) = (lock(self.operator), lock(self.uploader));
        let copy = self.reader.copy();
        let records = run.records();
        let began = Instant::now();
        self.bench.start_server().expect("a server on what the last one wrote");
        let took = began.elapsed();
        assert!(took < RESTART, "the new server served after {took:?}");
        self.restarts.push(took);
        let journal = self.reader.read(&copy);
        operator.compare(&journal.books);
        uploader.compare(&journal.images);
        uploader.ask_again();
        drop((operator, uploader));
        let under_way = records.iter().filter(|record| record.end.is_none()).count();
        println!(
            "round {} of {}: killed {:.1} ms after it served, {under_way} machines under way; serves again after {} ms",
            self.round,
            self.rounds,
            moment.as_secs_f64() * 1e3,
            took.as_millis()
        );
        self.learn(&records);
        self.compare(&records, &journal);
    }

    /// Notes what machines were told. Nobody is ever told two things.
    fn learn(&mut self, records: &[Record]) {
        for record in records {
            let told = self.told.entry(record.mac.to_string()).or_default();
            for address in record.addresses.iter().map(ToString::to_string) {
                let known = told.address.get_or_insert_with(|| address.clone());
                assert_eq!(*known, address, "the address of {}", record.mac);
            }
            for name in record.names.iter().map(ToString::to_string) {
                let known = told.name.get_or_insert_with(|| name.clone());
                assert_eq!(*known, name, "the name of {}", record.mac);
            }
        }
        let given = |each: fn(&Told) -> Option<&String>| self.told.values().filter_map(each).collect::<Vec<_>>();
        for given in [given(|told| told.address.as_ref()), given(|told| told.name.as_ref())] {
            assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len(), "given twice: {given:?}");
        }
    }

    /// Everything that machines were told is in the journal.
    fn compare(&self, records: &[Record], journal: &Journal) {
        let books = &journal.books;
        for (mac, Told { address, name }) in &self.told {
            let unit = books.machines.get(mac);
            if let Some(address) = address {
                assert_eq!(books.leases.get(address), Some(mac), "the lease of {address}; {unit:?}");
                assert_eq!(unit.and_then(|unit| unit.address.as_ref()), Some(address), "the address of {mac}");
            }
            if let Some(name) = name {
                assert_eq!(unit.and_then(|unit| unit.name.as_ref()), Some(name), "the name of {mac}");
            }
        }
        for record in records.iter().filter(|record| record.phases.contains_key(&Phase::Reported)) {
            let unit = &books.machines[&record.mac.to_string()];
            assert_eq!((&*unit.stage, &*unit.order), ("done", "disk"), "{} reported its success", record.mac);
        }
        let finished = self.done + records.iter().filter(|record| record.phases.contains_key(&Phase::Reported)).count();
        let successes = journal.deployments.iter().filter(|each| each.status == "success").count();
        assert!(successes >= finished, "{finished} machines reported success, the journal has {successes} of them");
        assert!(successes <= self.done + records.len(), "{successes} successes of {} boots", self.done + records.len());
    }

    /// No machine says anything now: killed once more, the new server says word for word what the journal of the last
    /// one does in the pure core.
    fn look_at_rest(&mut self) {
        let (mut operator, mut uploader) = (lock(self.operator), lock(self.uploader));
        self.bench.kill_server();
        let copy = self.reader.copy();
        self.bench.start_server().expect("a server on what the last one wrote");
        let journal = self.reader.read(&copy);
        let told = Books::told(&self.bench);
        let differences = journal.books.differences(&told);
        assert!(differences.is_empty(), "the journal and the server differ:\n{}", differences.join("\n"));
        operator.compare(&told);
        uploader.compare(&journal.images);
        uploader.ask_again();
        self.compare(&[], &journal);
        let successes = journal.deployments.iter().filter(|each| each.status == "success").count();
        assert_eq!(successes, self.done, "each boot is one deployment");
    }

    /// Every machine is to be installed again; some lose their names before, some are forgotten.
    fn send_back(&mut self) {
        let ask = |request: Request| self.bench.ask(&request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        for (mac, told) in &mut self.told {
            match self.rng.u8(..10) {
                0 => {
                    ask(Request::Forget { machine: mac.clone(), release_name: true, force: false });
                    *told = Told::default();
                    continue;
                }
                1..=3 => {
                    let hostname = told.name.take().expect("it was done under that name");
                    ask(Request::NameRelease { hostname, force: false });
                }
                _ => {}
            }
            ask(Request::Reinstall { machine: mac.clone() });
        }
    }
}
