//! The architecture, held to: module order, one importer per library, what the pure rows may use, length of files.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines a source file may have, tests apart.
const FILE_MAX: usize = 600;

/// Libraries that only one place may name.
const ONE_IMPORTER: [(&str, &str); 7] = [
    ("dhcproto", "src/wire/dhcp/codec.rs"),
    ("httparse", "src/wire/http.rs"),
    ("minijinja", "src/answer.rs"),
    ("rusqlite", "src/store"),
    ("rtnetlink", "src/lab"),
    ("landlock", "src/confine/files.rs"),
    ("seccompiler", "src/confine/calls.rs"),
];

/// The first module of the shell: what comes before it is pure.
const FIRST_SHELL: &str = "clock";

/// Libraries and parts of std that bring time, bytes, luck or disorder into the pure rows.
const IMPURE: [&str; 17] = [
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "std::io",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "SystemTime",
    "HashMap",
    "HashSet",
    "tokio",
    "hyper",
    "axum",
    "socket2",
    "nix::",
    "serde",
    "libc::",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `directory`, as a path relative to the package.
fn sources(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a source directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).expect("below the package").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The code of a file: no comments, and no string literals to mistake for code.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(root().join(path)).expect("a source file");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs" | "fixture.rs")))
}

/// The top-level modules in the order in which `lib.rs` declares them.
fn modules() -> Vec<String> {
    let code = code(Path::new("src/lib.rs"));
    let names = code.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 15, "lib.rs declares its modules: {names:?}");
    names
}

/// The top-level module that a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix("src").expect("a file of src");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn a_module_names_only_modules_declared_before_it() {
    let order: BTreeMap<String, usize> = modules().into_iter().enumerate().map(|(index, name)| (name, index)).collect();
    let mut arrows = 0;
    for path in sources("src").iter().filter(|path| !is_test(path)) {
        let Some(own) = order.get(&module_of(path)) else { continue };
        for name in named_modules(&code(path)) {
            let Some(named) = order.get(&name) else { continue };
            arrows += 1;
            assert!(named <= own, "{} names `crate::{name}`, which lib.rs declares later", path.display());
        }
    }
    assert!(arrows > 100, "only {arrows} references were found: does this test still read the code?");
}

/// Every `x` of `crate::x`, also within `use crate::{x, y}`.
fn named_modules(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (index, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_alphabetic() => {
                            names.push(word(&list[index..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

#[test]
fn the_reader_of_modules_reads_lists() {
    assert_eq!(named_modules("use crate::{a::{b, c}, d};\nuse crate::e;"), ["a", "d", "e"]);
}

#[test]
fn every_library_has_one_importer() {
    for (library, owner) in ONE_IMPORTER {
        let mut owners = 0;
        for path in sources("src").iter().filter(|path| !is_test(path)) {
            if !names_library(&code(path), library) {
                continue;
            }
            let inside = path.starts_with(owner) || path.starts_with(format!("{owner}.rs"));
            assert!(inside, "{} names {library}; only {owner} may", path.display());
            owners += 1;
        }
        assert!(owners > 0, "nobody names {library}: take it out of this list, or out of Cargo.toml");
    }
}

fn names_library(code: &str, library: &str) -> bool {
    code.match_indices(library).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + library.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && after.starts_with("::")
    })
}

#[test]
fn the_pure_rows_use_no_clock_socket_file_or_chance() {
    let order = modules();
    let shell = order.iter().position(|name| name == FIRST_SHELL).expect("the shell has a first module");
    let pure = &order[..shell];
    let mut seen = 0;
    for path in sources("src").iter().filter(|path| !is_test(path)) {
        let module = module_of(path);
        if !pure.contains(&module) {
            continue;
        }
        seen += 1;
        let code = code(path);
        for impure in IMPURE {
            assert!(!code.contains(impure), "{} names {impure}; the pure rows may not", path.display());
        }
        let luck = names_library(&code, "fastrand") || names_library(&code, "sha2");
        assert!(!luck || module == "sim", "{} draws lots or hashes; only `sim` may", path.display());
    }
    assert!(seen > 25, "only {seen} pure files were found: does this test still read the code?");
}

#[test]
fn every_route_of_the_api_is_described() {
    let mut described = 0;
    for path in sources("src/serve/manage").iter().filter(|path| !is_test(path)) {
        let code = code(path);
        described += code.matches(".add(").count();
        assert!(
            !code.contains("route(\"/api/"),
            "{} makes a route of the API without describing it: see openapi.rs",
            path.display()
        );
    }
    assert!(described > 30, "only {described} described routes were found: does this test still read the code?");
}

#[test]
fn no_file_holds_two_things() {
    for path in sources("src") {
        let lines = fs::read_to_string(root().join(&path)).expect("a source file").lines().count();
        assert!(lines <= FILE_MAX, "{} has {lines} lines: two purposes in one room?", path.display());
        assert!(path.file_name() != Some("mod.rs".as_ref()), "{}: x.rs and x/, not mod.rs", path.display());
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in sources("src").iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(root().join(path)).expect("a source file");
        assert!(text.starts_with("//! "), "{} does not begin with what it is", path.display());
        let first = text.lines().next().unwrap_or_default();
        assert!(first.len() > 20, "{} says too little: {first}", path.display());
    }
}

#[test]
fn nothing_is_left_undone() {
    for directory in ["src", "tests", "benches"] {
        for path in sources(directory).iter().filter(|path| path.file_name() != Some("tidy.rs".as_ref())) {
            let text = fs::read_to_string(root().join(path)).expect("a source file");
            for mark in ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX", "dbg!("] {
                assert!(!text.contains(mark), "{} holds {mark}", path.display());
            }
        }
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "src",
        "boot-assets",
        "answer-templates",
        "benches",
        "fuzz",
        "tests",
        "packaging",
        "target",
    ];
    for entry in fs::read_dir(root()).expect("the package") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} does not belong at the top");
    }
}
