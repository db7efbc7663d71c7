use std::process::Command;

use super::*;

/// Texts that mean something to some reader of answer files.
const HOSTILE: [&str; 12] = [
    "",
    "plain",
    "it's \"quoted\" and \\escaped\\",
    "$(reboot) `reboot` ${x} $x ; reboot & | > < * ? ~ ! #",
    "two\nlines\r\n\tand a tab\n",
    "# no comment: {a: [b]} - &anchor *alias !tag %directive @at",
    "]]\n[global]\nroot-password = \"x\"",
    "'\\''",
    "true",
    "\u{1}\u{7f}\u{85}\u{2028}\u{feff}",
    "ünïcødé 漢字 🦀",
    "trailing \\",
];

#[test]
fn a_quoted_string_is_read_back_by_every_format() {
    for text in HOSTILE {
        let quoted = string(text);
        assert!(!quoted.contains('\n'), "{quoted}");
        assert_eq!(serde_json::from_str::<String>(&quoted).expect("JSON"), text);
        let table: toml::Table = format!("key = {quoted}\nnext = 1\n").parse().expect("TOML");
        assert_eq!((table["key"].as_str(), table.len()), (Some(text), 2));
        for yaml in [format!("key: {quoted}\nnext: 1\n"), format!("{{key: {quoted}, next: 1}}")] {
            let documents = yaml_rust2::YamlLoader::load_from_str(&yaml).expect("YAML");
            assert_eq!((documents[0]["key"].as_str(), documents[0]["next"].as_i64()), (Some(text), Some(1)), "{yaml}");
        }
    }
}

#[test]
fn a_shell_gets_the_text_as_one_word() {
    for text in HOSTILE {
        let script = format!("printf '%s|' {} end", sh(text).expect("no NUL"));
        let output = Command::new("/bin/sh").arg("-c").arg(&script).output().expect("a shell");
        assert!(output.status.success(), "{script}");
        assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), format!("{text}|end|"));
    }
    assert!(sh("a\0b").is_err());
}

#[test]
fn a_line_is_taken_whole_or_refused() {
    assert_eq!(line("$6$salt$hash \"x\" 'y' \\ z"), Ok("$6$salt$hash \"x\" 'y' \\ z"));
    for text in ["a\nd-i x/y boolean true", "a\rb", "a\u{85}b", "a\\"] {
        assert!(line(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_word_has_nothing_that_a_boot_loader_understands() {
    assert_eq!(word("a\"b c${x}&&d;|{}\n\\e=f"), "abcxdef");
    assert_eq!(word("VMware-56_4d:0.7"), "VMware-56_4d:0.7");
}
