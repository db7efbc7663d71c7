//! One run from beginning to end: find the network and the server, ask what to write, write it, say how it went.
//!
//! Owns the order of the steps and what is done about each that fails. Nothing is remembered: after a loss of power the
//! next boot starts again, and the server has heard no success.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

use super::board::{Board, Outcome};
use super::identity::{self, Identity};
use super::imaging;
use super::init::{self, Exit, LOOK_AT_FAILURE};
use super::job::{After, Choose, Drive, Installed, Job, Observer, Patience, Stage, TargetRule};
use super::modules;
use super::network::{self, News, Wanted, interface};
use super::options::Options;
use super::report::{self, Level, Reporter};
use super::screen::{Screen, Where};
use super::server::{Server, Trouble};
use super::{clock, drives};

/// How long drives may take to appear, and how long their list must not have changed.
const DRIVES_LIMIT: Duration = Duration::from_secs(20);
const DRIVES_QUIET: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const TEMPERATURE_EVERY: Duration = Duration::from_secs(2);
/// Between two questions for a configuration.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long the server may take to hear of success: it would install a machine again of which it has not heard.
const SUCCESS_PATIENCE: Duration = Duration::from_secs(600);
const FAILURE_PATIENCE: Duration = Duration::from_secs(30);

/// Why a run ended early.
struct Stop {
    why: String,
    /// What the profile wants after an installation, if that is known already.
    after: Option<After>,
}

/// One run.
struct Run {
    options: Options,
    as_init: bool,
    identity: Identity,
    board: Arc<Board>,
    reporter: Reporter,
    screen: Screen,
}

/// Runs from the beginning to what the machine does in the end. `complaints` are lines that the log begins with.
pub fn run(options: Options, as_init: bool, complaints: &[String]) -> Exit {
    // Before there are other threads: they inherit what is blocked.
    let signals = (!as_init).then(block_interruptions);
    let board = Arc::new(Board::default());
    let screen = Screen::start(Arc::clone(&board), if as_init { Where::Consoles } else { Where::Stderr });
    init::on_panic(Arc::clone(&board), screen.clone());
    let reporter = Reporter::start(Arc::clone(&board));
    let identity = Identity::read(Path::new("/"));
    let run = Run { options, as_init, identity, board, reporter, screen };
    complaints.iter().for_each(|line| run.log(Level::Warning, line));
    if let Some(signals) = signals {
        run.watch_for_interruption(signals);
    }
    match run.carry_out() {
        Ok(after) => run.succeeded(after),
        Err(stop) => run.failed(&stop),
    }
}

impl Run {
    /// Everything up to a written drive; what the profile wants then.
    fn carry_out(&self) -> Result<After, Stop> {
        let serial = self.identity.serial.clone().or_else(|| self.options.serial.clone());
        self.board.change(|facts| {
            facts.serial = serial;
            facts.model = self.identity.model.clone();
        });
        self.watch_temperature();
        if self.as_init {
            self.board.stage("starting", "Looking for hardware");
            let loaded = modules::coldplug(&modules::Index::of_this_kernel());
            self.log(Level::Info, &format!("drivers: {}", loaded.names.join(" ")));
            loaded.troubles.iter().for_each(|trouble| self.log(Level::Warning, trouble));
        }
        let server = self.find_server()?;
        if self.as_init {
            self.set_clock(&server);
        }
        self.reporter.step("starting", None);
        self.reporter.to(server.clone());
        self.wait_for_drives();
        let mut job = self.ask(&server)?;
        let after = self.options.after.unwrap_or(job.after);
        self.board.change(|facts| {
            facts.hostname = Some(job.hostname.clone());
            facts.reinstalls = job.reinstalls;
        });
        if let Some(path) = &self.options.target {
            if !self.drives().iter().any(|drive| drive.path == *path) {
                let why = format!("{path} was asked for as the target and is no drive of this machine.");
                return Err(Stop { why, after: Some(after) });
            }
            job.target = TargetRule { allowed: vec![path.clone()], choose: Choose::Only };
        }
        match imaging::install(&job, &self.drives(), &Patience::default(), self) {
            Ok(installed) => {
                self.log(Level::Info, &summary(&installed));
                Ok(after)
            }
            Err(failure) => Err(Stop { why: failure.to_string(), after: Some(after) }),
        }
    }

    /// An address, if one is to be had, and the server: the one that was told, else the one that gave the address.
    fn find_server(&self) -> Result<Server, Stop> {
        let mut dhcp_server = None;
        if self.as_init || self.options.interface.is_some() {
            dhcp_server = Some(self.connect());
        }
        let base = self.options.server.clone().or_else(|| dhcp_server.map(|address| format!("http://{address}")));
        let base = base.ok_or_else(|| Stop { why: "No server is known.".to_owned(), after: None })?;
        if dhcp_server.is_none() {
            let address = base.trim_start_matches("http://").split(':').next().and_then(|text| text.parse().ok());
            self.board.change(|facts| facts.mac = address.and_then(interface::towards));
        }
        self.board.change(|facts| facts.server = Some(base.clone()));
        Ok(Server::new(&base))
    }

    /// Waits for an address, however long it takes; the DHCP server that gave it.
    fn connect(&self) -> Ipv4Addr {
        let wanted = Wanted { interface: self.options.interface.clone(), boot_mac: self.options.boot_mac };
        let (tell, news) = channel();
        spawn(move || network::run(&wanted, &tell));
        let server = self.hear(&news);
        // The lease is kept, and what happens to it is shown, for as long as the run lasts.
        let (board, reporter) = (Arc::clone(&self.board), self.reporter.clone());
        spawn(move || news.iter().for_each(|each| show_news(&board, &reporter, each)));
        server
    }

    fn hear(&self, news: &Receiver<News>) -> Ipv4Addr {
        loop {
            match news.recv().expect("the network's thread runs until nobody listens") {
                News::Waiting(sentence) => self.board.doing(sentence),
                connected @ News::Connected { server, .. } => {
                    show_news(&self.board, &self.reporter, connected);
                    return server;
                }
                trouble @ News::Trouble(_) => show_news(&self.board, &self.reporter, trouble),
            }
        }
    }

    fn set_clock(&self, server: &Server) {
        self.board.doing(format!("Asking {} for the time", server.base()));
        match server
            .date()
            .map_err(|trouble| trouble.to_string())
            .and_then(|date| clock::set(date).map_err(|error| error.to_string()))
        {
            Ok(_) => {}
            Err(why) => self.log(Level::Warning, &format!("the clock is not set: {why}")),
        }
    }

    /// Drivers find drives one after the other; a machine without any is told so by the choice of the target.
    fn wait_for_drives(&self) {
        let quiet = if self.as_init { DRIVES_QUIET } else { Duration::ZERO };
        let begun = Instant::now();
        let (mut known, mut changed) = (self.drives(), begun);
        while begun.elapsed() < DRIVES_LIMIT && (known.is_empty() && self.as_init || changed.elapsed() < quiet) {
            self.board.doing(if known.is_empty() {
                "Waiting for a drive: none was found"
            } else {
                "Looking at the drives"
            });
            sleep(LOOK_AGAIN);
            let now = self.drives();
            if now != known {
                (known, changed) = (now, Instant::now());
            }
        }
        for drive in &known {
            self.log(Level::Info, &format!("drive {drive}, {}", drive.transport.word()));
        }
    }

    fn drives(&self) -> Vec<Drive> {
        let mut drives = drives::inventory(Path::new("/"));
        drives.extend(self.options.target.as_ref().and_then(|path| drives::file_as_drive(Path::new(path))));
        drives
    }

    /// Asks what to write until there is an answer; only a question that is refused for what it says ends it.
    fn ask(&self, server: &Server) -> Result<Job, Stop> {
        self.board.stage("starting", &format!("Asking {} what to install", server.base()));
        let mut told = None;
        loop {
            let body =
                report::with_identity(&self.board.facts(), question(&self.options, &self.identity, &self.drives()));
            match server.post("/api/config", &body) {
                Ok(reply) => {
                    return Job::parse(&reply).map_err(|failure| Stop { why: failure.to_string(), after: None });
                }
                Err(Trouble { status: Some(400), sentence }) => {
                    let why = format!("The server refuses this machine: {sentence}.");
                    return Err(Stop { why, after: None });
                }
                Err(trouble) => {
                    let why = trouble.to_string();
                    self.board.doing(format!("Waiting for the server: {why}"));
                    if told.as_ref() != Some(&why) {
                        self.log(Level::Warning, &format!("no configuration yet: {why}"));
                    }
                    told = Some(why);
                    sleep(ASK_AGAIN);
                }
            }
        }
    }

    fn succeeded(&self, after: After) -> Exit {
        self.board.stage("success", "Telling the server that it is done");
        self.reporter.step("success", None);
        let heard = self.reporter.heard(SUCCESS_PATIENCE);
        let exit = match (self.as_init || self.options.after.is_some(), after) {
            (false, _) => Exit::End(0),
            (true, After::Reboot) => Exit::Reboot,
            (true, After::Poweroff) => Exit::Poweroff,
            (true, After::Wait) => Exit::Wait,
        };
        let next = match exit {
            Exit::Reboot => "The machine reboots now.",
            Exit::Poweroff => "The machine switches off now.",
            Exit::Wait => "The machine stays as it is.",
            Exit::End(_) => "",
        };
        let doubt = if heard { "" } else { "The server has not heard of it and may install this machine again. " };
        self.finish(Outcome::Done { next: format!("{doubt}{next}") });
        exit
    }

    fn failed(&self, stop: &Stop) -> Exit {
        self.log(Level::Error, &stop.why);
        self.reporter.step("failed", Some(&stop.why));
        let (exit, next) = match (self.as_init, stop.after) {
            (false, _) => (Exit::End(1), String::new()),
            (true, Some(After::Wait)) => (Exit::Wait, "The machine stays as it is, as its profile says.".to_owned()),
            (true, _) => {
                let secs = LOOK_AT_FAILURE.as_secs();
                (Exit::Reboot, format!("The machine reboots in {secs} seconds and tries again."))
            }
        };
        self.finish(Outcome::Failed { why: stop.why.clone(), next });
        let begun = Instant::now();
        self.reporter.heard(FAILURE_PATIENCE);
        if exit == Exit::Reboot {
            sleep(LOOK_AT_FAILURE.saturating_sub(begun.elapsed()));
        }
        exit
    }

    fn finish(&self, outcome: Outcome) {
        self.board.change(|facts| facts.outcome = Some(outcome));
        self.screen.finish();
    }

    fn log(&self, level: Level, text: &str) {
        self.board.line(text);
        self.reporter.line(level, text);
    }

    fn watch_temperature(&self) {
        let board = Arc::clone(&self.board);
        spawn(move || {
            loop {
                let degrees = identity::temperature(Path::new("/"));
                board.change(|facts| facts.temperature = degrees);
                sleep(TEMPERATURE_EVERY);
            }
        });
    }

    /// Ctrl-C by hand: the server is told before the program ends. The drive is left unfinished, and does not boot.
    fn watch_for_interruption(&self, signals: SigSet) {
        let (board, screen) = (Arc::clone(&self.board), self.screen.clone());
        spawn(move || {
            signals.wait().ok();
            screen.stop();
            let facts = board.facts();
            eprintln!("hatchery-installer: interrupted while it was {}", facts.stage);
            if let Some(server) = &facts.server {
                let body = report::step(&facts, "failed", Some("Interrupted by hand."));
                Server::new(server).post("/api/status", &body).ok();
            }
            std::process::exit(130);
        });
    }
}

/// Holds back the signals that end a program, for the thread that waits for them.
fn block_interruptions() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().expect("a mask of known signals can be set");
    signals
}

/// The engine's view of this run.
impl Observer for Run {
    fn stage(&self, stage: Stage) {
        let doing = match stage {
            Stage::Downloading => "Writing the image to the drive",
            Stage::Verifying => "Reading everything back from the drive",
            Stage::Customizing => "Preparing the first boot",
        };
        self.board.stage(stage.word(), doing);
        self.reporter.step(stage.word(), None);
    }

    fn progress(&self, _stage: Stage, done: u64, total: u64) {
        self.board.progress(done, total, Instant::now());
    }

    fn note(&self, text: &str) {
        self.log(Level::Info, text);
    }

    fn warn(&self, text: &str) {
        self.log(Level::Warning, text);
    }
}

fn show_news(board: &Board, reporter: &Reporter, news: News) {
    match news {
        News::Connected { interface, mac, address, server } => {
            let text = format!("{interface} has {address} from {server}");
            board.line(&text);
            reporter.line(Level::Info, &text);
            board.change(|facts| {
                facts.address = Some(address);
                facts.mac = Some(mac);
            });
        }
        News::Waiting(text) | News::Trouble(text) => {
            board.line(&text);
            reporter.line(Level::Warning, &text);
        }
    }
}

/// The body of `POST /api/config`, without who asks.
pub fn question(options: &Options, identity: &Identity, drives: &[Drive]) -> Value {
    let drive = |drive: &Drive| {
        json!({
            "path": drive.path,
            "model": drive.model,
            "serial": drive.serial,
            "size": drive.size,
            "transport": drive.transport.word(),
            "removable": drive.removable,
        })
    };
    json!({
        "product_type": options.product,
        "venue_code": options.venue,
        "installer": {
            "version": env!("CARGO_PKG_VERSION"),
            "arch": if cfg!(target_arch = "aarch64") { "arm64" } else { std::env::consts::ARCH },
            "model": identity.model,
            "ram_bytes": identity.ram_bytes,
            "drives": drives.iter().map(drive).collect::<Vec<Value>>(),
        },
    })
}

/// What was done, for the log.
fn summary(installed: &Installed) -> String {
    let mut text = format!("{} is written and verified, SHA-256 {}", installed.drive.path, installed.sha256);
    if let Some(method) = installed.first_boot {
        text.push_str(&format!("; first boot by {method}"));
    }
    if let Some(bytes) = installed.grown {
        text.push_str(&format!("; the last partition grew by {}", super::job::Bytes(bytes)));
    }
    text
}
