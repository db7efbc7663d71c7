use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

use super::*;

fn tree() -> (tempfile::TempDir, Tree) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let tree = Tree::new(&directory.path().join(".")).expect("the same");
    (directory, tree)
}

fn path(name: &str) -> RelativePath {
    RelativePath::clean(name).expect("a name below")
}

fn text(file: &OpenFile) -> String {
    let mut bytes = vec![0; file.size.try_into().expect("a small file")];
    file.file.read_exact_at(&mut bytes, 0).expect("a file that can be read");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn what_is_opened_twice_is_opened_once() {
    let (directory, tree) = tree();
    fs::write(directory.path().join("a"), "one").expect("a file");
    let first = tree.open_cached(&path("a")).expect("the file");
    let second = tree.open_cached(&path("a")).expect("the file");
    assert!(Arc::ptr_eq(&first.file, &second.file));
    assert_eq!((text(&second).as_str(), &second.etag), ("one", &first.etag));
}

#[test]
fn what_nobody_asks_for_is_closed() {
    let (directory, tree) = tree();
    for name in ["a", "b"] {
        fs::write(directory.path().join(name), name).expect("a file");
        tree.open_cached(&path(name)).expect("the file");
    }
    tree.close_unused();
    tree.open_cached(&path("b")).expect("the file");
    tree.close_unused();
    assert_eq!(tree.all_kept().keys().collect::<Vec<_>>(), ["b"]);
    tree.close_unused();
    assert!(tree.all_kept().is_empty());
}

#[test]
fn a_file_that_was_replaced_is_the_new_one_at_once() {
    let (directory, tree) = tree();
    let [old, new] = ["a", "b"].map(|name| directory.path().join(name));
    fs::write(&old, "one").expect("a file");
    let first = tree.open_cached(&path("a")).expect("the file");
    fs::write(&new, "two").expect("a file");
    fs::rename(&new, &old).expect("a file that takes its place");
    let second = tree.open_cached(&path("a")).expect("the file");
    assert_eq!((text(&first).as_str(), text(&second).as_str()), ("one", "two"));
    assert_ne!(first.etag, second.etag);
    fs::remove_file(&old).expect("the file is there");
    assert_eq!(tree.open_cached(&path("a")).expect_err("it is gone").kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_grew_is_as_long_as_it_is_now() {
    let (directory, tree) = tree();
    let name = directory.path().join("a");
    fs::write(&name, "one").expect("a file");
    assert_eq!(tree.open_cached(&path("a")).expect("the file").size, 3);
    fs::OpenOptions::new().append(true).open(&name).expect("the file").write_all_at(b" and two", 3).expect("room");
    assert_eq!(text(&tree.open_cached(&path("a")).expect("the file")), "one and two");
    // Even where only who may read it changed, it is asked for again.
    fs::set_permissions(&name, fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert!(tree.kept("a").is_none());
}

#[test]
fn a_link_that_turns_outside_leads_nowhere() {
    let (directory, tree) = tree();
    let outside = tempfile::NamedTempFile::new().expect("a file elsewhere");
    fs::write(directory.path().join("a"), "one").expect("a file");
    let link = directory.path().join("link");
    symlink("a", &link).expect("a link");
    assert_eq!(text(&tree.open_cached(&path("link")).expect("the file")), "one");
    fs::remove_file(&link).expect("the link is there");
    symlink(outside.path(), &link).expect("a link");
    assert!(tree.open_cached(&path("link")).is_err());
}

#[test]
fn no_more_are_kept_than_there_is_room_for_and_no_large_one() {
    let (directory, tree) = tree();
    for index in 0..=KEPT_MAX {
        let name = index.to_string();
        fs::write(directory.path().join(&name), &name).expect("a file");
        assert_eq!(text(&tree.open_cached(&path(&name)).expect("the file")), name);
    }
    assert_eq!(tree.all_kept().len(), 1);
    fs::File::create(directory.path().join("large")).and_then(|file| file.set_len(SMALL + 1)).expect("a file");
    tree.open_cached(&path("large")).expect("the file");
    assert_eq!(tree.all_kept().len(), 1);
}
