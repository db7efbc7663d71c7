use super::{digest, hash, new, same, verify};

#[test]
fn secrets_differ_and_are_kept_as_digests() {
    let (one, other) = (new(), new());
    assert_eq!(one.len(), 48);
    assert_ne!(one, other);
    assert!(same(&one, &one.clone()) && !same(&one, &other) && !same(&one, &one[1..]));
    assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_password_is_known_again_and_nothing_else_is() {
    let kept = hash("correct horse battery").expect("a hash");
    assert!(kept.starts_with("$argon2id$v=19$"), "{kept}");
    assert_ne!(kept, hash("correct horse battery").expect("a hash"), "each has a salt of its own");
    assert!(verify("correct horse battery", Some(&kept)));
    assert!(!verify("correct horse batterz", Some(&kept)));
    assert!(!verify("correct horse battery", None));
    assert!(!verify("", None));
    assert!(!verify("x", Some("no hash")));
}
