//! SIGINT and SIGTERM as something to ask, for commands that clean up before they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Whether the command was told to end.
pub(super) struct Interrupt {
    came: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Interrupt {
    /// Takes the signals over for as long as this process lives.
    pub(super) fn listen() -> anyhow::Result<Interrupt> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        let came = Arc::new(AtomicBool::new(false));
        let seen = came.clone();
        let inside = runtime.enter();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            seen.store(true, Ordering::Relaxed);
        });
        drop(inside);
        Ok(Interrupt { came, _runtime: runtime })
    }

    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}
