//! `[retention]`: how long the journal keeps what only people read.

use std::time::Duration;

use super::reader::Table;
use crate::store::retention::Retention;

/// A hundred years.
const DAYS_MAX: u32 = 36_500;

/// Reads `[retention]`; 0 days are for ever.
pub(super) fn read(root: &Table<'_>) -> Retention {
    let table = root.table("retention");
    let days = |key, default| {
        let days = table.as_ref().map_or(default, |table| table.whole(key, 0..=DAYS_MAX, default));
        (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 3600))
    };
    Retention { history: days("history_days", 3650), logs: days("log_days", 180), audit: days("audit_days", 3650) }
}
