//! Which drive is written: one that may be, that the image fits on, and that no other one contends with.
//!
//! Decides from what the kernel shows of the drives and the profile's rule alone; opens nothing. Never guesses: where
//! the rule leaves a choice, it refuses.

use super::job::{Choose, Drive, Failure, TargetRule, Transport, Unfit};

#[cfg(test)]
mod tests;

/// The drive of `drives` that is to be written with an image of `needed` bytes.
///
/// # Errors
///
/// [`Failure::NoDrive`], [`Failure::NoTarget`], [`Failure::SeveralTargets`], [`Failure::TooSmall`].
pub fn choose<'a>(drives: &'a [Drive], rule: &TargetRule, needed: u64) -> Result<&'a Drive, Failure> {
    if drives.is_empty() {
        return Err(Failure::NoDrive);
    }
    let mut refused = Vec::new();
    let mut candidates = Vec::new();
    for drive in drives {
        match unfit(drive, rule) {
            Some(why) => refused.push((drive.clone(), why)),
            None => candidates.push(drive),
        }
    }
    let place = |drive: &Drive| rule.allowed.iter().position(|pattern| names(pattern, drive));
    candidates.sort_by(|a, b| (place(a), &a.path).cmp(&(place(b), &b.path)));
    let Some(largest) =
        candidates.iter().copied().reduce(|best, drive| if drive.size > best.size { drive } else { best })
    else {
        return Err(Failure::NoTarget { refused });
    };
    if rule.choose == Choose::Only && candidates.len() > 1 {
        return Err(Failure::SeveralTargets { candidates: candidates.into_iter().cloned().collect() });
    }
    let mut fitting = candidates.into_iter().filter(|drive| drive.size >= needed);
    let chosen = match rule.choose {
        Choose::Only | Choose::Largest => Some(largest).filter(|drive| drive.size >= needed),
        Choose::Smallest => fitting.min_by_key(|drive| drive.size),
        Choose::First => fitting.next(),
    };
    chosen.ok_or_else(|| Failure::TooSmall { drive: largest.clone(), needed })
}

/// Why `drive` may not be written, if it may not.
fn unfit(drive: &Drive, rule: &TargetRule) -> Option<Unfit> {
    let listed = rule.allowed.iter().any(|pattern| names(pattern, drive));
    // The card of a Raspberry Pi is its built-in drive, whatever the slot says about taking it out.
    let unplugs = drive.transport == Transport::Usb || (drive.removable && drive.transport != Transport::Mmc);
    if drive.boot_medium {
        Some(Unfit::BootMedium)
    } else if drive.size == 0 {
        Some(Unfit::Empty)
    } else if drive.read_only {
        Some(Unfit::ReadOnly)
    } else if !listed && !rule.allowed.is_empty() {
        Some(Unfit::NotAllowed)
    } else if !listed && unplugs {
        Some(Unfit::Removable)
    } else {
        None
    }
}

/// Whether an entry of the list of allowed targets means `drive`.
fn names(pattern: &str, drive: &Drive) -> bool {
    if let Some(serial) = pattern.strip_prefix("serial:") {
        matches(serial, &drive.serial)
    } else if let Some(model) = pattern.strip_prefix("model:") {
        matches(model, &drive.model)
    } else if pattern.starts_with('/') {
        matches(pattern, &drive.path)
    } else {
        pattern == drive.transport.word()
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text. An empty pattern matches nothing: drives without a
/// serial number must not all answer to it.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return !pattern.is_empty() && pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}
