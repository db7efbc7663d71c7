//! The little JSON that a shell client can read and write: values behind `"key":`, in compact text.

/// The value of `"key":`: a text without its quotes, a number, or nothing for `null`.
pub(super) fn field(body: &str, key: &str) -> Option<String> {
    let (_, behind) = body.split_once(&format!("\"{key}\":"))?;
    let behind = behind.trim_start();
    if let Some(text) = behind.strip_prefix('"') {
        return text.split_once('"').map(|(text, _)| text.to_owned());
    }
    let number: String = behind.chars().take_while(char::is_ascii_digit).collect();
    (!number.is_empty()).then_some(number)
}

/// A text in quotes. What is put in here are sentences and serials; what would need an escape is left out.
pub(super) fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
    format!("\"{plain}\"")
}

/// A text in quotes, or `null`.
pub(super) fn optional(text: Option<&str>) -> String {
    text.map_or("null".to_owned(), quoted)
}
