//! Looks after the write-ahead log beside everything else, on a thread and a connection of its own: makes room for it, and
//! folds it into the file. A commit that folds it takes many times as long as others, and whoever waits for its answer
//! would notice.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::room::make_room;
use super::{BUSY_TIMEOUT, LOG_PAGES, Store, StoreError, advice, opening};

/// Pages in the log from which on it is folded beside. What it has room for above them, commits may take meanwhile.
const FOLD_PAGES: u32 = LOG_PAGES / 2;

enum Order {
    Fold,
    End,
}

/// The thread that folds; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Folding {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// From now on the log has room and is folded beside; a commit does it only where that falls behind.
    ///
    /// # Errors
    /// No second connection, or no thread: commits go on folding the log.
    pub fn fold_beside(&mut self) -> Result<(), StoreError> {
        let failed = |error| opening(&self.path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let (orders, ordered) = sync_channel(1);
        let path = self.path.clone();
        let look_after = move || {
            if let Err(error) = make_room(&mut connection, &path) {
                tracing::debug!(?path, %error, "the write-ahead log has to grow when it is written to");
            }
            carry_out(&path, &connection, &ordered);
        };
        let thread = thread::Builder::new().name("journal-log".into()).spawn(look_after);
        let thread = thread.map_err(|source| StoreError::Thread { path: self.path.clone(), source })?;
        self.folding = Some(Folding { orders: orders.clone(), thread: Some(thread) });
        self.connection.wal_hook(Some(move |log: &mut Wal, pages| committed(log, pages, &orders))).map_err(failed)
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        // One that has panicked takes no orders, and has said so.
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// After a commit, when so many pages are in the log. An error would be the commit's, which has happened: there is none.
fn committed(log: &mut Wal, pages: i32, orders: &SyncSender<Order>) -> rusqlite::Result<()> {
    let pages = u32::try_from(pages).unwrap_or(0);
    if pages < FOLD_PAGES {
        return Ok(());
    }
    let beside = match orders.try_send(Order::Fold) {
        // An order that lies there already is as good.
        Ok(()) | Err(TrySendError::Full(_)) => pages < LOG_PAGES,
        Err(TrySendError::Disconnected(_)) => false,
    };
    if !beside {
        // If it fails the log grows, and the next commit tries again.
        let _ = log.checkpoint();
    }
    Ok(())
}

fn carry_out(path: &Path, connection: &Connection, orders: &Receiver<Order>) {
    let mut failing = false;
    while let Ok(Order::Fold) = orders.recv() {
        // As much as is possible without keeping anybody waiting; the next commit orders the rest.
        let folded = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = &folded
            && !failing
        {
            tracing::warn!(?path, %error, "the write-ahead log cannot be folded; {}", advice(error));
        }
        failing = folded.is_err();
    }
}

#[cfg(test)]
mod tests;
