//! `[dhcp.unknown]`, and how much is believed of those who say that an address is taken.

use super::reader::{Field, Table};
use crate::site::{Disuse, Share, Strangers};

/// Reads the table `unknown` of `[dhcp]`.
pub(super) fn read(dhcp: &Table<'_>) -> Strangers {
    let default = Strangers::default();
    let Some(table) = dhcp.table("unknown") else { return default };
    let unlimited = |key| table.field(key).map(|field| (is_off(&field), field));
    let number = |key, default: Option<u32>| match unlimited(key) {
        None => default,
        Some((true, _)) => None,
        Some((false, field)) => field.whole(1..=65_536).or(default),
    };
    Strangers {
        reserve: table.field("reserve").and_then(|field| share(&field, 0)).unwrap_or(default.reserve),
        per_minute: match unlimited("per_minute") {
            None => default.per_minute,
            Some((true, _)) => None,
            Some((false, field)) => share(&field, 1).or(default.per_minute),
        },
        per_link: number("per_link", default.per_link),
        per_circuit: number("per_circuit", default.per_circuit),
        offer_hold: table.duration("offer_hold", default.offer_hold),
    }
}

/// Reads what `[dhcp]` says of addresses that are taken.
pub(super) fn disuse(dhcp: &Table<'_>) -> Disuse {
    let default = Disuse::default();
    Disuse {
        per_client: dhcp.whole("declines_per_client", 1..=65_536, default.per_client),
        of_pool: dhcp.field("declines_of_pool").and_then(|field| share(&field, 1)).unwrap_or(default.of_pool),
    }
}

/// Whether the limit is switched off.
fn is_off(field: &Field<'_>) -> bool {
    field.is_text("off")
}

/// A number of addresses, of at least `least`, or a percentage of them.
fn share(field: &Field<'_>, least: u32) -> Option<Share> {
    if field.is_whole() {
        return field.whole(least..=65_536).map(Share::Count);
    }
    let percent = |text: &str| {
        let percent = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
        (u32::from(percent) >= least && percent <= 100).then_some(Share::Percent(percent))
    };
    field.parse("a percentage or a number of addresses", "5%", percent)
}

#[cfg(test)]
mod tests;
