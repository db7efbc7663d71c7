//! How a profile's machines are installed: which disk is written, and what happens then.

/// What an installer is told beyond the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Install {
    /// Which disks may be written; empty for any.
    pub targets: Vec<Target>,
    /// Which of them is.
    pub choose: Choose,
    /// Whether the last partition does not grow to the end of the disk.
    pub keep_size: bool,
    /// What the machine does once it is finished.
    pub after: After,
}

/// One kind of disk, or one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// Reads `nvme`, `mmc`, `usb`, `ata`, `scsi`, `virtio`, `/dev/…`, `serial:…` or `model:…`, where the last may hold
    /// `*` for anything.
    pub fn parse(text: &str) -> Option<Target> {
        let printable = text.len() <= 128 && !text.contains(char::is_control);
        let kind = ["nvme", "mmc", "usb", "ata", "scsi", "virtio"].contains(&text);
        let named = ["/dev/", "serial:", "model:"].iter().any(|each| text.len() > each.len() && text.starts_with(each));
        (printable && (kind || named)).then(|| Target(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which disk, if several may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choose {
    /// There must be one only.
    #[default]
    Only,
    /// The largest.
    Largest,
    /// The smallest that the image fits on.
    Smallest,
    /// The one of the first target that fits, else the first found.
    First,
}

impl Choose {
    /// All of them.
    pub const ALL: [Choose; 4] = [Choose::Only, Choose::Largest, Choose::Smallest, Choose::First];

    /// The word in the configuration and in the deployment API.
    pub fn word(self) -> &'static str {
        match self {
            Choose::Only => "only",
            Choose::Largest => "largest",
            Choose::Smallest => "smallest",
            Choose::First => "first",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Choose> {
        Choose::ALL.into_iter().find(|each| each.word() == word)
    }
}

/// What a machine does once it is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// Start again, from its disk.
    #[default]
    Reboot,
    /// Switch itself off.
    Poweroff,
    /// Wait for somebody to look at it.
    Wait,
}

impl After {
    /// All of them.
    pub const ALL: [After; 3] = [After::Reboot, After::Poweroff, After::Wait];

    /// The word in the configuration and in the deployment API.
    pub fn word(self) -> &'static str {
        match self {
            After::Reboot => "reboot",
            After::Poweroff => "poweroff",
            After::Wait => "wait",
        }
    }

    /// What that word says.
    pub fn from_word(word: &str) -> Option<After> {
        After::ALL.into_iter().find(|each| each.word() == word)
    }
}
