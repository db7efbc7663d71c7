//! Option 81, the client's full name (RFC 4702): we tell it the name it has here and update no DNS.

const SERVER_UPDATES: u8 = 0x01;
const OVERRIDE: u8 = 0x02;
const ENCODED: u8 = 0x04;
const NO_UPDATES: u8 = 0x08;

/// The answer to option 81 of a request: `name` (without final dot) if it has one here, else its own. `None` for an
/// option that is no option 81, and for a name that nobody may have.
pub fn answer(asked: &[u8], name: Option<&str>) -> Option<Vec<u8>> {
    let [flags, _, _, own @ ..] = asked else { return None };
    let encoded = flags & ENCODED != 0;
    let first_label: &[u8] = match own {
        [len, labels @ ..] if encoded => labels.get(..usize::from(*len))?,
        [] => &[],
        text => text.split(|byte| *byte == b'.').next().unwrap_or_default(),
    };
    if name.is_none() && first_label.eq_ignore_ascii_case(b"wpad") {
        return None;
    }
    // We update nothing (N), and say so if the client counted on us (S, O).
    let overrides = if flags & SERVER_UPDATES != 0 { OVERRIDE } else { 0 };
    // RFC 4702 §2.2: the RCODE fields are 255 in a server's option.
    let mut value = vec![flags & ENCODED | NO_UPDATES | overrides, 255, 255];
    match name {
        None => value.extend_from_slice(own),
        // The deprecated encoding, for clients that use it themselves. The final dot says that the name is complete.
        Some(name) if !encoded => value.extend(format!("{name}.").bytes()),
        Some(name) => {
            for label in name.split('.') {
                value.push(u8::try_from(label.len()).ok()?);
                value.extend(label.bytes());
            }
            value.push(0);
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests;
