//! What a machine asked for and was given, as JSON: its steps since the process runs, and before them the stages that the
//! journal remembers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::boot::View;
use crate::clock;
use crate::fleet::trail::{Step, Trail, What};
use crate::machine::stage::Stage;
use crate::store::Story;
use crate::time::Timestamp;
use crate::transfer::Outcome;

/// What the journal has so shortly before the first step is that step.
const SEEN_AFTER: Duration = Duration::from_secs(2);

/// The trail of a machine, the first step first.
pub fn trail(view: &View, kept: Option<&Trail>, story: &Story) -> Value {
    let first = kept.and_then(|trail| trail.steps().next()).map(|step| step.at);
    // A step is seen when it is in the journal, a moment after the time that stands there.
    let before = story.stages.iter().filter(|(_, at)| first.is_none_or(|first| first.since(*at) > SEEN_AFTER));
    let remembered = before.map(|(stage, at)| Step { at: *at, until: *at, times: 1, what: What::Stage(stage.clone()) });
    let steps = remembered.chain(kept.into_iter().flat_map(Trail::steps).cloned());
    let mut last: Option<Timestamp> = None;
    let steps: Vec<Value> = steps
        .map(|step| {
            let after = last.map(|last| u64::try_from(step.at.since(last).as_millis()).unwrap_or(u64::MAX));
            last = Some(step.at);
            show(&step, after)
        })
        .collect();
    json!({
        "forgotten": kept.map_or(0, Trail::forgotten),
        "heard_at": kept.and_then(Trail::heard).map(clock::iso),
        "machine": view.label(),
        "steps": steps,
    })
}

fn show(step: &Step, after: Option<u64>) -> Value {
    let (kind, what, detail) = words(&step.what);
    let lasted = u64::try_from(step.until.since(step.at).as_millis()).unwrap_or(u64::MAX);
    let mut value = json!({
        "after_ms": after,
        "at": clock::iso(step.at),
        "at_millis": step.at.millis(),
        "detail": detail,
        "kind": kind,
        "lasted_ms": lasted,
        "times": step.times,
        "what": what,
    });
    if let What::File { sent, size, .. } = &step.what {
        value["sent"] = json!(sent);
        value["size"] = json!(size);
    }
    value
}

/// What kind of step it is, what happened, and more about it.
fn words(what: &What) -> (&'static str, String, String) {
    match what {
        What::Dhcp { asked, answered, address, firmware } => {
            let detail = match (address.is_unspecified(), firmware.is_empty()) {
                (true, true) => String::new(),
                (true, false) => format!("asks as {firmware}"),
                (false, true) => address.to_string(),
                (false, false) => format!("{address}, asks as {firmware}"),
            };
            ("dhcp", format!("{asked} answered with {answered}"), detail)
        }
        What::Refused(sentence) => ("refused", sentence.clone(), String::new()),
        What::File { name, via, outcome, .. } => {
            let how = match outcome {
                None => "under way".to_owned(),
                Some(Outcome::Complete) => "complete".to_owned(),
                Some(Outcome::Abandoned(why)) => format!("ended by the machine: {why}"),
                Some(Outcome::Broken(why)) => format!("broken: {why}"),
            };
            ("file", name.to_string(), format!("{via}, {how}"))
        }
        What::Stage(stage) => {
            let cause = if let Stage::Failed(cause) = stage { cause.clone() } else { String::new() };
            ("stage", stage.word().to_owned(), cause)
        }
        What::Named(hostname) => ("name", format!("named {hostname}"), String::new()),
        What::Reported { word, detail } if word == "config" => ("report", "asks who it is".to_owned(), detail.clone()),
        What::Reported { word, detail } => ("report", format!("reports {word}"), detail.clone()),
        What::Progress(progress) => {
            let percent = (u128::from(progress.bytes) * 100).checked_div(u128::from(progress.total));
            let percent = percent.map_or_else(String::new, |percent| format!(", {} %", percent.min(100)));
            let rate = format!("{} MB/s", progress.rate / 1_000_000);
            ("progress", format!("{}{percent}", progress.stage), rate)
        }
        What::Conflict { address, mac } => ("refused", format!("{mac} uses {address}, too"), String::new()),
    }
}

#[cfg(test)]
mod tests;
