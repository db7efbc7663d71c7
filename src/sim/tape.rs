//! A running hash over everything the fleet ever did: two runs with the same hash are the same run.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::fleet::{Action, Notice};
use crate::ids::hex;
use crate::time::Instant;

/// A running hash over everything the fleet ever did.
#[derive(Debug, Default)]
pub(super) struct Tape(Sha256);

impl Tape {
    pub fn record(&mut self, now: Instant, action: &Action) {
        self.0.update(now.since_start().as_nanos().to_be_bytes());
        match action {
            Action::Send { bytes, destination, .. } => {
                self.0.update(bytes);
                self.put(format_args!("{destination}"));
            }
            // A view repeats what the changes around it say, at length.
            Action::Publish(Notice::Machine(view)) => {
                self.put(format_args!(
                    "{} {} {:?} {:?}",
                    view.machine.id,
                    view.label(),
                    view.address,
                    view.machine.stage
                ));
            }
            other => self.put(format_args!("{other:?}")),
        }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.write_fmt(text);
    }

    pub fn into_hex(self) -> String {
        hex(&self.0.finalize())
    }
}

impl fmt::Write for Tape {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
