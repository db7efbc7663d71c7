//! Directories appear whole, or not at all.

use super::*;

fn names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    list(directory, String::new(), &mut names).expect("a directory");
    names.sort();
    names
}

#[test]
fn a_directory_appears_when_it_is_finished() {
    let above = tempfile::tempdir().expect("a directory");
    let target = above.path().join("boot/pi");
    for content in [&b"first"[..], b"second"] {
        let mut output = Output::begin(&target).expect("a beginning");
        output.add("overlays/a.dtbo", content).expect("a file");
        assert_ne!(fs::read(target.join("overlays/a.dtbo")).ok().as_deref(), Some(content));
        output.finish(json!({})).expect("an end");
        assert_eq!(fs::read(target.join("overlays/a.dtbo")).expect("a file"), content);
        assert_eq!(names(above.path()), ["boot/pi/built.json", "boot/pi/overlays/a.dtbo"]);
    }
    let record = read_record(&target).expect("a record");
    assert_eq!(record["files"]["overlays/a.dtbo"]["size"], 6, "{record}");
}

#[test]
fn a_build_that_ends_early_leaves_nothing() {
    let above = tempfile::tempdir().expect("a directory");
    let target = above.path().join("pi");
    let mut output = Output::begin(&target).expect("a beginning");
    output.add("a", b"1").expect("a file");
    let error = Output::begin(&target).expect_err("two at once");
    assert!(error.to_string().contains("another build"), "{error}");
    drop(output);
    assert!(names(above.path()).is_empty());
    // What a killed one left is no obstacle.
    fs::create_dir_all(above.path().join(".pi.building/overlays")).expect("a directory");
    fs::write(above.path().join(".pi.building/overlays/old"), "x").expect("a file");
    Output::begin(&target).expect("a beginning").finish(json!({})).expect("an end");
    assert_eq!(names(above.path()), ["pi/built.json"]);
}

#[test]
fn what_others_put_there_is_not_thrown_away() {
    let above = tempfile::tempdir().expect("a directory");
    let target = above.path().join("pi");
    let mut output = Output::begin(&target).expect("a beginning");
    output.add("a", b"1").expect("a file");
    output.finish(json!({})).expect("an end");
    fs::write(target.join("mine.dtbo"), "x").expect("a file");
    let error = Output::begin(&target).expect_err("not ours");
    assert!(error.to_string().contains("(mine.dtbo): move it elsewhere"), "{error}");
    fs::remove_file(target.join("mine.dtbo")).expect("a file");
    Output::begin(&target).expect("a beginning");
}
