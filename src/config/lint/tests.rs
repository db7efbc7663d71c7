use std::path::Path;

use super::*;
use crate::config::builtin;

/// A configuration with these templates, and these tables after its paths.
fn config(scratch: &Path, templates: &[(&str, &str)], more: &str) -> Config {
    for directory in ["boot", "images", "templates"] {
        std::fs::create_dir_all(scratch.join(directory)).expect("a directory");
    }
    for (name, text) in templates {
        std::fs::write(scratch.join("templates").join(name), text).expect("a template");
    }
    let text = format!("[[network]]\ninterface = \"eth1\"\n[paths]\ndata = \".\"\n{more}");
    let file = scratch.join("f.toml").display().to_string();
    Config::parse(&text, &file).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_mistake_is_named_with_its_file_and_line() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let templates = [
        ("a", "x\n{{ vars.nothing }}\n"),
        ("b", "{% if firmware == 'bios' %}\nkey = 'v'\n{% endif %}\nkey = {{ vars.secret | quote_toml }}\nkey = 2\n"),
        ("c", "{% if %}"),
        ("d", "{{ mac }} {{ vars.secret }}"),
    ];
    let more = "[[profile]]\nname = \"p\"\nfirmware = [\"bios\", \"ipxe\"]\nboot_file = \"x\"\nvars.secret = \"hush\\nhush\"\n\
        answers = { \"a.txt\" = \"a\", \"b.toml\" = \"b\", c = \"c\", \"cmdline.txt\" = \"d\", \"answer.toml\" = \"proxmox/answer.toml\" }\n";
    let config = config(scratch.path(), &templates, more);
    let here = format!("{}/./templates/", scratch.path().display());
    let found: Vec<String> = config.check_answers().iter().map(|line| line.replace(&here, "")).collect();
    let begins = [
        "c:1: syntax error",
        "a:2: undefined value",
        "built-in proxmox/answer.toml:21: undefined value: `vars.root_password_hash` is undefined",
        "b:4: not valid TOML: duplicate key",
        "b:5: not valid TOML: duplicate key",
        "d:1: the kernel command line has more than one line (cmdline.txt of profile p for bios)",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(found.starts_with(begin), "{found} does not begin with {begin}");
        assert!(!found.contains("hush"), "{found}");
    }
}

#[test]
fn every_built_in_template_passes_in_its_place() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut more = "[vars]\nroot_password_hash = \"$6$a\"\npassword_hash = \"$6$a\"\n\
        [[profile]]\nname = \"p\"\nfirmware = [\"raspberry-pi-5\"]\n[profile.answers]\n"
        .to_owned();
    for (name, _) in builtin::TEMPLATES {
        more += &format!("\"{name}\" = \"{name}\"\n");
    }
    let config = config(scratch.path(), &[], &more);
    assert_eq!(config.check_answers(), Vec::<String>::new());
    assert_eq!(config.check_files(), []);
}

#[test]
fn the_fixture_machine_gets_a_file_by_its_name_or_its_template() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let templates = [("one", "1 {{ firmware }} {{ vars.who }}"), ("two", "2 {{ vars.who }}"), ("bad", "{{ x }}")];
    let more = "[vars]\nwho = \"all\"\n[[profile]]\nname = \"p\"\nfirmware = []\nanswers = { two = \"one\", x = \"bad\" }\n\
        [[profile]]\nname = \"q\"\nfirmware = [\"raspberry-pi-5\"]\nvars = { who = \"own\" }\nanswers = { y = \"two\" }\n";
    let config = config(scratch.path(), &templates, more);
    assert_eq!(config.render_fixture("two"), Ok("1 unknown all".to_owned()), "file names go first");
    assert_eq!(config.render_fixture("one"), Ok("1 unknown all".to_owned()));
    assert_eq!(config.render_fixture("y"), Ok("2 own".to_owned()));
    assert_eq!(config.render_fixture("z"), Err("no profile has an answer or template named \"z\"".to_owned()));
    assert!(config.render_fixture("x").is_err_and(|error| error.contains("/bad:1: undefined value")));
}
