use std::net::Ipv4Addr;

use super::{Happening, ON_ITS_WAY, Tap};
use crate::fleet::Notice;

fn freed(last: u8) -> Notice {
    Notice::Freed(Ipv4Addr::new(10, 0, 0, last))
}

#[test]
fn a_shut_tap_gives_nothing_and_an_open_one_everything() {
    let (tap, mut out) = Tap::new();
    tap.notice(&freed(1));
    tap.lose();
    tap.open(true);
    tap.notice(&freed(2));
    let (_, first) = out.try_recv().expect("a notice");
    assert!(matches!(first, Happening::Notice(Notice::Freed(address)) if address.octets()[3] == 2), "{first:?}");
    tap.open(false);
    tap.notice(&freed(3));
    assert!(out.try_recv().is_err());
}

#[test]
fn the_core_does_not_wait_for_who_does_not_keep_up() {
    let (tap, mut out) = Tap::new();
    tap.open(true);
    for _ in 0..ON_ITS_WAY + 10 {
        tap.notice(&freed(1));
    }
    for _ in 0..ON_ITS_WAY {
        assert!(matches!(out.try_recv(), Ok((_, Happening::Notice(_)))));
    }
    assert!(out.try_recv().is_err(), "what did not fit is gone");
    tap.notice(&freed(2));
    assert!(matches!(out.try_recv(), Ok((_, Happening::Lost))), "and that is said first");
    assert!(matches!(out.try_recv(), Ok((_, Happening::Notice(_)))));
}
