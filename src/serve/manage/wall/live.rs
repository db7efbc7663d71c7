//! The wall as it changes: painted once for everybody who looks, and sent as server-sent events.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use askama::Template as _;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;

use super::Wall;
use super::rate::Rates;
use crate::clock;
use crate::serve::core::{self, SharedBoard};
use crate::serve::manage::Manage;

/// How often the board is looked at while somebody watches.
const INTERVAL: Duration = Duration::from_millis(400);

/// A comment goes out so often when nothing changes, so that both ends know that the other is there.
const ALIVE: Duration = Duration::from_secs(10);

/// Paints the wall.
#[derive(Debug)]
pub struct Painter {
    /// What was painted last; `None` once there will be no more.
    painted: watch::Sender<Option<Arc<str>>>,
    rates: Mutex<Rates>,
}

impl Painter {
    /// A painter who has painted nothing yet.
    pub fn new() -> Painter {
        Painter { painted: watch::Sender::new(Some(Arc::from(""))), rates: Mutex::default() }
    }

    /// The tiles as they are now.
    pub fn paint(&self, board: &SharedBoard) -> Arc<str> {
        let mut rates = self.rates.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let wall = Wall::of(&core::read(board), &mut rates, clock::now().timestamp);
        match wall.render() {
            Ok(html) => html.into(),
            Err(error) => {
                tracing::error!(%error, "the wall could not be painted");
                Arc::from("")
            }
        }
    }

    /// Paints for those who watch, until `stopped`; then they are told that there is no more.
    pub async fn run(&self, board: &SharedBoard, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.repaint(board) => {}
            () = async { _ = stopped.wait_for(|stop| *stop).await } => {}
        }
        self.painted.send_replace(None);
    }

    async fn repaint(&self, board: &SharedBoard) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.painted.receiver_count() > 0 {
                self.freshen(board);
            }
        }
    }

    fn freshen(&self, board: &SharedBoard) {
        let fresh = Some(self.paint(board));
        self.painted.send_if_modified(|last| {
            let differs = last.is_some() && *last != fresh;
            if differs {
                *last = fresh;
            }
            differs
        });
    }
}

impl Default for Painter {
    fn default() -> Painter {
        Painter::new()
    }
}

/// `GET /events`: the tiles whenever they change, as events of the type `wall`. The first one comes at once, so that who
/// was away sees the truth.
pub async fn events(State(manage): State<Arc<Manage>>) -> Response {
    let receiver = manage.painter.painted.subscribe();
    manage.painter.freshen(&manage.desk.library.board);
    let wall = WatchStream::new(receiver)
        .take_while(Option::is_some)
        .map(|tiles| Ok::<_, Infallible>(Event::default().event("wall").data(tiles.unwrap_or_default())));
    Sse::new(wall).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}
