//! Which line of a template wrote a line of its rendering, for messages about rendered files.
//!
//! A copy of the template with a mark before each line is rendered beside it. The two renderings differ in marks and
//! blanks only, so counting the other characters finds the place.

const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// The template with marks before its lines. A line that begins inside a tag has none: it belongs to the tag's first.
pub fn mark(template: &str) -> String {
    let mut marked = String::with_capacity(template.len() * 2);
    let mut end_of_tag: Option<&str> = None;
    for (index, line) in template.split_inclusive('\n').enumerate() {
        if end_of_tag.is_none() {
            marked.push_str(&format!("{OPEN}{}{CLOSE}", index + 1));
        }
        marked.push_str(line);
        let mut rest = line;
        loop {
            let Some(end) = end_of_tag else {
                let tags = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
                let next = tags.iter().filter_map(|(open, close)| Some((rest.find(open)?, *close))).min();
                let Some((at, close)) = next else { break };
                (rest, end_of_tag) = (&rest[at + 2..], Some(close));
                continue;
            };
            let Some(at) = rest.find(end) else { break };
            (rest, end_of_tag) = (&rest[at + 2..], None);
        }
    }
    marked
}

/// The template's line behind line `line` of `rendered`, both from 1, given the rendering of the marked template.
pub fn line(marked: &str, rendered: &str, line: usize) -> usize {
    let counts = |c: &char| !c.is_whitespace() && *c != OPEN && *c != CLOSE;
    let before: usize =
        rendered.split('\n').take(line.saturating_sub(1)).map(|line| line.chars().filter(counts).count()).sum();
    let (mut seen, mut origin) = (0, 1);
    let mut rest = marked.chars();
    while let Some(c) = rest.next() {
        if c == OPEN {
            let number: String = rest.by_ref().take_while(|c| *c != CLOSE).collect();
            origin = number.parse().unwrap_or(origin);
        } else if counts(&c) {
            seen += 1;
            if seen > before {
                break;
            }
        }
    }
    origin
}

#[cfg(test)]
mod tests;
