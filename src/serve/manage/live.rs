//! Pages as they change: each is painted once for everybody who looks at it, and sent as server-sent events.
//!
//! Nothing is painted that nobody looks at, and what is painted is sent only where it differs. The invariant: the first
//! event of a stream is the page as it is then, so that who was away sees the truth.

mod rate;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;

pub use self::rate::Rates;
use super::{Manage, dashboard, machine, network, page, system, wall};
use crate::ids::MachineId;
use crate::serve::core;
use crate::serve::log::tail;

/// How often what somebody watches is looked at.
const INTERVAL: Duration = Duration::from_millis(400);

/// What has not changed is painted again so often: times go by, and journals and disks are not watched.
const STALE: Duration = Duration::from_secs(3);

/// A sign of life goes out so often when nothing changes, so that both ends know that the other is there.
const ALIVE: Duration = Duration::from_secs(10);

/// A stream ends after so long, and the browser asks anew: who may look no more is noticed then.
const LONGEST: Duration = Duration::from_secs(600);

/// A browser asks anew so soon after a stream has ended.
const RETRY: Duration = Duration::from_secs(1);

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// Only that something has changed: for pages that are not painted for everybody alike.
    Changes,
    /// The wall.
    Wall,
    /// The dashboard.
    Dashboard,
    /// The network.
    Network,
    /// The system, with log lines from this level on.
    System(tail::Level),
    /// A machine.
    Machine(MachineId),
}

impl Page {
    /// The page of a name such as `wall`, `machine-12` or `system-warn`.
    pub fn parse(name: &str) -> Option<Page> {
        match name {
            "changes" => return Some(Page::Changes),
            "wall" => return Some(Page::Wall),
            "dashboard" => return Some(Page::Dashboard),
            "network" => return Some(Page::Network),
            _ => {}
        }
        let (kind, which) = name.split_once('-')?;
        match kind {
            "machine" => which.parse().ok().map(|id| Page::Machine(MachineId(id))),
            "system" => tail::Level::from_word(which).map(Page::System),
            _ => None,
        }
    }

    /// The page as it is now; `None` if there is none any more.
    async fn paint(self, manage: &Manage) -> Option<String> {
        match self {
            Page::Changes => Some(core::read(&manage.desk.library.board).revision().to_string()),
            Page::Wall => wall::paint(manage),
            Page::Dashboard => dashboard::paint(manage).await,
            Page::Network => network::paint(manage),
            Page::System(level) => system::paint(manage, level),
            Page::Machine(id) => machine::paint(manage, id).await,
        }
    }
}

/// What was painted of one page.
#[derive(Debug)]
struct Painting {
    /// What was painted last; `None` once there will be no more.
    painted: watch::Sender<Option<Arc<str>>>,
    /// As of which change of the board, and when.
    of: Mutex<(u64, Option<Instant>)>,
}

/// Paints what is watched.
#[derive(Debug, Default)]
pub struct Painters {
    open: Mutex<BTreeMap<Page, Arc<Painting>>>,
    rates: Mutex<Rates>,
}

impl Painters {
    /// How fast transfers go, as of now for all pages.
    pub fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Page, Arc<Painting>>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Paints for those who watch, until `stopped`; then they are told that there is no more.
    pub async fn run(&self, manage: &Manage, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.repaint(manage) => {}
            () = async { _ = stopped.wait_for(|stop| *stop).await } => {}
        }
        for painting in self.open().values() {
            painting.painted.send_replace(None);
        }
    }

    async fn repaint(&self, manage: &Manage) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let watched: Vec<(Page, Arc<Painting>)> = {
                let mut open = self.open();
                open.retain(|_, painting| painting.painted.receiver_count() > 0);
                open.iter().map(|(page, painting)| (*page, painting.clone())).collect()
            };
            for (page, painting) in watched {
                if painting.is_due(manage) {
                    painting.freshen(page, manage).await;
                }
            }
        }
    }

    /// The page as it is now and as it changes.
    async fn watch(&self, page: Page, manage: &Manage) -> watch::Receiver<Option<Arc<str>>> {
        let (painting, receiver) = {
            let mut open = self.open();
            let painting = open.entry(page).or_insert_with(|| {
                Arc::new(Painting { painted: watch::Sender::new(Some(Arc::from(""))), of: Mutex::default() })
            });
            (painting.clone(), painting.painted.subscribe())
        };
        painting.freshen(page, manage).await;
        receiver
    }
}

impl Painting {
    fn is_due(&self, manage: &Manage) -> bool {
        let revision = manage.revision();
        let (of, at) = *self.of.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        of != revision || at.is_none_or(|at| at.elapsed() > STALE)
    }

    async fn freshen(&self, page: Page, manage: &Manage) {
        *self.of.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = (manage.revision(), Some(Instant::now()));
        let Some(fresh) = page.paint(manage).await else { return };
        self.painted.send_if_modified(|last| {
            let differs = last.as_ref().is_some_and(|last| **last != *fresh);
            if differs {
                *last = Some(fresh.into());
            }
            differs
        });
    }
}

#[derive(Debug, Deserialize)]
pub struct Which {
    #[serde(default = "changes")]
    page: String,
}

fn changes() -> String {
    "changes".to_owned()
}

/// `GET /events?page=NAME`: the page whenever it changes, as events of the type `page`.
pub async fn events(State(manage): State<Arc<Manage>>, Query(Which { page: name }): Query<Which>) -> Response {
    let Some(page) = Page::parse(&name) else {
        return page::refused(StatusCode::NOT_FOUND, "There is no such page to watch");
    };
    let receiver = manage.painters.watch(page, &manage).await;
    let begun = Instant::now();
    let painted = WatchStream::new(receiver)
        .take_while(move |html| html.is_some() && begun.elapsed() < LONGEST)
        .map(|html| Ok::<_, Infallible>(Event::default().event("page").retry(RETRY).data(html.unwrap_or_default())));
    let alive = KeepAlive::new().interval(ALIVE).event(Event::default().event("alive").data("1"));
    Sse::new(painted).keep_alive(alive).into_response()
}

#[cfg(test)]
mod tests;
