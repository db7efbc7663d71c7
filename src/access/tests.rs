use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Attempts, Role, UserName, leaves_an_admin, weakness};
use crate::time::Timestamp;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 101, 7));

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + secs * 1000)
}

fn elsewhere(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

#[test]
fn each_role_may_what_those_before_it_may() {
    for (index, role) in Role::ALL.into_iter().enumerate() {
        assert_eq!(Role::from_word(role.word()), Some(role));
        for (needed, least) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role.may(least), index >= needed, "{role} for {least}");
        }
    }
}

#[test]
fn user_names_are_plain() {
    assert_eq!(UserName::parse(" Anna.K ").map(|name| name.to_string()), Some("anna.k".into()));
    for wrong in ["", "1st", "anna k", "<script>", "änna", &"a".repeat(33), "a/b", "a\nb"] {
        assert_eq!(UserName::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn passwords_that_are_none_are_refused() {
    let user = UserName::parse("anna").expect("a name");
    for weak in ["", "short", "aaaaaaaaaaaaaaaa", "abcabcabcabc", "anna12345", "Anna-2026!", &"x1y2".repeat(100)] {
        assert!(weakness(weak, &user).is_some(), "{weak:?} was taken");
    }
    for good in ["correct horse battery", "pit-lane 7 umbrella", "ünïcödé wörks"] {
        assert_eq!(weakness(good, &user), None, "{good:?}");
    }
}

#[test]
fn guessing_one_user_gets_slow_wherever_it_comes_from() {
    let mut attempts = Attempts::default();
    for n in 0..Attempts::FREE {
        assert_eq!(attempts.wait("anna", HERE, at(0)), Duration::ZERO);
        attempts.fail("anna", elsewhere(n as u8), at(0));
    }
    assert_eq!(attempts.wait("anna", elsewhere(99), at(0)), Duration::from_secs(1));
    attempts.fail("anna", HERE, at(1));
    assert_eq!(attempts.wait("anna", HERE, at(1)), Duration::from_secs(2));
    assert_eq!(attempts.wait("anna", HERE, at(2)), Duration::from_secs(1));
    assert_eq!(attempts.wait("anna", HERE, at(3)), Duration::ZERO);
    assert_eq!(attempts.wait("bert", HERE, at(1)), Duration::ZERO, "others are not locked out");
    for _ in 0..40 {
        attempts.fail("anna", HERE, at(3));
    }
    assert_eq!(attempts.wait("anna", HERE, at(3)), Attempts::LONGEST);
    attempts.succeed("anna", HERE);
    assert_eq!(attempts.wait("anna", HERE, at(3)), Duration::ZERO);
}

#[test]
fn guessing_many_users_from_one_place_gets_slow() {
    let mut attempts = Attempts::default();
    for n in 0..Attempts::FREE * 4 {
        assert_eq!(attempts.wait("zoe", HERE, at(0)), Duration::ZERO);
        attempts.fail(&format!("user{n}"), HERE, at(0));
    }
    assert_eq!(attempts.wait("zoe", HERE, at(0)), Duration::from_secs(1));
    assert_eq!(attempts.wait("zoe", elsewhere(1), at(0)), Duration::ZERO);
}

#[test]
fn what_is_remembered_is_bounded_and_old_failures_are_forgiven() {
    let mut attempts = Attempts::default();
    for _ in 0..20 {
        attempts.fail("anna", elsewhere(1), at(0));
    }
    attempts.fail("anna", elsewhere(1), at(2 * 24 * 3600));
    assert_eq!(attempts.wait("anna", HERE, at(2 * 24 * 3600)), Duration::ZERO);
    for n in 0..10_000 {
        attempts.fail(&format!("user{n}"), elsewhere((n % 250) as u8), at(3 * 24 * 3600 + n));
    }
    assert!(attempts.failed.len() <= Attempts::REMEMBERED);
}

#[test]
fn somebody_is_left_who_may_do_everything() {
    let name = |text| UserName::parse(text).expect("a name");
    let (anna, ben, carl) = (name("anna"), name("ben"), name("carl"));
    let left = |users: &[(&UserName, Role)], user, becomes| leaves_an_admin(users.iter().copied(), user, becomes);
    let one = [(&anna, Role::Admin), (&ben, Role::Operator)];
    assert!(!left(&one, &anna, None) && !left(&one, &anna, Some(Role::Operator)));
    assert!(left(&one, &anna, Some(Role::Admin)), "another password is no demotion");
    assert!(left(&one, &ben, None) && left(&one, &ben, Some(Role::Viewer)));
    let two = [(&anna, Role::Admin), (&carl, Role::Admin)];
    assert!(left(&two, &anna, None) && left(&two, &carl, Some(Role::Viewer)));
    assert!(!left(&[], &anna, None));
}
