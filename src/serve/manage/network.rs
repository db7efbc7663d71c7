//! The network: what was found wrong in it, its links and pools and how full they are, what is reserved, and how often
//! what was asked, answered and refused.

use std::net::Ipv4Addr;

use askama::Template;
use axum::response::Response;

use super::caller::{Asker, Caller};
use super::{Manage, page};
use crate::class::Class;
use crate::fleet::board::Board;
use crate::lease::LeaseState;
use crate::serve::core;
use crate::serve::preflight::{Finding, Level};
use crate::site::{Link, Pool, Reservation};

#[derive(Template)]
#[template(path = "network.html", config = "src/serve/manage/askama.toml")]
struct NetworkPage<'a> {
    caller: &'a Caller,
    here: &'static str,
    part: String,
}

/// What changes of it; the same for everybody.
#[derive(Template)]
#[template(path = "network_part.html", config = "src/serve/manage/askama.toml")]
struct Part {
    findings: Vec<Found>,
    all_well: usize,
    role: &'static str,
    links: Vec<LinkRow>,
    states: Vec<(&'static str, usize)>,
    reservations: Vec<ReservationRow>,
    classes: Vec<(String, String)>,
    dhcp: Vec<(&'static str, &'static str, u64)>,
    refusals: Vec<(&'static str, u64)>,
}

struct Found {
    look: &'static str,
    mark: &'static str,
    what: String,
    hint: String,
}

struct LinkRow {
    name: String,
    interface: String,
    subnet: String,
    address: String,
    relays: String,
    lease: String,
    pools: Vec<PoolRow>,
}

struct PoolRow {
    range: String,
    classes: String,
    used: usize,
    size: usize,
    look: &'static str,
}

struct ReservationRow {
    of: String,
    link: String,
    address: String,
    hostname: String,
    profile: String,
}

/// `GET /network`.
pub async fn show(asker: Asker) -> Response {
    let part = paint(&asker.manage).unwrap_or_default();
    page::show(&NetworkPage { caller: &asker.caller, here: "/network", part })
}

/// What changes of it, as it is now.
pub fn paint(manage: &Manage) -> Option<String> {
    let findings = manage.desk.doctor.last();
    let part = Part::of(&core::read(&manage.desk.library.board), findings);
    page::part(&part)
}

impl Part {
    fn of(board: &Board, mut findings: Vec<Finding>) -> Part {
        let site = board.site();
        findings.extend(crate::serve::show::conflicts(board));
        findings.extend(crate::serve::show::emptied(board));
        let all_well = findings.iter().filter(|finding| finding.level == Level::Green).count();
        findings.retain(|finding| finding.level != Level::Green);
        findings.sort_by_key(|finding| finding.level != Level::Red);
        let count = |state| board.leases().filter(|lease| lease.state == state).count();
        let states = [LeaseState::Bound, LeaseState::Released, LeaseState::Declined];
        let reserved = site.links.iter().flat_map(|link| link.reservations.iter().map(move |each| (link, each)));
        Part {
            findings: findings.into_iter().map(found).collect(),
            all_well,
            role: site.role.word(),
            links: site.links.iter().map(|link| row(link, board)).collect(),
            states: states.into_iter().map(|state| (state.word(), count(state))).collect(),
            reservations: reserved.map(|(link, each)| reservation(link, each)).collect(),
            classes: board.catalog().classes.iter().map(|class| (class.name.clone(), tests_of(class))).collect(),
            dhcp: board.tally().dhcp().collect(),
            refusals: board.refusals().iter().map(|(kind, count)| (*kind, *count)).collect(),
        }
    }
}

fn found(finding: Finding) -> Found {
    let (look, mark) = if finding.level == Level::Red { ("bad", "✗") } else { ("held", "!") };
    Found { look, mark, what: finding.what, hint: finding.hint }
}

fn row(link: &Link, board: &Board) -> LinkRow {
    let lease = link.lease_time.as_secs();
    LinkRow {
        name: link.name.clone(),
        interface: link.interface.clone().unwrap_or_else(|| "by a relay".to_owned()),
        subnet: link.subnet.to_string(),
        address: link.address.to_string(),
        relays: link.relays.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", "),
        lease: if lease.is_multiple_of(3600) {
            format!("{} h", lease / 3600)
        } else {
            format!("{} min", lease.div_ceil(60))
        },
        pools: link.pools.iter().map(|pool| pool_row(pool, board)).collect(),
    }
}

fn pool_row(pool: &Pool, board: &Board) -> PoolRow {
    let size = usize::try_from(u32::from(pool.last).saturating_sub(u32::from(pool.first)) + 1).unwrap_or(usize::MAX);
    // What was released is given again when nothing else is left.
    let takes = |state| matches!(state, LeaseState::Bound | LeaseState::Declined | LeaseState::Offered);
    let within = |address| pool.first <= address && address <= pool.last;
    let used = board.leases().filter(|lease| takes(lease.state) && within(lease.address)).count();
    let look = if used >= size {
        "bad"
    } else if used.saturating_mul(10) >= size.saturating_mul(9) {
        "held"
    } else {
        ""
    };
    let range = format!("{} to {}", pool.first, pool.last);
    PoolRow { range, classes: pool.classes.join(", "), used, size, look }
}

fn reservation(link: &Link, each: &Reservation) -> ReservationRow {
    let text = |value: Option<String>| value.unwrap_or_default();
    ReservationRow {
        of: each.of.to_string(),
        link: link.name.clone(),
        address: text(each.address.map(|address| address.to_string())),
        hostname: text(each.hostname.as_ref().map(ToString::to_string)),
        profile: text(each.profile.clone()),
    }
}

/// By what a class knows its members.
fn tests_of(class: &Class) -> String {
    let mut tests = Vec::new();
    if !class.firmware.is_empty() {
        let names: Vec<&str> = class.firmware.iter().map(|firmware| firmware.name()).collect();
        tests.push(format!("firmware {}", names.join(" or ")));
    }
    if !class.arch.is_empty() {
        let numbers: Vec<String> = class.arch.iter().map(u16::to_string).collect();
        tests.push(format!("architecture {}", numbers.join(" or ")));
    }
    let begins = [
        ("vendor class", &class.vendor_class),
        ("user class", &class.user_class),
        ("uuid", &class.uuid),
        ("MAC", &class.mac),
    ];
    for (what, bytes) in begins.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let shown = if matches!(what, "MAC" | "uuid") {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
        } else {
            bytes.escape_ascii().to_string()
        };
        tests.push(format!("{what} begins with {shown}"));
    }
    if let Some((number, value)) = &class.option {
        tests.push(format!("option {number} is {}", value.escape_ascii()));
    }
    if tests.is_empty() { "by reservation only".to_owned() } else { tests.join(", ") }
}

#[cfg(test)]
mod tests;
