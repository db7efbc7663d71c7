//! Any text as the configuration: every problem has a place and a sentence, and what is accepted can be shown.

use hatchery::config::Config;

/// Whether the configuration was accepted.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Config::parse(text, "/etc/hatchery/hatchery.toml") {
        Ok(config) => {
            assert!(config.summary().lines().count() >= 4);
            assert!(!config.site.links.is_empty() && !config.http.ports.is_empty());
            true
        }
        Err(problems) => {
            assert!(problems.to_string().starts_with("/etc/hatchery/hatchery.toml"), "{problems}");
            false
        }
    }
}
