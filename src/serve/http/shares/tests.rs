use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;

const IMAGE: u64 = 1 << 30;

async fn connections<const COUNT: usize>() -> ([TcpStream; COUNT], Vec<TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..COUNT {
        theirs.push(TcpStream::connect(address).await.expect("a connection"));
        ours.push(listener.accept().await.expect("a connection").0);
    }
    (ours.try_into().expect("as many"), theirs)
}

/// What the kernel holds a connection to.
fn limit_of(stream: &TcpStream) -> u64 {
    tcp_info(stream.as_raw_fd()).expect("an open socket").tcpi_max_pacing_rate
}

fn limit(shares: &Shares, bytes_per_sec: u64) {
    let mut links = shares.links();
    links.by_address.values_mut().flat_map(|link| link.members.values_mut()).for_each(|it| it.limit_to(bytes_per_sec));
}

#[tokio::test]
async fn limits_reach_the_sockets_and_end_with_the_transfer() {
    let (ours, _theirs) = connections::<2>().await;
    let shares = Shares::default();
    let [first, second] = ours.each_ref().map(|stream| shares.join(stream, IMAGE));
    limit(&shares, 1_000_000);
    assert_eq!(ours.each_ref().map(limit_of), [1_000_000; 2]);
    drop(first);
    assert_eq!(ours.each_ref().map(limit_of), [UNLIMITED, 1_000_000]);
    // Who is left has the link for itself.
    assert!(!shares.look(TICK));
    assert_eq!(limit_of(&ours[1]), UNLIMITED);
    drop(second);
    assert!(shares.links().by_address.is_empty());
}

#[tokio::test]
async fn small_files_take_no_part() {
    let (ours, _theirs) = connections::<1>().await;
    let shares = Shares::default();
    assert!(shares.join(&ours[0], LARGE - 1).is_none());
    assert!(shares.join(&ours[0], LARGE).is_some());
}

#[tokio::test]
async fn while_there_is_one_nobody_looks_and_with_a_second_somebody_does() {
    let (ours, _theirs) = connections::<2>().await;
    let shares = Shares::default();
    let looked =
        || shares.links().by_address.values().flat_map(|link| link.members.values()).any(|it| it.before.is_some());
    let wait = async {
        let first = shares.join(&ours[0], IMAGE);
        sleep(4 * TICK).await;
        assert!(!looked());
        let second = shares.join(&ours[1], IMAGE);
        sleep(4 * TICK).await;
        assert!(looked());
        drop((first, second));
    };
    tokio::select! {
        () = wait => {}
        never = shares.keep_level() => match never {},
    }
}
