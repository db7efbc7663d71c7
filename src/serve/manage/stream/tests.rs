use std::net::Ipv4Addr;
use std::sync::{Arc, RwLock};

use super::{KEPT, LISTENERS, Stream};
use crate::catalog::Catalog;
use crate::clock;
use crate::fleet::Notice;
use crate::fleet::board::Board;
use crate::serve::core::SharedBoard;
use crate::serve::tap::{Happening, Tap};
use crate::site::Site;

fn stream() -> (Stream, SharedBoard) {
    let board = Board::new(Arc::new(Site::new(Vec::new())), Catalog::default());
    (Stream::new(Tap::new()), Arc::new(RwLock::new(board)))
}

fn happens(stream: &Stream, board: &SharedBoard, times: usize) {
    for _ in 0..times {
        let freed = Happening::Notice(Notice::Freed(Ipv4Addr::new(10, 0, 0, 9)));
        stream.tell(board, clock::now().timestamp, &freed);
    }
}

#[test]
fn who_comes_back_gets_what_they_missed_if_it_is_kept() {
    let (stream, board) = stream();
    let first = stream.begin(None).expect("room");
    assert_eq!((first.from, first.gap, first.backlog.len()), (0, false, 0));
    happens(&stream, &board, 5);
    let back = stream.begin(Some(&stream.id(2))).expect("room");
    let numbers: Vec<u64> = back.backlog.iter().map(|told| told.number).collect();
    assert_eq!((numbers, back.gap), (vec![3, 4, 5], false));
    assert!(back.backlog[0].text.contains("\"type\":\"freed\""), "{}", back.backlog[0].text);

    happens(&stream, &board, KEPT);
    let late = stream.begin(Some(&stream.id(2))).expect("room");
    assert_eq!((late.gap, late.backlog.len()), (true, 0), "what came next is not kept any more");
    for other in ["", "5", "x-5", &stream.id(1_000_000), "ffff-5", &format!("{}-x", stream.run)] {
        assert!(stream.begin(Some(other)).expect("room").gap, "{other} is no event of ours");
    }
}

#[test]
fn there_is_room_for_so_many_and_it_is_given_back() {
    let (stream, _board) = stream();
    let all: Vec<_> = (0..LISTENERS).map(|_| stream.begin(None).expect("room")).collect();
    assert!(stream.begin(None).is_none());
    drop(all);
    assert!(stream.begin(None).is_some());
}
