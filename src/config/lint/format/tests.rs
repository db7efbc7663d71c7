use super::*;

#[track_caller]
fn check(file: &str, text: &str, expected: Option<(usize, &str)>) {
    let found = defect(file, text);
    let shown = found.as_ref().map(|defect| (defect.line.unwrap_or(0), defect.what.as_str()));
    match (shown, expected) {
        (None, None) => {}
        (Some((line, what)), Some((expected, part))) if line == expected && what.contains(part) => {}
        _ => panic!("{file}: {found:?}, not {expected:?}"),
    }
    assert!(!found.is_some_and(|defect| defect.what.contains("hush")));
}

#[test]
fn toml() {
    check("answer.toml", "a = \"hush\"\n", None);
    check("answer.toml", "[a]\nb = \"hush\n", Some((2, "not valid TOML")));
    check("answer.toml", "a = 1\n\na = 2\n", Some((3, "duplicate key")));
}

#[test]
fn yaml() {
    check("nocloud/meta-data", "a: 1\nb: [x, ]\n", None);
    check("nocloud/vendor-data", "", None);
    check("x.yaml", "a: 1\n  b: hush\n", Some((2, "not valid YAML")));
    check("network-config", "a: 1\nb: 2\na: hush\n", Some((3, "twice")));
    check("x.yml", "hush: 1\nhush: 2\n", Some((2, "twice")));
    check("nocloud/user-data", "#cloud-config\na: 1\n", None);
    check("user-data", "# a comment\n#cloud-config\na: 1\n", Some((1, "#cloud-config")));
    check("user-data", "#cloud-config\na: [\n", Some((3, "not valid YAML")));
    check("user-data", "#!/bin/sh\na: [\n", None);
}

#[test]
fn other_formats() {
    check("x.json", "{\"a\": 1}", None);
    check("x.json", "{\n\"hush\": }", Some((2, "not valid JSON")));
    check("boot.ipxe", "#!ipxe\nshell\n", None);
    check("boot.ipxe", "\n#!ipxe\n", Some((1, "#!ipxe")));
    check("cmdline.txt", "quiet\n", None);
    check("cmdline.txt", "quiet\nsplash\n", Some((2, "more than one line")));
    check("cmdline.txt", "", Some((0, "empty")));
    check("config.txt", "any\nthing = [", None);
}
