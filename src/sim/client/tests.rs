use super::*;

fn client(kind: Kind) -> Client {
    let identity = Identity::numbered(kind, 1, &mut fastrand::Rng::with_seed(1));
    Client::new(kind, identity, 1, Options { restarts_max: 2, ..Options::default() })
}

/// Lets time pass, and nothing else, until the client is silent.
fn alone(client: &mut Client) -> (Vec<Output>, Instant) {
    let mut now = Instant::START;
    let mut outputs = client.handle(Input::PowerOn, now);
    while let Some(deadline) = client.next_deadline() {
        assert!(deadline.since_start() < Duration::from_secs(3600), "it never ends");
        now = deadline;
        outputs.extend(client.handle(Input::Timer, now));
    }
    (outputs, now)
}

#[test]
fn without_a_server_every_kind_names_its_fault() {
    for kind in Kind::ALL {
        let (outputs, _) = alone(&mut client(kind));
        assert!(matches!(outputs.last(), Some(Output::Faulted(why)) if why.contains("no OFFER")), "{kind:?}");
    }
}

#[test]
fn the_firmwares_repeat_their_discover_at_their_own_pace() {
    let pi3 = (Kind::Pi3, vec![0, 5, 10, 15]);
    for (kind, seconds) in [pi3, (Kind::Pi5, vec![0, 4, 8, 12]), (Kind::UefiX64, vec![0, 4, 12, 28])] {
        let mut client = client(kind);
        let mut sent = Vec::new();
        let mut now = Instant::START;
        let mut outputs = client.handle(Input::PowerOn, now);
        while sent.len() < 4 {
            let discovers = outputs.iter().filter(|output| matches!(output, Output::SendDhcp { .. })).count();
            sent.extend(std::iter::repeat_n(now.since_start().as_secs(), discovers));
            now = client.next_deadline().expect("it waits for an OFFER");
            outputs = client.handle(Input::Timer, now);
        }
        assert_eq!(sent, seconds, "{kind:?}");
    }
}

#[test]
fn mixed_clients_are_the_same_for_a_seed_and_differ_from_each_other() {
    let identities = |seed| -> Vec<Identity> {
        mixed(500, seed, &Options::default()).iter().map(|client| client.identity().clone()).collect()
    };
    let all = identities(7);
    assert_eq!(all, identities(7));
    assert_ne!(all, identities(8));
    let macs: std::collections::BTreeSet<_> = all.iter().map(|identity| identity.mac).collect();
    let boards: std::collections::BTreeSet<_> =
        all.iter().map(|identity| &identity.serial[identity.serial.len() - 8..]).collect();
    assert_eq!((macs.len(), boards.len()), (500, 500));
}
