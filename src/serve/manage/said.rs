//! What was done just now, said once on the next page that its session opens.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::caller::Caller;

/// Sentences that nobody has read yet; beyond so many they are given up.
const WAITING_MAX: usize = 256;

/// Sentences on their way, by session.
#[derive(Debug, Default)]
pub struct Said(Mutex<BTreeMap<String, String>>);

impl Said {
    /// Keeps a sentence for the next page. Programs read replies instead.
    pub fn say(&self, to: &Caller, sentence: String) {
        let mut waiting = self.waiting();
        if !to.form_key.is_empty() {
            if waiting.len() >= WAITING_MAX {
                waiting.clear();
            }
            waiting.insert(to.form_key.clone(), sentence);
        }
    }

    /// What was kept for them.
    pub fn take(&self, by: &Caller) -> Option<String> {
        self.waiting().remove(&by.form_key)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
