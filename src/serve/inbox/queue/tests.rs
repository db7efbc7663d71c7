use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::fleet::Event;
use crate::ids::ReplyTo;

const LONG: Duration = Duration::from_secs(30);

fn queue() -> Arc<Queue> {
    Arc::new(Queue::new().expect("an eventfd"))
}

#[test]
fn messages_leave_in_the_order_they_came() {
    let queue = queue();
    queue.push(Message::Reports);
    queue.push(Message::Stop);
    assert!(queue.wait(&mut Vec::new(), LONG), "what lies here is not waited for");
    assert!(matches!(queue.pop(), Some(Message::Reports)));
    assert!(matches!(queue.pop(), Some(Message::Stop)));
    assert!(queue.pop().is_none());
    assert!(!queue.wait(&mut Vec::new(), Duration::ZERO));
}

#[test]
fn every_message_wakes_who_waits_for_it() {
    let queue = queue();
    let sender = queue.clone();
    const MESSAGES: usize = 20_000;
    let thread = thread::spawn(move || {
        for _ in 0..MESSAGES {
            sender.push(Message::Reports);
        }
    });
    for left in (0..MESSAGES).rev() {
        while queue.pop().is_none() {
            assert!(queue.wait(&mut Vec::new(), LONG), "asleep beside a message, {left} after it");
        }
    }
    thread.join().expect("the sender");
    assert!(!queue.wait(&mut Vec::new(), Duration::from_millis(1)), "nothing more came");
}

#[test]
fn a_datagram_wakes_as_a_message_does() {
    let queue = queue();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let mut sockets = vec![PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    assert!(!queue.wait(&mut sockets, Duration::from_millis(1)));
    assert_eq!((sockets.len(), sockets[0].any()), (1, Some(false)));
    socket.send_to(b"there", socket.local_addr().expect("its address")).expect("loopback");
    assert!(queue.wait(&mut sockets, LONG));
    assert_eq!((sockets.len(), sockets[0].any()), (1, Some(true)));
}

#[test]
fn who_waits_for_a_result_learns_that_nobody_reads_any_more() {
    let queue = queue();
    let ask = || {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        queue.push(Message::Ask(Event::Deadline, ReplyTo::default(), sender));
        receiver
    };
    let mut before = ask();
    assert!(before.try_recv().is_err_and(|error| error == TryRecvError::Empty));
    queue.close();
    let mut after = ask();
    for receiver in [&mut before, &mut after] {
        assert!(receiver.try_recv().is_err_and(|error| error == TryRecvError::Closed));
    }
}
