//! From a journal to the tables of a server, on more processors than one: rows are read beside one another, and SQLite
//! looks meanwhile whether the file is sound.
//!
//! The invariant: nobody gets a [`Store`], nor what was made of the rows, before the journal was found to be sound.

use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use super::records::Records;
use super::rows::{self, ReadError};
use super::{Store, StoreError, reading, sound_or_damaged};
use crate::fleet::Tables;
use crate::lease::Leases;
use crate::machine::Machines;
use crate::naming::Product;
use crate::site::Site;

impl Store {
    /// As [`Store::open`] and [`Store::load`], for this place and these products. Of a journal that is found to be damaged
    /// nothing is kept, and nothing was written to it.
    ///
    /// # Errors
    /// Those of [`Store::open`] before those of [`Store::load`].
    pub fn start(path: &Path, site: &Site, products: &[Product]) -> Result<(Store, Tables), StoreError> {
        let (store, looked_at) = Store::prepare(path)?;
        let records = Records::new(path);
        let db = &store.connection;
        let tables = thread::scope(|scope| {
            let named = |name: &str| thread::Builder::new().name(name.into());
            let failed = |source| StoreError::Thread { path: path.to_owned(), source };
            let check = named("journal-check").spawn_scoped(scope, || match looked_at {
                true => Ok(()),
                false => sound_or_damaged(&records.connect()?, path),
            });
            let leases = named("journal-leases")
                .spawn_scoped(scope, || Ok(Leases::load(site, records.read(rows::read_leases)?)));
            let own = || -> Result<_, ReadError> {
                let machines: Machines = rows::read_machines(db)?.into_iter().collect();
                Ok((machines, rows::read_others(db)?))
            };
            let own = own().map_err(|error| reading(path, error));
            let leases: Result<Leases, StoreError> = end(leases.map_err(failed)?);
            end(check.map_err(failed)?)?;
            let ((machines, others), leases) = (own?, leases?);
            Ok(Tables::join(site, products, machines, leases, &others))
        })?;
        Ok((store, tables))
    }
}

/// What the thread brought; its panic is ours.
fn end<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
