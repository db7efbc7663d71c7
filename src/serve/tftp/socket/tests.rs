use std::time::Duration;

use super::*;
use crate::tftp::{Limits, Step, Transfer};
use crate::time::Instant;
use crate::wire::tftp::{Options, Packet};

/// A run of 64 blocks of 1000 bytes, the last one a byte shorter, and its content.
fn window() -> (Run, Vec<u8>) {
    let asked = Options { blksize: Some(1000), windowsize: Some(64), ..Options::default() };
    let (mut transfer, _) = Transfer::start(&asked, 63_999, Limits::for_mtu(1500), Instant::START);
    let Step::Send(run) = transfer.handle(&Packet::Ack { block: 0 }, Instant::START) else { panic!("no window") };
    assert_eq!((run.blocks().len(), run.length()), (64, 63_999));
    (run, (0..63_999_u32).map(|index| (index % 251) as u8).collect())
}

/// Sends the window, and checks that it arrives as it was.
async fn send_and_compare(refuse_gso: bool) {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port of loopback");
    let address = as_v4(client.local_addr().expect("it is bound")).expect("it is IPv4");
    let socket = TransferSocket::connect(Ipv4Addr::LOCALHOST, address, None).expect("loopback");
    if refuse_gso {
        // The kernel cannot segment what carries no checksum.
        udp::set_int(&socket.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).expect("a socket option");
    }
    let (run, content) = window();
    socket.send_run(run, &content).await.expect("loopback takes it");
    let mut arrived = Vec::new();
    let mut buffer = [0; 2000];
    for number in 1..=64 {
        let heard = tokio::time::timeout(Duration::from_secs(10), client.recv(&mut buffer)).await;
        let length = heard.expect("a block is missing").expect("no error");
        match Packet::parse(&buffer[..length]) {
            Ok(Packet::Data { block, content }) if block == number => arrived.extend_from_slice(content),
            other => panic!("not block {number}: {other:?}"),
        }
    }
    assert_eq!(arrived, content);
}

#[tokio::test]
async fn a_window_arrives_with_and_without_segmentation() {
    let _alone = udp::refusal::alone();
    send_and_compare(false).await;
    assert!(udp::segments(), "loopback segments UDP since Linux 4.18 (udp(7), UDP_SEGMENT)");
    send_and_compare(true).await;
    assert!(!udp::segments(), "the kernel took a segmented send without checksum");
}

#[tokio::test]
async fn packets_may_be_fragmented_on_their_way() {
    let client = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
    let own = TransferSocket::connect(Ipv4Addr::LOCALHOST, client, None).expect("loopback");
    assert_eq!(mtu_discovery(&own.socket), libc::IP_PMTUDISC_DONT, "a port of its own");
    let listen = ListenSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), None).expect("a free port");
    let (_heard, hears) = tokio::sync::mpsc::channel(1);
    let shared = TransferSocket::share(&listen, Ipv4Addr::LOCALHOST, client, None, hears).expect("loopback");
    assert_eq!(mtu_discovery(&shared.socket), libc::IP_PMTUDISC_DONT, "the port of the service");
}

/// The socket's `IP_MTU_DISCOVER` (ip(7)), by which the kernel sets DF or not.
fn mtu_discovery(socket: &UdpSocket) -> libc::c_int {
    let mut mode: libc::c_int = -1;
    let mut length = size_of_val(&mode) as libc::socklen_t;
    let pointer = std::ptr::from_mut(&mut mode).cast();
    // SAFETY: the descriptor is open, and pointer and length describe `mode`.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, pointer, &mut length) };
    assert_eq!(result, 0, "IP_MTU_DISCOVER can be read");
    mode
}
