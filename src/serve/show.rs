//! The board as JSON, for the command line and the API.

mod people;
mod told;
mod trail;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::preflight::Finding;
use crate::boot::{Boot, View};
use crate::clock;
use crate::fleet::Deployment;
use crate::fleet::audit::Entry;
use crate::fleet::board::Board;
use crate::fleet::command::Selector;
use crate::fleet::report::{LogLine, Progress};
use crate::lease::{Lease, LeaseState};
use crate::machine::stage::Stage;
use crate::naming::Batch;
use crate::refusal::Refusal;
use crate::store::{AuditPage, History, Run, Story, hardware};
use crate::time::Timestamp;
pub use people::{new_token, tokens, user, users};
pub use told::told;
pub use trail::trail;

/// Counts of everything.
pub fn status(board: &Board) -> Value {
    let mut stages: BTreeMap<&str, u64> = BTreeMap::new();
    for view in board.machines() {
        *stages.entry(view.machine.stage.word()).or_default() += 1;
    }
    let bound = board.leases().filter(|lease| lease.state == LeaseState::Bound).count();
    let bytes: u64 = board.transfers().map(|running| running.sent).sum();
    let progress: BTreeMap<String, Value> =
        board.machines().filter_map(|view| Some((view.label(), progress(board.progress(view.machine.id)?)))).collect();
    json!({
        "bound_leases": bound,
        "bytes_of_running_transfers": bytes,
        "machines": board.machines().count(),
        "progress": progress,
        "refusals": board.refusals(),
        "running_transfers": board.transfers().count(),
        "stages": stages,
    })
}

/// Every machine, by id.
pub fn machines(board: &Board) -> Value {
    board.machines().map(|view| machine(board, view)).collect()
}

/// A machine.
pub fn machine(board: &Board, view: &View) -> Value {
    let machine = &view.machine;
    let failure = match &machine.stage {
        Stage::Failed(cause) => Some(cause),
        _ => None,
    };
    let running = board.transfers().filter(|running| running.machine == Some(machine.id));
    let transfers: Vec<Value> = running
        .map(|running| {
            let via = running.via.to_string();
            json!({ "name": &*running.name, "sent": running.sent, "size": running.size, "via": via })
        })
        .collect();
    json!({
        "address": view.address.map(|address| address.to_string()),
        "failure": failure,
        "firmware": machine.firmware.name(),
        "first_seen": clock::iso(machine.first_seen),
        "hardware": machine.hardware.as_deref().map(hardware::to_json),
        "hostname": view.name.as_ref().map(|name| name.hostname.as_str()),
        "id": machine.id.0,
        "mac": machine.mac.map(|mac| mac.to_string()),
        "notes": machine.notes.as_deref(),
        "order": machine.order.word(),
        "progress": board.progress(machine.id).map(progress),
        "serial": machine.serial.as_ref().map(|serial| serial.as_str()),
        "stage": machine.stage.word(),
        "stage_since": clock::iso(machine.stage_since),
        "transfers": transfers,
    })
}

/// How far an installer is, in the keys of the deployment API.
pub fn progress(progress: &Progress) -> Value {
    json!({
        "bytes": progress.bytes,
        "eta_secs": progress.eta_secs,
        "rate": progress.rate,
        "stage": progress.stage,
        "temperature_c": progress.temperature_dc.map(|tenths| f64::from(tenths) / 10.0),
        "total": progress.total,
    })
}

/// The last deployment of a machine, and what its installer wrote down.
pub fn log(view: &View, found: Option<(Deployment, Vec<LogLine>)>) -> Value {
    let Some((deployment, lines)) = found else {
        return json!({ "deployment": null, "lines": [], "machine": view.label() });
    };
    json!({
        "deployment": run(&deployment),
        "lines": lines.iter().map(line).collect::<Value>(),
        "machine": view.label(),
    })
}

fn line(line: &LogLine) -> Value {
    json!({ "at": clock::iso(line.at), "level": line.level.word(), "text": line.text })
}

/// A deployment of a machine that is known.
fn run(deployment: &Deployment) -> Value {
    json!({
        "completed_at": deployment.completed_at.map(clock::iso),
        "error_message": deployment.error_message,
        "id": deployment.id.0,
        "image": deployment.image,
        "installer": deployment.installer,
        "started_at": clock::iso(deployment.started_at),
        "status": deployment.status,
    })
}

fn stage((stage, at): &(Stage, Timestamp)) -> Value {
    let cause = if let Stage::Failed(cause) = stage { Some(cause) } else { None };
    json!({ "at": clock::iso(*at), "at_millis": at.millis(), "cause": cause, "stage": stage.word() })
}

/// What became of a machine.
pub fn story(view: &View, story: Story) -> Value {
    json!({
        "deployments": story.deployments.iter().map(run).collect::<Value>(),
        "machine": view.label(),
        "stages": story.stages.iter().map(stage).collect::<Value>(),
    })
}

/// What was deployed.
pub fn deployments(board: &Board, history: &History) -> Value {
    let rows: Vec<Value> = history.deployments.iter().map(|each| deployment_row(board, each)).collect();
    json!({ "items": rows, "successful": history.successful, "total": history.total })
}

fn deployment_row(board: &Board, deployment: &Deployment) -> Value {
    let view = board.machines().find(|view| view.machine.id == deployment.machine);
    let machine = view.map(|view| &view.machine);
    json!({
        "completed_at": deployment.completed_at.map(clock::iso),
        "error_message": deployment.error_message,
        "hostname": deployment.hostname.as_ref().map(|hostname| hostname.as_str()),
        "id": deployment.id.0,
        "image": deployment.image,
        "installer": deployment.installer,
        "ip_address": deployment.address.to_string(),
        "mac_address": machine.and_then(|machine| machine.mac).map(|mac| mac.to_string()),
        "product_type": deployment.product.as_ref().map(|product| product.as_str()),
        "serial_number": machine.and_then(|machine| machine.serial.as_ref()).map(|serial| serial.as_str()),
        "started_at": clock::iso(deployment.started_at),
        "status": deployment.status,
        "venue_code": deployment.venue.as_ref().map(|venue| venue.as_str()),
    })
}

/// One deployment: the keys of the list, its stages, and what its installer wrote down.
pub fn deployment(board: &Board, run: &Run) -> Value {
    let mut shown = deployment_row(board, &run.deployment);
    shown["machine"] = json!(run.deployment.machine.0);
    shown["stages"] = run.stages.iter().map(stage).collect();
    shown["lines"] = run.lines.iter().map(line).collect();
    shown
}

/// Who changed what.
pub fn audit(page: &AuditPage) -> Value {
    let row = |(id, entry): &(u64, Entry)| {
        json!({
            "at": clock::iso(entry.at),
            "by": entry.by.as_str(),
            "details": entry.details,
            "id": id,
            "operation": entry.operation,
            "subject": entry.subject,
        })
    };
    json!({ "items": page.entries.iter().map(row).collect::<Vec<_>>(), "total": page.total })
}

/// Every lease, by address.
pub fn leases(board: &Board) -> Value {
    let label = |lease: &Lease| {
        let view = board.machines().find(|view| Some(view.machine.id) == lease.machine)?;
        Some(view.label())
    };
    board
        .leases()
        .map(|lease| {
            json!({
                "address": lease.address.to_string(),
                "client": lease.client.to_string(),
                "expires": clock::iso(lease.expires),
                "machine": label(lease),
                "state": lease.state.word(),
            })
        })
        .collect()
}

/// The machine that an operator names.
///
/// # Errors
/// [`Refusal::NotFound`] if no machine is known by the selector.
pub fn find<'a>(board: &'a Board, selector: &Selector) -> Result<&'a Arc<View>, Refusal> {
    let fits = |view: &View| match selector {
        Selector::Mac(mac) => view.machine.mac == Some(*mac),
        Selector::Address(address) => board.at(*address).is_some_and(|held| held.machine.id == view.machine.id),
        Selector::Serial(serial) => view.machine.serial.as_ref().is_some_and(|known| known.same_board(serial)),
        Selector::Id(id) => view.machine.id == *id,
        Selector::Hostname(hostname) => view.name.as_ref().is_some_and(|name| name.hostname == *hostname),
    };
    let view = board.machines().find(|view| fits(view));
    view.ok_or_else(|| Refusal::NotFound(format!("No machine is known by {selector}")))
}

/// What one machine gets now, and why.
///
/// # Errors
/// As [`find`].
pub fn explain(board: &Board, selector: &Selector) -> Result<Value, Refusal> {
    let view = find(board, selector)?;
    let reasons: Vec<&str> = view.plan.reasons.iter().map(|reason| &*reason.0).collect();
    let profile = view.plan.profile.as_ref();
    let name = profile.map(|profile| &profile.name);
    let boot = match &view.plan.boot {
        Boot::Net(net) => json!({
            "answers": profile.map(|profile| &profile.answers),
            "boot_file": net.boot_file,
            "next_server": net.next_server.to_string(),
            "profile": name,
            "tree": profile.and_then(|profile| profile.tree.as_ref()),
            "what": "network",
        }),
        Boot::Disk(_) => json!({ "profile": name, "what": "disk" }),
        Boot::AddressOnly => json!({
            "answers": profile.filter(|_| view.plan.order.installs()).map(|profile| &profile.answers),
            "profile": name,
            "what": "address only",
        }),
    };
    let facts = board.facts(view).map(|facts| {
        json!({
            "image_sha256": facts.image_sha256,
            "image_size": facts.image_size,
            "image_url": facts.image_url,
            "product": facts.product,
            "venue": facts.venue,
        })
    });
    Ok(json!({ "boot": boot, "facts": facts, "machine": machine(board, view), "reasons": reasons }))
}

/// What was found, the addresses that two stations use with it.
pub fn findings(mut findings: Vec<Finding>, board: &Board) -> Value {
    findings.extend(conflicts(board));
    findings.extend(emptied(board));
    json!(findings)
}

/// The addresses that two stations use.
pub fn conflicts(board: &Board) -> impl Iterator<Item = Finding> {
    board.conflicts().map(|(address, mac)| {
        let what = format!("{mac} uses {address}, which is ours to give");
        let hint = format!("find {mac} and let it ask for its address, or take the address out of the pool");
        Finding::amber(format!("conflict {address}"), what, hint)
    })
}

/// The pools of which as many addresses are out of use as may be: whoever takes them out means harm, or is broken.
pub fn emptied(board: &Board) -> impl Iterator<Item = Finding> {
    let site = board.site();
    let pools = site.links.iter().flat_map(|link| link.pools.iter().map(move |pool| (link, pool)));
    pools.filter_map(|(link, pool)| {
        let within = |lease: &&Lease| pool.first <= lease.address && lease.address <= pool.last;
        let out = board.leases().filter(|lease| lease.state == LeaseState::Declined).filter(within).count();
        let what = format!("{out} of the {} addresses of {}-{} on {}", pool.size(), pool.first, pool.last, link.name);
        (out > 0 && out >= site.disuse.most(pool.size())).then(|| {
            Finding::red(
                format!("emptied {}-{}", pool.first, pool.last),
                format!(
                    "{what} are out of use, because somebody says that they are taken; more of that is not believed"
                ),
                "find who has them or answers for them (the switch knows its port), or take them out of the pool",
            )
        })
    })
}

/// How far the machines are that have their names under a batch: done, failed, and the others.
fn units(board: &Board, id: u64) -> [usize; 3] {
    let mut units = [0; 3];
    let of_batch =
        |view: &&Arc<View>| view.name.as_ref().and_then(|name| name.batch).is_some_and(|batch| batch.0 == id);
    for view in board.machines().filter(of_batch) {
        match view.machine.stage {
            Stage::Done => units[0] += 1,
            Stage::Failed(_) => units[1] += 1,
            _ => units[2] += 1,
        }
    }
    units
}

/// Adds to one batch or several how far their machines are.
pub fn with_units(mut batches: Value, board: &Board) -> Value {
    let add = |batch: &mut Value| {
        if let Some(id) = batch["id"].as_u64() {
            let [done, failed, running] = units(board, id);
            batch["done_count"] = json!(done);
            batch["failed_count"] = json!(failed);
            batch["running_count"] = json!(running);
        }
    };
    match &mut batches {
        Value::Array(all) => all.iter_mut().for_each(add),
        one => add(one),
    }
    batches
}

/// A batch in the shape of the deployment API.
pub fn batch(batch: &Batch) -> Value {
    let time = |timestamp: Option<Timestamp>| timestamp.map(clock::iso);
    json!({
        "completed_at": time(batch.completed_at),
        "created_at": clock::iso(batch.created_at),
        "id": batch.id.0,
        "priority": batch.priority,
        "product_type": batch.product.as_str(),
        "remaining_count": batch.remaining,
        "started_at": time(batch.started_at),
        "status": batch.state.word(),
        "total_count": batch.total,
        "venue_code": batch.venue.as_str(),
    })
}
