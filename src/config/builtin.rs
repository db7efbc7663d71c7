//! The answer templates of the repository, compiled in, so that a fresh binary boots machines.

/// Name and text of every built-in template.
pub const TEMPLATES: [(&str, &str); 4] = [
    ("ipxe/boot.ipxe", include_str!("../../answer-templates/ipxe/boot.ipxe")),
    ("pi/cmdline.txt", include_str!("../../answer-templates/pi/cmdline.txt")),
    ("pi/config.txt", include_str!("../../answer-templates/pi/config.txt")),
    ("pi/firstrun.sh", include_str!("../../answer-templates/pi/firstrun.sh")),
];

/// The text of the built-in template of that name.
pub fn template(name: &str) -> Option<&'static str> {
    TEMPLATES.iter().find(|(each, _)| *each == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests;
