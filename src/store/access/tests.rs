use std::time::Duration;

use super::{Access, Repeat, Session, Token, User};
use crate::access::{Role, Scopes, UserName};
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

fn user(name: &str, role: Role) -> User {
    let name = UserName::parse(name).expect("a name");
    User { name, role, password: "$argon2id$…".into(), created_at: now(), last_seen_at: None }
}

fn session(of: &str) -> Session {
    let user = UserName::parse(of).expect("a name");
    Session { user, role: Role::Admin, form_key: "key".into(), seen_at: now(), ends_at: now() + HOUR }
}

fn scratch() -> (tempfile::TempDir, Access) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let access = Access::open(&directory.path().join("access.db")).expect("a new file");
    (directory, access)
}

#[test]
fn the_link_makes_one_first_user_and_then_is_void() {
    let (_directory, mut access) = scratch();
    assert!(!access.set_up("link", &user("anna", Role::Admin), now()).expect("SQLite"), "no link was given out");
    access.put_setup("old", now() + HOUR).expect("SQLite");
    access.put_setup("link", now() + HOUR).expect("SQLite");
    assert!(!access.is_setup("old", now()).expect("SQLite"));
    assert!(access.is_setup("link", now()).expect("SQLite"));
    assert!(!access.is_setup("link", now() + HOUR).expect("SQLite"), "it has ended");
    assert!(!access.set_up("link", &user("eve", Role::Admin), now() + HOUR).expect("SQLite"));
    assert!(access.set_up("link", &user("anna", Role::Admin), now()).expect("SQLite"));
    assert!(!access.set_up("link", &user("eve", Role::Admin), now()).expect("SQLite"), "it was used");
    access.put_setup("again", now() + HOUR).expect("SQLite");
    assert!(!access.set_up("again", &user("eve", Role::Admin), now()).expect("SQLite"), "there is a user");
    assert_eq!(access.users().expect("SQLite"), [user("anna", Role::Admin)]);
}

#[test]
fn a_session_has_its_users_role_of_now_and_ends_with_time_password_or_user() {
    let (_directory, access) = scratch();
    access.put_user(&user("anna", Role::Admin)).expect("SQLite");
    access.begin_session("cookie", &session("anna")).expect("SQLite");
    assert_eq!(access.session("cookie", now()).expect("SQLite"), Some(session("anna")));
    assert_eq!(access.session("another", now()).expect("SQLite"), None);
    assert_eq!(access.session("cookie", now() + HOUR).expect("SQLite"), None);
    let seen = access.user(&session("anna").user).expect("SQLite").and_then(|user| user.last_seen_at);
    assert_eq!(seen, Some(now()));

    access.put_user(&user("anna", Role::Viewer)).expect("SQLite");
    assert_eq!(access.session("cookie", now()).expect("SQLite"), None, "another password or role ends it");
    access.begin_session("cookie", &session("anna")).expect("SQLite");
    let role = access.session("cookie", now()).expect("SQLite").map(|session| session.role);
    assert_eq!(role, Some(Role::Viewer), "the role is the user's, not the session's");
    access.end_session("cookie").expect("SQLite");
    assert_eq!(access.session("cookie", now()).expect("SQLite"), None);

    access.begin_session("cookie", &session("anna")).expect("SQLite");
    assert!(access.remove_user(&session("anna").user).expect("SQLite"));
    assert!(!access.remove_user(&session("anna").user).expect("SQLite"));
    assert_eq!(access.session("cookie", now()).expect("SQLite"), None);
}

#[test]
fn a_token_is_known_by_its_digest_until_it_ends() {
    let (_directory, access) = scratch();
    let wanted = Token {
        id: 0,
        name: "ci".into(),
        role: Role::Operator,
        scopes: Scopes::parse("names").expect("scopes"),
        created_by: "anna".into(),
        created_at: now(),
        ends_at: Some(now() + HOUR),
        last_used_at: None,
    };
    let made = access.add_token("digest", &wanted).expect("SQLite");
    assert_eq!(access.use_token("digest", now()).expect("SQLite"), Some(made.clone()));
    assert_eq!(access.use_token("other", now()).expect("SQLite"), None);
    assert_eq!(access.use_token("digest", now() + HOUR).expect("SQLite"), None);
    let used = access.tokens().expect("SQLite").pop().and_then(|token| token.last_used_at);
    assert_eq!(used, Some(now()));
    assert!(access.remove_token(made.id).expect("SQLite"));
    assert_eq!(access.use_token("digest", now()).expect("SQLite"), None);
    let next = access.add_token("digest", &wanted).expect("SQLite");
    assert!(next.id > made.id, "an id is given once");
}

#[test]
fn it_is_kept_and_nobody_else_reads_it() {
    use std::os::unix::fs::MetadataExt as _;
    let (directory, access) = scratch();
    access.put_user(&user("anna", Role::Admin)).expect("SQLite");
    drop(access);
    let path = directory.path().join("access.db");
    assert_eq!(std::fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
    let access = Access::open(&path).expect("a file of ours");
    assert_eq!(access.users().expect("SQLite").len(), 1);
    let journal = directory.path().join("hatchery.db");
    drop(crate::store::Store::open(&journal).expect("a journal"));
    let error = Access::open(&journal).expect_err("a journal holds no users");
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_key_is_good_for_one_request_and_one_answer() {
    let (directory, access) = scratch();
    let begin = |access: &Access, caller: &str, digest: &str, at| {
        access.begin_repeat(caller, "key", digest, at).expect("SQLite")
    };
    assert_eq!(begin(&access, "token 1", "a", now()), Repeat::New);
    assert_eq!(begin(&access, "token 1", "a", now()), Repeat::UnderWay);
    assert_eq!(begin(&access, "token 1", "b", now()), Repeat::Other);
    assert_eq!(begin(&access, "token 2", "b", now()), Repeat::New, "each caller has keys of their own");
    access.end_repeat("token 1", "key", 201, b"made").expect("SQLite");
    access.void_repeat("token 2", "key").expect("SQLite");
    let answered = Repeat::Answered { status: 201, body: b"made".to_vec() };
    assert_eq!(begin(&access, "token 1", "a", now()), answered);
    assert_eq!(begin(&access, "token 2", "c", now()), Repeat::New, "its key is free again");

    drop(access);
    let access = Access::open(&directory.path().join("access.db")).expect("a file of ours");
    assert_eq!(begin(&access, "token 1", "a", now()), answered, "a restart forgets nothing");
    assert_eq!(begin(&access, "token 2", "c", now()), Repeat::Lost, "nobody knows whether it was done");
    assert_eq!(begin(&access, "token 1", "z", now() + HOUR * 25), Repeat::New);
}

#[test]
fn a_file_of_version_1_is_taken_over() {
    let (directory, access) = scratch();
    access.put_user(&user("anna", Role::Admin)).expect("SQLite");
    let old = "DROP TABLE repeat; ALTER TABLE token DROP COLUMN scopes; PRAGMA user_version = 1;
        INSERT INTO token (name, role, digest, created_by, created_at) VALUES ('ci', 'operator', 'digest', 'anna', 0);";
    access.db.execute_batch(old).expect("SQLite");
    drop(access);
    let access = Access::open(&directory.path().join("access.db")).expect("a file of ours");
    let token = access.use_token("digest", now()).expect("SQLite").expect("a token");
    assert!(token.scopes.is_all(), "a token of before may what its role may");
    assert_eq!(access.begin_repeat("token 1", "key", "a", now()).expect("SQLite"), Repeat::New);
}
