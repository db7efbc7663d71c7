//! What happens, told to those who listen: notices and committed orders, on their way out of the core.
//!
//! Costs one look at a flag while nobody listens. The core never waits: who does not keep up loses what was between, and
//! is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::clock;
use crate::fleet::audit::Entry;
use crate::fleet::{Change, Notice};
use crate::naming::Batch;
use crate::time::Timestamp;

/// What may be on its way to the listeners at once; a core that is quicker than they loses the rest.
const ON_ITS_WAY: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// As the core says it.
    Notice(Notice),
    /// An order, as it is from now on.
    Batch(Batch),
    /// Somebody changed something.
    Audited(Entry),
    /// Not everything was told: who has to know looks at the whole again.
    Lost,
}

/// Where the core puts what happens.
#[derive(Clone, Debug)]
pub struct Tap(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: AtomicBool,
    lost: AtomicBool,
    sender: mpsc::Sender<(Timestamp, Happening)>,
}

impl Tap {
    /// A tap that is shut, and where what it gives comes out.
    pub fn new() -> (Tap, mpsc::Receiver<(Timestamp, Happening)>) {
        let (sender, receiver) = mpsc::channel(ON_ITS_WAY);
        (Tap(Arc::new(Inner { open: AtomicBool::new(false), lost: AtomicBool::new(false), sender })), receiver)
    }

    /// Opens or shuts it.
    pub fn open(&self, open: bool) {
        self.0.open.store(open, Ordering::Relaxed);
    }

    /// A notice was published.
    pub fn notice(&self, notice: &Notice) {
        if self.is_open() {
            self.tell(Happening::Notice(notice.clone()));
        }
    }

    /// These changes are on disk.
    pub fn committed(&self, changes: &[Change]) {
        if !self.is_open() {
            return;
        }
        for change in changes {
            match change {
                Change::Batch(batch) => self.tell(Happening::Batch(batch.clone())),
                Change::Audited(entry) => self.tell(Happening::Audited(entry.clone())),
                _ => {}
            }
        }
    }

    /// What was told before may not hold.
    pub fn lose(&self) {
        if self.is_open() {
            self.0.lost.store(true, Ordering::Relaxed);
        }
    }

    fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    fn tell(&self, happening: Happening) {
        let Inner { lost, sender, .. } = &*self.0;
        let now = clock::now().timestamp;
        // What was lost before is said before anything else.
        let told = !lost.load(Ordering::Relaxed) || {
            let told = sender.try_send((now, Happening::Lost)).is_ok();
            lost.store(!told, Ordering::Relaxed);
            told
        };
        if !told || sender.try_send((now, happening)).is_err() {
            lost.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
