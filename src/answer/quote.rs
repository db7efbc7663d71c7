//! How a text is written so that the reader of an answer file gets it back unchanged, whatever it holds.
//!
//! What a format cannot carry is refused with a sentence, never dropped in silence.

/// A string in double quotes: TOML 1.0 basic, YAML 1.2 double-quoted and JSON (RFC 8259 §7) at once. The escapes used
/// are those that all three know.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Control characters, and what YAML takes for a line break or a byte order mark.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// One word of a POSIX shell (XCU §2.2.2): nothing inside single quotes means anything but themselves.
///
/// # Errors
/// A NUL, which no shell can hold.
pub fn sh(text: &str) -> Result<String, &'static str> {
    if text.contains('\0') {
        return Err("a NUL cannot be written in a shell script");
    }
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}

/// The rest of a line, as in a preseed file: taken as it is.
///
/// # Errors
/// A control character, or a backslash at the end, which would join the next line.
pub fn line(text: &str) -> Result<&str, &'static str> {
    if text.contains(char::is_control) {
        return Err("a line break or control character cannot stand on one line");
    }
    if text.ends_with('\\') {
        return Err("a backslash at the end would join the next line");
    }
    Ok(text)
}

/// What is left of a text as a word of a kernel command line, an iPXE, GRUB or pxelinux script: letters, digits and
/// `. _ : -`. For serials, which may hold blanks and quotes and need only be recognised again.
pub fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-')).collect()
}

#[cfg(test)]
mod tests;
