//! Where a machine is on its way from blank to finished.

use std::fmt;

/// A machine's stage, in the words the operator sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Known, and not yet heard of in this run.
    Waiting,
    /// It has its address and will fetch boot files.
    Address,
    /// It fetches boot files.
    Loader,
    /// The installer runs.
    Installer,
    /// The image is on its way to the disk.
    Writing,
    /// The installer compares what it wrote.
    Verifying,
    /// The installer prepares the first boot.
    FirstBoot,
    /// Finished; it boots its own disk.
    Done,
    /// It stopped; the sentence says why.
    Failed(String),
}

impl Stage {
    /// The stages without their sentence, in order; `Failed` last.
    pub const WORDS: [&'static str; 9] =
        ["waiting", "address", "loader", "installer", "writing", "verifying", "first-boot", "done", "failed"];

    /// The word of this stage, as in journals and JSON.
    pub fn word(&self) -> &'static str {
        let index = match self {
            Stage::Waiting => 0,
            Stage::Address => 1,
            Stage::Loader => 2,
            Stage::Installer => 3,
            Stage::Writing => 4,
            Stage::Verifying => 5,
            Stage::FirstBoot => 6,
            Stage::Done => 7,
            Stage::Failed(_) => 8,
        };
        Stage::WORDS[index]
    }

    /// The stage of a word; `cause` is what `failed` says.
    pub fn from_word(word: &str, cause: &str) -> Option<Stage> {
        Some(match word {
            "waiting" => Stage::Waiting,
            "address" => Stage::Address,
            "loader" => Stage::Loader,
            "installer" => Stage::Installer,
            "writing" => Stage::Writing,
            "verifying" => Stage::Verifying,
            "first-boot" => Stage::FirstBoot,
            "done" => Stage::Done,
            "failed" => Stage::Failed(cause.to_owned()),
            _ => return None,
        })
    }

    /// Whether work is under way that its machine does from an address which it has.
    pub fn is_past_address(&self) -> bool {
        self.is_running() && *self != Stage::Address
    }

    /// Whether work is under way, so that silence means something is wrong.
    pub fn is_running(&self) -> bool {
        !matches!(self, Stage::Waiting | Stage::Done | Stage::Failed(_))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Stage::Failed(cause) => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}
