//! A machine's hardware as JSON: in the journal, in the deployment API, and on the command line.
//!
//! Owns the spelling of every key, and how much of what an installer claims is kept.

use serde_json::{Value, json};

use crate::machine::hardware::{DRIVES_MAX, Drive, Hardware};

/// The longest text that is kept, in characters.
const TEXT_MAX: usize = 128;

/// The hardware as an object. The version of the installer is `version`.
pub fn to_json(hardware: &Hardware) -> Value {
    let drive = |drive: &Drive| {
        json!({
            "model": drive.model,
            "path": drive.path,
            "removable": drive.removable,
            "serial": drive.serial,
            "size": drive.size,
            "transport": drive.transport,
        })
    };
    json!({
        "arch": hardware.arch,
        "drives": hardware.drives.iter().map(drive).collect::<Value>(),
        "model": hardware.model,
        "ram_bytes": hardware.ram_bytes,
        "version": hardware.installer,
    })
}

/// What such an object says; keys that are missing or `null` are empty, texts are cut, keys that we do not know are left
/// alone.
///
/// # Errors
/// A sentence about the first key whose value is of another type.
pub fn from_json(value: &Value) -> Result<Hardware, String> {
    let drives = match &value["drives"] {
        Value::Null => &[][..],
        Value::Array(drives) => drives,
        other => return Err(format!("drives must be a list, got {other}")),
    };
    let drive = |value: &Value| -> Result<Drive, String> {
        Ok(Drive {
            path: text(value, "path")?,
            model: text(value, "model")?,
            serial: text(value, "serial")?,
            size: number(value, "size")?,
            transport: text(value, "transport")?,
            removable: match &value["removable"] {
                Value::Null => false,
                Value::Bool(removable) => *removable,
                other => return Err(format!("removable must be true or false, got {other}")),
            },
        })
    };
    Ok(Hardware {
        installer: text(value, "version")?,
        arch: text(value, "arch")?,
        model: text(value, "model")?,
        ram_bytes: number(value, "ram_bytes")?,
        drives: drives.iter().take(DRIVES_MAX).map(drive).collect::<Result<_, _>>()?,
    })
}

fn text(value: &Value, key: &str) -> Result<String, String> {
    match &value[key] {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()),
        other => Err(format!("{key} must be a string, got {other}")),
    }
}

fn number(value: &Value, key: &str) -> Result<u64, String> {
    match &value[key] {
        Value::Null => Ok(0),
        other => other.as_u64().ok_or_else(|| format!("{key} must be a number of bytes, got {other}")),
    }
}
