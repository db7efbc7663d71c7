//! What can be told without giving anything up; `tests/confine.rs` does.

use super::*;

#[test]
fn a_user_who_does_not_exist_is_named() {
    let error = Account::choose(Some("nobody-of-that-name"), Path::new("/")).expect_err("there is none");
    assert!(error.to_string().contains("'nobody-of-that-name'"), "{error}");
}

#[test]
fn whoever_we_are_we_need_not_become() {
    assert!(Account::choose(Some(&account::own_name()), Path::new("/")).expect("there is one").is_none());
}

#[test]
fn the_owner_of_a_directory_of_root_is_nobody_to_become() {
    assert!(Account::choose(None, Path::new("/")).expect("an answer").is_none());
}
