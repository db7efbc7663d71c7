//! A room with a browser in it: the bench, the real server with its pages, simulated machines, and somebody who looks.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use hatchery::load::bench::SERVER;
use hatchery::load::{Load, Record, Run};
use hatchery::sim::client::{Client, Identity, Kind, Options};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::driver::{Browser, target};
use crate::table::{PATIENCE, Table};

pub const USER: &str = "anna";
pub const PASSWORD: &str = "pit lane umbrella";
/// Where the pages are, on the server's side and on that of the browser.
const PAGES: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// What a first page may weigh with all that it loads.
const FIRST_PAGE_MAX: u64 = 100_000;

pub struct Room {
    pub table: Table,
    pub browser: Browser,
}

impl Room {
    /// The server runs and nobody is logged in; nothing where there is no browser.
    pub fn open() -> Option<Room> {
        let mut table = Table::new("", &format!("[management]\nlisten = [\"{PAGES}\"]"));
        table.start();
        let listener = TcpListener::bind(PAGES).expect("a port of a network of our own");
        table.bench.network().forward(listener, PAGES).expect("a thread");
        Browser::start().map(|browser| Room { table, browser })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{PAGES}{path}")
    }

    pub fn go(&self, path: &str) {
        self.browser.go(&self.url(path));
    }

    /// The link of the log that makes the first user.
    pub fn invitation(&self) -> String {
        let log = self.table.log();
        let link = log.split_whitespace().find(|word| word.contains("/setup?code="));
        link.expect("a link in the log").to_owned()
    }

    /// Makes the first user, who is then logged in.
    pub fn set_up(&self) {
        self.browser.go(&self.invitation());
        self.browser.fill("Name", USER);
        self.browser.fill("Password", PASSWORD);
        self.browser.fill("Password, again", PASSWORD);
        self.browser.press("Make this user");
        self.browser.shows("Wall");
    }

    pub fn log_in(&self, name: &str, password: &str) {
        self.go("/login");
        self.browser.fill("Name", name);
        self.browser.fill("Password", password);
        self.browser.press("Log in");
    }

    /// Switches machines on, each of which takes its image at `rate` bytes a second.
    pub fn switch_on(&self, clients: Vec<Client>, rate: Option<u64>) -> Boots {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let load = Load { clients, link: 0, known: Some(self.table.bench.image().clone()), pace: 1, rate };
        let run = Run::start(load, self.table.bench.network()).expect("machines plugged in");
        drop(_inside);
        Boots { runtime, run }
    }

    /// A machine says something about itself, as the installers in the field do.
    pub fn report(&self, report: &Value) {
        let body = report.to_string();
        let head = format!(
            "POST /api/status HTTP/1.1\r\nHost: hatchery\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        let answer = self.table.bench.network().in_server(move || {
            let mut stream = TcpStream::connect((SERVER.0, 80)).expect("the deployment API");
            stream.write_all((head + &body).as_bytes()).expect("a request sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 200"), "{report}: {answer}");
    }

    /// No error and no warning in the browser's console so far.
    pub fn assert_no_errors(&self, where_: &str) {
        let errors = self.browser.errors();
        assert!(errors.is_empty(), "{where_}: {errors:#?}");
    }

    /// What the page and all that it loaded weigh on the wire; a live stream counts with what has come.
    pub fn assert_light(&self) {
        let sizes = self.browser.run(
            "return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))\
             .map((one) => [one.name, one.transferSize])",
        );
        let sizes: Vec<(String, u64)> = serde_json::from_value(sizes).expect("sizes");
        let total: u64 = sizes.iter().map(|(_, size)| size).sum();
        assert!(sizes.len() > 1 && total > 0 && total < FIRST_PAGE_MAX, "{total} bytes: {sizes:#?}");
    }

    /// Nothing stands out of the window to the right.
    pub fn assert_fits(&self, where_: &str) {
        let wider = self.browser.run(
            "const wide = document.documentElement.clientWidth; if (document.documentElement.scrollWidth <= wide) return \
             null; return [...document.querySelectorAll('body *:not(.wide *)')].filter((one) => one.getBoundingClientRect().right > \
             wide + 1).slice(0, 5).map((one) => one.outerHTML.slice(0, 120))",
        );
        if !wider.is_null() {
            self.browser.picture(&format!("too-wide-{where_}"));
        }
        assert!(wider.is_null(), "{where_} scrolls sideways: {wider:#}");
    }

    /// axe-core finds nothing serious or critical.
    pub fn assert_accessible(&self, where_: &str) {
        let path = target().join("axe/node_modules/axe-core/axe.min.js");
        let Ok(axe) = fs::read_to_string(&path) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have axe-core in target/axe");
            eprintln!("SKIPPED: npm install --prefix target/axe --no-save axe-core brings what looks for barriers");
            return;
        };
        self.browser.run(&format!("{axe};return null"));
        let found = self.browser.run_async(
            "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']}).then((found) \
             => done(found.violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => \
             one.id + ': ' + one.help + ': ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 150) + ' (' + \
             (node.any[0] || node.all[0] || node.none[0] || {}).message + ')').join(' | '))), (error) => \
             done(['axe failed: ' + error]))",
        );
        assert_eq!(found, json!([]), "{where_}: {found:#}");
    }
}

/// Machines under way.
pub struct Boots {
    runtime: Runtime,
    run: Run,
}

impl Boots {
    /// Waits until every machine has ended.
    pub fn finish(&mut self) -> Vec<Record> {
        let Boots { runtime, run } = self;
        let finished = runtime.block_on(async { tokio::time::timeout(2 * PATIENCE, run.finished()).await });
        assert!(finished.is_ok(), "machines still run: {:#?}", run.records());
        run.records()
    }
}

/// Machines of the bench that let one see what they do.
pub fn machines(count: u32) -> Vec<Client> {
    let kinds = [Kind::Pi5, Kind::UefiX64, Kind::Pi4, Kind::LinuxInstaller];
    let mut rng = fastrand::Rng::with_seed(7);
    let options = Options {
        product: "KXP2".into(),
        venue: Some("DEMO".into()),
        uefi_offer_wait: Duration::ZERO,
        ipxe_proxy_wait: Duration::ZERO,
        install_work: Duration::from_millis(500),
        ..Options::default()
    };
    (1..=count)
        .zip(kinds.into_iter().cycle())
        .map(|(index, kind)| Client::new(kind, Identity::numbered(kind, index, &mut rng), rng.u64(..), options.clone()))
        .collect()
}
