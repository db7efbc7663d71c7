//! Who is there that should not be: heard once, and gone only after leaving two of our questions unanswered, because
//! one answer may be lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More of them tell nothing new, and their number is in the hands of strangers.
const MAX: usize = 8;

/// Questions that someone who is there may leave unanswered, less one.
const GONE_AFTER: u8 = 2;

/// Those who were heard, with the questions they have left unanswered since.
#[derive(Debug)]
pub struct Present<K>(Mutex<BTreeMap<K, u8>>);

impl<K> Default for Present<K> {
    fn default() -> Self {
        Present(Mutex::default())
    }
}

impl<K: Ord + Clone> Present<K> {
    /// Notes that `who` was heard; whether that is news.
    pub fn heard(&self, who: K) -> bool {
        let mut all = self.all();
        if all.len() >= MAX && !all.contains_key(&who) {
            return false;
        }
        all.insert(who, 0).is_none()
    }

    /// A question goes out to everybody.
    pub fn ask(&self) {
        let mut all = self.all();
        all.values_mut().for_each(|unanswered| *unanswered += 1);
        all.retain(|_, unanswered| *unanswered <= GONE_AFTER);
    }

    /// Those who are there.
    pub fn list(&self) -> Vec<K> {
        self.all().iter().filter(|(_, unanswered)| **unanswered < GONE_AFTER).map(|(who, _)| who.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<K, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
