//! How a machine moves from stage to stage: milestones in, the next stage out.

use crate::machine::Order;
use crate::machine::firmware::Firmware;
use crate::machine::stage::Stage;

/// A fact that may move a machine on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// An address was bound to a client of this kind.
    Bound(Firmware),
    /// A boot file or answer began to go out.
    BootFile,
    /// An image began to go out.
    Image,
    /// The installer asked who it is.
    ConfigAsked,
    /// The installer reported this word, with this failure message if it failed.
    Reported(String, Option<String>),
    /// Nothing was heard for so many seconds.
    Silent(u64),
    /// An operator asked for a new installation.
    Reinstall,
}

/// The stage after `milestone`, or `None` if the machine stays where it is.
pub fn next(stage: &Stage, order: Order, milestone: &Milestone) -> Option<Stage> {
    let installing = order.installs();
    let next = match milestone {
        // A netboot begins a run anew, wherever the last one stopped. The installer's own kernel also asks for an
        // address, as a plain client: that is progress, not a new start.
        Milestone::Bound(firmware) if firmware.netboots() && installing => Stage::Address,
        Milestone::BootFile if installing && matches!(stage, Stage::Waiting | Stage::Address) => Stage::Loader,
        Milestone::Image if installing && before_writing(stage) => Stage::Writing,
        Milestone::ConfigAsked
            if !matches!(stage, Stage::Writing | Stage::Verifying | Stage::FirstBoot | Stage::Done) =>
        {
            Stage::Installer
        }
        Milestone::Reported(word, message) => match word.as_str() {
            "starting" => Stage::Installer,
            "downloading" => Stage::Writing,
            "verifying" => Stage::Verifying,
            "customizing" => Stage::FirstBoot,
            // Of a run that has just begun it is a late word of the run before, whose disk may be half written since.
            "success" if matches!(stage, Stage::Waiting | Stage::Address) => return None,
            "success" => Stage::Done,
            "failed" => Stage::Failed(match message.as_deref().map(str::trim) {
                None | Some("") => "the installer reported a failure without a message".to_owned(),
                Some(message) => message.to_owned(),
            }),
            _ => return None,
        },
        Milestone::Silent(secs) if stage.is_running() => {
            Stage::Failed(format!("no sign of life for {secs} s in stage {}", stage.word()))
        }
        Milestone::Reinstall => Stage::Waiting,
        _ => return None,
    };
    (next != *stage).then_some(next)
}

fn before_writing(stage: &Stage) -> bool {
    matches!(stage, Stage::Waiting | Stage::Address | Stage::Loader | Stage::Installer)
}

#[cfg(test)]
mod tests;
