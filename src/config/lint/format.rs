//! What a rendered file has to look like, told by the name under which machines ask for it.
//!
//! Messages name places and kinds, never the text itself: rendered answers hold secrets.

use yaml_rust2::YamlLoader;

/// What is wrong with a rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Where, from 1.
    pub line: Option<usize>,
    /// What.
    pub what: String,
}

/// The first thing that the reader of the file would stumble over; `None` for names that promise no format.
pub fn defect(file: &str, text: &str) -> Option<Defect> {
    let name = file.rsplit('/').next().unwrap_or(file);
    match name {
        "cmdline.txt" => one_line(text),
        "user-data" => user_data(text),
        "meta-data" | "vendor-data" | "network-config" => yaml(text),
        _ => match name.rsplit('.').next().unwrap_or_default() {
            "toml" => toml(text),
            "json" => json(text),
            "yaml" | "yml" => yaml(text),
            "ipxe" => first_line(text, "#!ipxe"),
            _ => None,
        },
    }
}

fn at(line: usize, what: impl Into<String>) -> Option<Defect> {
    Some(Defect { line: Some(line), what: what.into() })
}

/// The firmware of a Raspberry Pi reads the first line and nothing else.
fn one_line(text: &str) -> Option<Defect> {
    match text.lines().count() {
        0 => Some(Defect { line: None, what: "the kernel command line is empty".to_owned() }),
        1 => None,
        _ => at(2, "the kernel command line has more than one line"),
    }
}

fn first_line(text: &str, magic: &str) -> Option<Defect> {
    if text.lines().next() == Some(magic) { None } else { at(1, format!("the first line is not {magic}")) }
}

/// cloud-init takes more than YAML; it tells by the first line.
fn user_data(text: &str) -> Option<Defect> {
    let first = text.lines().next().unwrap_or_default();
    let other = ["#!", "#include", "## template:", "#cloud-boothook", "Content-Type:", "MIME-Version:"];
    if other.iter().any(|start| first.starts_with(start)) {
        return None;
    }
    first_line(text, "#cloud-config").or_else(|| yaml(text))
}

fn toml(text: &str) -> Option<Defect> {
    let error = text.parse::<toml::Table>().err()?;
    let line = error.span().map(|span| text.as_bytes()[..span.start].iter().filter(|byte| **byte == b'\n').count() + 1);
    Some(Defect { line, what: format!("not valid TOML: {}", error.message()) })
}

fn json(text: &str) -> Option<Defect> {
    let error = serde_json::from_str::<serde_json::Value>(text).err()?;
    at(error.line(), "not valid JSON")
}

fn yaml(text: &str) -> Option<Defect> {
    let error = YamlLoader::load_from_str(text).err()?;
    // This one message repeats the key.
    let what =
        if error.info().ends_with("duplicated key in mapping") { "a key stands there twice" } else { error.info() };
    at(error.marker().line(), format!("not valid YAML: {what}"))
}

#[cfg(test)]
mod tests;
