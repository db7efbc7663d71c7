//! What an installer says of the machine it runs on.

/// The most drives that are remembered of one machine.
pub const DRIVES_MAX: usize = 32;

/// A machine's hardware, and the installer that looked at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The version of the installer.
    pub installer: String,
    /// Its processor architecture, such as `aarch64`.
    pub arch: String,
    /// What it calls itself, such as `Raspberry Pi 5 Model B Rev 1.0`.
    pub model: String,
    /// Its memory in bytes.
    pub ram_bytes: u64,
    /// Its drives, at most [`DRIVES_MAX`].
    pub drives: Vec<Drive>,
}

/// A drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drive {
    /// Its device file.
    pub path: String,
    /// Maker and model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Size in bytes.
    pub size: u64,
    /// How it is connected: nvme, mmc, usb, ata, scsi or virtio.
    pub transport: String,
    /// Whether it can be pulled out, as a stick or card.
    pub removable: bool,
}
