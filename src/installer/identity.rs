//! Who this machine is: serial number, model, memory, temperature, as firmware and kernel show them.
//!
//! Reads files below a root directory only, so that a test can bring its own machine. Decides nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::ids::Serial;

/// What the hardware says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The serial number; placeholders that vendors forgot to replace are none.
    pub serial: Option<String>,
    /// Maker and model in the vendor's words; empty if unknown.
    pub model: String,
    /// Memory that the kernel has, in bytes.
    pub ram_bytes: u64,
}

/// Where serial numbers stand, the best first: device tree (Raspberry Pi: 16 hex digits), then the system's, its
/// board's and its chassis' in DMI.
const SERIALS: [&str; 4] = [
    "proc/device-tree/serial-number",
    "sys/class/dmi/id/product_serial",
    "sys/class/dmi/id/board_serial",
    "sys/class/dmi/id/chassis_serial",
];

/// Words in place of a serial number beyond those that [`Serial`] knows.
const PLACEHOLDERS: [&str; 6] =
    ["o.e.m.", "oem", "chassis serial number", "base board serial number", "not applicable", "invalid"];

impl Identity {
    /// Reads it from the files below `root`, `/` on a machine.
    pub fn read(root: &Path) -> Identity {
        let text = |name: &str| read_text(root.join(name));
        let serial = SERIALS.iter().filter_map(|name| usable_serial(&text(name)?)).next();
        let model = text("proc/device-tree/model").or_else(|| {
            let vendor = text("sys/class/dmi/id/sys_vendor").unwrap_or_default();
            let product = text("sys/class/dmi/id/product_name").unwrap_or_default();
            Some(format!("{vendor} {product}").trim().to_owned())
        });
        let memory = text("proc/meminfo").unwrap_or_default();
        let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        let ram_bytes = kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) * 1024;
        Identity { serial, model: model.unwrap_or_default(), ram_bytes }
    }
}

/// A serial number that tells this machine from others.
fn usable_serial(text: &str) -> Option<String> {
    let serial = Serial::parse(text)?;
    let placeholder = PLACEHOLDERS.contains(&serial.as_str())
        || serial.as_str().bytes().all(|byte| matches!(byte, b'.' | b'-' | b'x' | b'*'))
        || serial.as_str() == "123456789";
    (!placeholder).then(|| serial.as_str().to_owned())
}

/// The highest temperature that any sensor of the kernel shows, in degrees Celsius; nothing without a sensor.
pub fn temperature(root: &Path) -> Option<f32> {
    let zones = numbered(root.join("sys/class/thermal"), "thermal_zone").map(|zone| zone.join("temp"));
    let monitors = numbered(root.join("sys/class/hwmon"), "hwmon");
    let inputs = monitors.flat_map(|monitor| {
        let files = fs::read_dir(monitor).into_iter().flatten().flatten().map(|entry| entry.path());
        files.filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("temp") && name.ends_with("_input")
        })
    });
    // Sensors that are not connected show nonsense at either end.
    let degrees = zones.chain(inputs).filter_map(|path| Some(read_text(path)?.parse::<f32>().ok()? / 1000.0));
    degrees.filter(|degrees| (-30.0..=125.0).contains(degrees)).reduce(f32::max)
}

/// The entries of a directory that are called `prefix` and a number.
fn numbered(directory: PathBuf, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path())
}

/// The text of a file of sysfs or the device tree, without blanks and NULs around it; nothing if it has none.
pub(super) fn read_text(path: impl AsRef<Path>) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
