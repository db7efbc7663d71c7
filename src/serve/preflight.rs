//! Preflight: what keeps this server from its work, looked for at the start and while running.
//!
//! Owns the findings. Each is a value with a level, a sentence and what to do about it; a finding that changes is one
//! log line, and `hatchery doctor` shows them all. Nothing here stops the service: what makes serving impossible is an
//! error of the start.

pub mod interface;
pub mod place;
pub mod ports;
pub mod present;
pub mod rival;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use self::place::Place;
use self::rival::{Rival, Rivals};
use super::arp::Arp;
use super::core::{self, SharedBoard};
use crate::site::Role;

/// How often everything is looked at.
const INTERVAL: Duration = Duration::from_secs(60);
/// The same while something is red, so that its end is seen soon.
const RED_INTERVAL: Duration = Duration::from_secs(5);
/// How often other DHCP servers are asked for, while none is known.
const RIVALS_INTERVAL: Duration = Duration::from_secs(300);
/// How long answers are waited for.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// The same where a DHCP server of others must be there: dnsmasq and udhcpd look for two or three seconds whether an
/// address is in use before they offer it.
const SLOW_ANSWER_TIME: Duration = Duration::from_secs(4);
/// How long a reader waits for a fresh look.
const LOOK_TIME: Duration = Duration::from_secs(10);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Green,
    /// Something will not work, or not as well as it could.
    Amber,
    /// Machines will not boot.
    Red,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was checked: the same whatever is found.
    pub check: String,
    /// How bad it is.
    pub level: Level,
    /// What was found, as a sentence.
    pub what: String,
    /// What to do about it; empty if all is well.
    pub hint: String,
}

impl Finding {
    /// Machines will not boot until `hint` is followed.
    pub fn red(check: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { check: check.into(), level: Level::Red, what: what.into(), hint: hint.into() }
    }

    /// Something will not work until `hint` is followed.
    pub fn amber(check: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { check: check.into(), level: Level::Amber, what: what.into(), hint: hint.into() }
    }

    /// All is well.
    pub fn green(check: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { check: check.into(), level: Level::Green, what: what.into(), hint: String::new() }
    }
}

/// What was found, and in which look.
#[derive(Clone, Debug, Default)]
struct Look {
    number: u64,
    findings: Vec<Finding>,
}

/// Looks again and again.
#[derive(Debug)]
pub struct Preflight {
    /// Replaced by another configuration.
    place: watch::Receiver<Arc<Place>>,
    /// Which images products have.
    board: SharedBoard,
    arp: Arp,
    rivals: Rivals,
    look: watch::Sender<Look>,
    /// The number of the last look that was begun.
    begun: Arc<AtomicU64>,
    asked: Arc<Notify>,
    news: Arc<Notify>,
}

/// Where readers find what was found.
#[derive(Clone, Debug)]
pub struct Doctor {
    look: watch::Receiver<Look>,
    begun: Arc<AtomicU64>,
    asked: Arc<Notify>,
}

impl Doctor {
    /// What the last look found, at once.
    pub fn last(&self) -> Vec<Finding> {
        self.look.borrow().findings.clone()
    }

    /// Has everything looked at, and waits for what is found: a second or two.
    pub async fn findings(&self) -> Vec<Finding> {
        let mut look = self.look.clone();
        // A look under way has seen some things already that may have been put right since.
        let begun = self.begun.load(Ordering::SeqCst);
        self.asked.notify_one();
        // Without a fresh look, the last one must do.
        let fresh = timeout(LOOK_TIME, look.wait_for(|look| look.number > begun)).await;
        drop(fresh);
        look.borrow().findings.clone()
    }
}

impl Preflight {
    /// Ready to look, and where readers find what is found.
    pub fn new(
        place: watch::Receiver<Arc<Place>>,
        board: SharedBoard,
        arp: Arp,
        rivals: Rivals,
    ) -> (Preflight, Doctor) {
        let (sender, receiver) = watch::channel(Look::default());
        let asked = Arc::new(Notify::new());
        let begun = Arc::new(AtomicU64::new(0));
        let doctor = Doctor { look: receiver, begun: begun.clone(), asked: asked.clone() };
        let news = Arc::new(Notify::new());
        (Preflight { place, board, arp, rivals, look: sender, begun, asked, news }, doctor)
    }

    /// To be called by those who hear something that a look should not wait for.
    pub fn news(&self) -> impl Fn() + Clone + Send + 'static {
        let news = self.news.clone();
        move || news.notify_one()
    }

    /// Looks for ever.
    pub async fn run(self) {
        // No configuration changes this while we run.
        let proxy = self.place.borrow().role() == Role::Proxy;
        let mut rivals_due = Instant::now();
        loop {
            if Instant::now() >= rivals_due {
                self.rivals.ask();
                rivals_due = Instant::now() + RIVALS_INTERVAL;
            }
            let red = self.look_around().await;
            if proxy || self.rivals.list().any(|rivals| rivals.is_ok_and(|rivals| !rivals.is_empty())) {
                rivals_due = Instant::now();
            }
            tokio::select! {
                () = sleep(if red { RED_INTERVAL } else { INTERVAL }) => {}
                () = self.news.notified() => {}
                () = self.asked.notified() => rivals_due = Instant::now(),
            }
        }
    }

    /// Looks once, says what has changed, and answers whether anything is red.
    async fn look_around(&self) -> bool {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.arp.probe_own();
        let place = self.place.borrow().clone();
        let role = place.role();
        let local = tokio::task::spawn_blocking({
            let (place, files) = (place.clone(), core::read(&self.board).image_files().clone());
            move || place.look(&files.active)
        });
        sleep(if role == Role::Proxy { SLOW_ANSWER_TIME } else { ANSWER_TIME }).await;
        let mut findings = match local.await {
            Ok(findings) => findings,
            Err(error) => {
                tracing::error!(%error, "the preflight broke down");
                return false;
            }
        };
        findings.extend(self.duplicates(&place));
        findings.extend(self.proxies(&place));
        findings.extend(self.foreign_servers(&place));
        let before = self.look.borrow().findings.clone();
        log(&before, &findings);
        let red = findings.iter().any(|finding| finding.level == Level::Red);
        self.look.send_replace(Look { number, findings });
        red
    }

    /// Who else has our own address on a link: the machines of that link then talk to the wrong one, and stop
    /// somewhere in their boot.
    fn duplicates(&self, place: &Place) -> impl Iterator<Item = Finding> {
        place.links().zip(self.arp.claimants()).map(|((link, interface), claimants)| {
            let address = link.address;
            let check = format!("duplicate {address}");
            match claimants {
                Ok(macs) if macs.is_empty() => {
                    Finding::green(check, format!("nobody else uses {address} on {interface}"))
                }
                Ok(macs) => {
                    let macs = listed(macs.iter());
                    let what = format!("{address} is our own address, and {macs} uses it on {interface}, too");
                    Finding::red(
                        check,
                        what,
                        format!("find {macs} (the switch knows its port) and give it another address"),
                    )
                }
                Err(error) => {
                    let what = format!("cannot tell whether anyone else uses {address} on {interface}: {error}");
                    Finding::amber(check, what, "start as root, or grant CAP_NET_RAW")
                }
            }
        })
    }

    /// Who answers ARP for addresses that cannot all be its own.
    fn proxies(&self, place: &Place) -> impl Iterator<Item = Finding> {
        place.links().zip(self.arp.proxies()).filter(|(_, macs)| !macs.is_empty()).map(|((_, interface), macs)| {
            let macs = listed(macs.iter());
            let what = format!("{macs} answers ARP for address after address on {interface}; it is not believed");
            let hint = "switch proxy ARP off there: until then, addresses in use cannot be told from free ones";
            Finding::red(format!("proxies {interface}"), what, hint)
        })
    }

    /// Other DHCP servers: there must be none, or, where they give the addresses, one.
    fn foreign_servers(&self, place: &Place) -> impl Iterator<Item = Finding> {
        let role = place.role();
        place.links().zip(self.rivals.list()).map(move |((_, interface), rivals)| {
            let check = format!("rivals {interface}");
            let names =
                |rivals: &[Rival]| listed(rivals.iter().map(|rival| format!("{} at {}", rival.server, rival.mac)));
            match rivals {
                Ok(rivals) if rivals.is_empty() && role == Role::Proxy => {
                    let what = format!("no DHCP server answers on {interface}, and in proxy mode we give no addresses");
                    Finding::red(check, what, "switch it on or connect it, or write dhcp.mode = \"server\"")
                }
                Ok(rivals) if rivals.is_empty() => {
                    Finding::green(check, format!("no other DHCP server was heard on {interface}"))
                }
                Ok(rivals) if role == Role::Proxy => {
                    Finding::green(check, format!("the DHCP server of {interface} answers: {}", names(&rivals)))
                }
                Ok(rivals) => {
                    let names = names(&rivals);
                    let what = format!("another DHCP server answers on {interface}: {names}");
                    Finding::red(
                        check,
                        what,
                        "switch it off, or take it off this network: machines take the first offer",
                    )
                }
                Err(error) => {
                    let what = format!("cannot tell whether another DHCP server is on {interface}: {error}");
                    Finding::amber(check, what, "start as root, or grant CAP_NET_RAW")
                }
            }
        })
    }
}

fn listed(names: impl Iterator<Item = impl ToString>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(" and ")
}

/// One line for each finding that is not what it was.
fn log(before: &[Finding], now: &[Finding]) {
    for finding in now {
        let old = before.iter().find(|old| old.check == finding.check);
        let Finding { level, what, hint, .. } = finding;
        match level {
            _ if old == Some(finding) => {}
            Level::Red => tracing::error!(todo = hint, "preflight: {what}"),
            Level::Amber => tracing::warn!(todo = hint, "preflight: {what}"),
            Level::Green if old.is_some_and(|old| old.level > Level::Green) => tracing::info!("preflight: {what}"),
            Level::Green => {}
        }
    }
}
