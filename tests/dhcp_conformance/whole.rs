//! What those behaviours ask of the server as a whole, as far as it is decided without sockets; see `lines.txt` for
//! the rest.

use std::net::Ipv4Addr;

use super::bench::*;
use hatchery::net::{Destination, Mac};

/// RFC 2131 §4.1: a client without address and broadcast flag is answered by a frame to it, and one without hardware
/// address by broadcast; nobody is asked by ARP first.
#[test]
fn replies_need_no_arp() {
    for (chaddr, expected) in [
        (mac(1), Destination::Layer2 { mac: Mac(mac(1)), address: at(1) }),
        ([0xff; 6], Destination::Layer2 { mac: Mac([0xff; 6]), address: at(1) }),
        ([0; 6], Destination::Broadcast),
    ] {
        let mut bench = Bench::direct(POOL_1);
        bench.chaddr = chaddr;
        assert_eq!(bench.discover(&[id("one")]).offers_to(at(1)).1, expected);
    }
}

/// RFC 2131 §4.2: clients are told apart by option 61 and hardware address, never by xid (here all share one).
#[test]
fn identity_is_the_client_id_before_chaddr() {
    let mut bench = Bench::direct(r#"pool = ["192.168.50.1-192.168.50.9"]"#);
    bench.client(1).lease(1, &[]);
    bench.client(2).lease(2, &[]);
    bench.client(2).lease(3, &[id("two")]);
    bench.client(3).lease(3, &[id("two")]);
    bench.client(3).release(1, &[]);
    bench.client(3).decline(&[srv(), want(at(2))]);
    assert_eq!(bench.stored_count(), 3, "foreign words have no effect");
}

/// A network on an interface where the server has no address of its own.
#[test]
fn direct_clients_are_served_by_their_interface() {
    let mut bench = Bench::of(
        r#"[[network]]
        interface = "eth1"
        subnet = "192.168.50.0/24"
        server = "10.9.0.1"
        pool = ["192.168.50.1"]
        [[network]]
        interface = "eth2"
        address = "10.9.0.1/24"
        pool = ["10.9.0.10"]"#,
    );
    // Networks with an address of ours come first in the list of links: the other is the second.
    bench.link = hatchery::net::LinkId(1);
    let offer = bench.discover(&[]).offers(at(1));
    assert_eq!(offer.option(code::SERVER_ID), Some(&Ipv4Addr::new(10, 9, 0, 1).octets()[..]));
}

/// The lowest free address first; an offer that nobody takes locks nothing up.
#[test]
fn lowest_free_address_first() {
    let mut bench = Bench::direct("pool = [\"192.168.50.1-192.168.50.2\"]\n[dhcp]\noffer_hold = \"10s\"");
    bench.client(1).discover(&[]).offers(at(1));
    bench.client(2).discover(&[]).offers(at(2));
    bench.client(3).discover(&[]).silent();
    bench.wait(10);
    bench.discover(&[]).offers(at(1));
}

/// Leases of 3 s and probations of 2 s are what they say, to the second.
#[test]
fn short_times_are_honoured() {
    let mut bench =
        Bench::of(&config("pool = [\"192.168.50.1\"]\n[dhcp]\ndecline_hold = \"2s\"").replace("4000s", "3s"));
    bench.lease(1, &[]);
    bench.wait(2);
    bench.client(2).discover(&[]).silent();
    bench.wait(1);
    bench.lease(1, &[]);
    bench.decline(&[srv(), want(at(1))]);
    bench.wait(1);
    bench.client(3).discover(&[]).silent();
    bench.wait(1);
    bench.discover(&[]).offers(at(1));
}

/// Leases survive a restart; a reserved address that someone else still holds is not offered.
#[test]
fn leases_survive_a_restart() {
    let mut bench = Bench::direct(r#"pool = ["192.168.50.1-192.168.50.3"]"#);
    bench.client(9).lease(1, &[]);
    bench.restart(
        "pool = [\"192.168.50.1-192.168.50.3\"]\n[[network.reservation]]\nmac = \"52:54:00:fb:00:01\"\n\
         address = \"192.168.50.1\"",
    );
    bench.client(1).discover(&[]).offers(at(2));
    bench.client(9).release(1, &[]);
    bench.client(1).lease(1, &[]);
}

/// Options 1, 3, 6 and 15 go out whether or not they are asked for.
#[test]
fn options_1_3_6_15_go_out_unasked() {
    let mut bench = Bench::direct("pool = [\"192.168.50.1\"]\ndomain = \"bench.example\"\ndns = [\"192.0.2.9\"]");
    let offer = bench.discover(&[]).offers(at(1));
    let ack = bench.request(&[srv(), want(at(1))]).acks(at(1));
    for reply in [offer, ack] {
        for (number, expected) in [(1, MASK), (3, &SRV.octets()), (6, &[192, 0, 2, 9]), (15, b"bench.example")] {
            assert_eq!(reply.option(number), Some(expected), "option {number}");
        }
    }
}

/// The nearest of place, network, pool, class and reservation wins.
#[test]
fn options_of_every_level() {
    let set = |value: &str| format!("{{ 17 = {{ type = \"text\", value = \"{value}\" }} }}");
    for levels in 1..=5 {
        let on = |level: usize, text: String| if levels >= level { text } else { String::new() };
        let toml = config(&format!(
            "pool = [{{ range = \"192.168.50.1\"{} }}]\n{}\n[[network.reservation]]\nmac = \"52:54:00:fb:00:01\"\n{}",
            on(3, format!(", options = {}", set("pool"))),
            on(2, format!("options = {}", set("network"))),
            on(5, format!("options = {}", set("reservation"))),
        ));
        let class = on(4, format!("[[class]]\nname = \"all\"\nmac = \"52\"\noptions = {}\n", set("class")));
        let mut bench = Bench::of(&format!("options = {}\n{class}{toml}", set("place")));
        let offer = bench.discover(&[prl(&[17])]).offers(at(1));
        let expected = ["place", "network", "pool", "class", "reservation"][levels - 1];
        assert_eq!(offer.option(17), Some(expected.as_bytes()));
    }
}
