//! What a relay agent says in option 82 (RFC 3046).

use std::net::Ipv4Addr;

use super::bench::*;

const POOL_9: &str = r#"pool = ["192.168.50.1-192.168.50.9"]"#;

/// Option 82 with these sub-options.
fn agent(sub_options: &[(u8, &[u8])]) -> Opt {
    let value = sub_options.iter().flat_map(|(number, value)| [&[*number, value.len() as u8], *value].concat());
    opt(code::RELAY_AGENT, value.collect::<Vec<u8>>())
}

fn server(address: Ipv4Addr) -> Opt {
    opt(code::SERVER_ID, address.octets())
}

/// RFC 5107 §4: the server identifier that the relay puts in place of ours is ours. RFC 3046 §2.2: 82 is echoed whole.
/// Contested: a REQUEST with our option 54 and no option 50 gets what it was, or would be, offered.
#[test]
fn option11_server_identifier_override() {
    let other = at(9);
    let mut bench = Bench::relayed(POOL_9);
    let ack = bench.request(&[srv()]).acks(at(1));
    assert_eq!(ack.option(code::SERVER_ID), Some(&SRV.octets()[..]));
    bench.request(&[server(other)]).silent();
    let information = agent(&[(1, b"7"), (11, &other.octets())]);
    let ack = bench.request(&[server(other), information.clone()]).acks(at(1));
    assert_eq!(ack.option(code::SERVER_ID), Some(&other.octets()[..]));
    assert_eq!(ack.relay_agent, Some(information.1.clone()));
    let offer = bench.discover(&[information]).offers(at(1));
    assert_eq!(offer.option(code::SERVER_ID), Some(&other.octets()[..]));
}

/// RFC 3527 §3: the subnet of sub-option 5 goes before that of giaddr. Contested: through a network that is not served
/// only a client that chose us is answered (RFC 2131 §3.1 step 4).
#[test]
fn option5_link_selection() {
    let mut bench = Bench::direct(POOL_9);
    bench.request(&[srv()]).acks(at(1));
    bench.giaddr = Ipv4Addr::new(10, 0, 0, 1);
    bench.request(&[srv()]).naks();
    bench.discover(&[]).silent();
    bench.request(&[want(at(1))]).silent();
    let ack = bench.request(&[srv(), agent(&[(5, &at(1).octets())])]).acks(at(1));
    assert_eq!(ack.option(code::SERVER_ID), Some(&SRV.octets()[..]));
}

/// With `ignore_link_selection` giaddr alone counts.
#[test]
fn option5_link_selection_ignore() {
    let mut bench = Bench::direct(&format!("{POOL_9}\n[dhcp]\nignore_link_selection = true"));
    bench.giaddr = Ipv4Addr::new(10, 0, 0, 1);
    bench.request(&[srv(), agent(&[(5, &at(1).octets())])]).naks();
}
