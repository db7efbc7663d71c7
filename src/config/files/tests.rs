use super::*;

fn config(scratch: &Path, more: &str) -> Config {
    let text = format!(
        "[[network]]\ninterface = \"eth1\"\n[paths]\ndata = \".\"\n{more}\n\
         [[profile]]\nname = \"p\"\nfirmware = [\"raspberry-pi-5\"]\n\
         answers = {{ \"a.txt\" = \"own.txt\", \"config.txt\" = \"pi/config.txt\" }}\n"
    );
    let file = scratch.join("f.toml").display().to_string();
    Config::parse(&text, &file).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn what_is_missing_on_disk_is_named_where_the_file_names_it_and_not_where_it_does_not() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let here = scratch.path().display().to_string();
    std::fs::write(scratch.path().join("images"), "").expect("a file");
    let config = config(scratch.path(), "boot = \"b\"\ntemplates = \"t\"");
    let built_in = builtin::TEMPLATES.map(|(name, _)| name).join(", ");
    let found: Vec<String> = config
        .check_files()
        .iter()
        .map(|problem| problem.to_string().replace(&here, "HERE").replace(&built_in, "BUILT-IN"))
        .collect();
    let expected = [
        "HERE/f.toml: paths.images: HERE/./images is no directory",
        "HERE/f.toml:5:8: paths.boot: the directory HERE/b does not exist; create it: mkdir -p HERE/b",
        "HERE/f.toml:6:13: paths.templates: the directory HERE/t does not exist; create it: mkdir -p HERE/t",
        "HERE/f.toml:10:13: profile.answers.\"a.txt\": there is no template \"own.txt\" in HERE/t; \
         built in are BUILT-IN",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_operators_template_goes_before_the_built_in_one() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    std::fs::create_dir_all(scratch.path().join("templates/pi")).expect("a directory");
    let config = config(scratch.path(), "");
    let text = |name: &str| config.template(name).expect("readable").map(Cow::into_owned);
    assert_eq!(text("pi/config.txt").as_deref(), builtin::template("pi/config.txt"));
    assert_eq!(text("own.txt"), None);
    for name in ["pi/config.txt", "own.txt"] {
        std::fs::write(scratch.path().join("templates").join(name), name).expect("a file");
        assert_eq!(text(name).as_deref(), Some(name));
    }
    assert_eq!(config.check_files(), []);
    std::fs::write(scratch.path().join("templates/own.txt"), b"\xff").expect("a file");
    let found = config.check_files();
    assert!(found[0].what.starts_with("the template \"own.txt\" cannot be read: "), "{found:?}");
}
