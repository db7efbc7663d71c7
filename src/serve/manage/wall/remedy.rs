//! What to do about a machine that does not go on: one sentence, and the page where it is done.

use std::time::Duration;

use crate::boot::{self, Boot, View};
use crate::catalog::ImageState;
use crate::fleet::board::Board;
use crate::machine::Order;
use crate::machine::stage::Stage;
use crate::refusal::Refusal;

/// A machine that works and says nothing for so long is worth a look.
const SILENT: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What is so; empty where the tile says it already.
    pub sentence: String,
    /// What to do, as the words of a link.
    pub act: String,
    /// Where.
    pub place: String,
}

/// What to do about `view`, who gave its last sign of life so long ago; `None` where all goes as it should.
pub fn remedy(view: &View, board: &Board, silent: Duration) -> Option<Remedy> {
    let machine = &view.machine;
    let place = format!("/machines/{}", machine.id.0);
    let failed = match &machine.stage {
        Stage::Failed(cause) => Some(cause.as_str()),
        _ => None,
    };
    if machine.order == Order::Hold {
        let act = "Let it go on".to_owned();
        return Some(Remedy { sentence: String::new(), act, place: format!("{place}/reinstall") });
    }
    let concerned = failed.is_some() || machine.stage.is_running();
    let product = boot::product(view.name.as_ref(), &view.plan).filter(|_| concerned);
    match product.map(|product| (product, board.catalog().image(product))) {
        Some((product, ImageState::Missing)) if !writes(&machine.stage) => {
            let sentence = format!("No image is active for {product}");
            return Some(Remedy { sentence, act: "Activate one".to_owned(), place: "/images".to_owned() });
        }
        Some((product, ImageState::Measuring)) if failed.is_none() && !writes(&machine.stage) => {
            let sentence = format!("The image for {product} is still being checked");
            return Some(Remedy { sentence, act: "See how far".to_owned(), place: "/images".to_owned() });
        }
        _ => {}
    }
    if let Some(cause) = failed {
        // A machine without a name says itself which product it wanted to become.
        let mut missing = board.catalog().images().filter(|(_, state)| **state == ImageState::Missing);
        if missing.any(|(product, _)| cause.contains(&Refusal::NoImage(product.clone()).to_string())) {
            return Some(Remedy {
                sentence: String::new(),
                act: "Activate one".to_owned(),
                place: "/images".to_owned(),
            });
        }
        let act = if cause.starts_with("no sign of life") || cause.starts_with("interrupted") {
            "Look at its screen, switch it off and on"
        } else {
            "See what happened"
        };
        return Some(Remedy { sentence: String::new(), act: act.to_owned(), place });
    }
    if !machine.stage.is_running() {
        return None;
    }
    if machine.stage == Stage::Address && matches!(view.plan.boot, Boot::AddressOnly) {
        let sentence = view.plan.reasons.last().map(ToString::to_string).unwrap_or_default();
        return Some(Remedy { sentence, act: "See why".to_owned(), place });
    }
    let (sentence, act) = ("Silent".to_owned(), "See what it did last".to_owned());
    (silent >= SILENT).then_some(Remedy { sentence, act, place })
}

/// It has its image already.
fn writes(stage: &Stage) -> bool {
    matches!(stage, Stage::Writing | Stage::Verifying | Stage::FirstBoot | Stage::Done)
}

#[cfg(test)]
mod tests;
