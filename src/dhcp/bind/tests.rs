//! What a REQUEST wants (RFC 2131 §4.3.2, table 4) and what it may have.

use super::*;
use crate::ids::MachineId;
use crate::lease::fixture::{LINK, Message, SERVER, ip, link, mac, reservation, site};
use crate::lease::{ClientKey, Lease, LeaseState};
use crate::time::Timestamp;
use crate::wire::dhcp::MessageType;

const FOREIGN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn request() -> Message {
    Message::new(MessageType::Request, 1)
}

#[test]
fn table_4_what_a_request_wants() {
    let selecting = |address| Ok(Wish::Selecting { server: SERVER, address: Some(address) });
    let extending = |address, renews| Ok(Wish::Extending { address, renews });
    let table = [
        (request().server(SERVER).requested(ip(1)), selecting(ip(1))),
        (request().server(SERVER).requested(ip(1)).ciaddr(ip(2)), selecting(ip(1))),
        (request().server(SERVER).ciaddr(ip(2)), selecting(ip(2))),
        (request().server(FOREIGN).requested(ip(1)), Ok(Wish::Selecting { server: FOREIGN, address: Some(ip(1)) })),
        (request().requested(ip(1)), Ok(Wish::InitReboot(ip(1)))),
        (request().ciaddr(ip(1)), extending(ip(1), false)),
        // MUST NOT stand together; the address in use counts.
        (request().requested(ip(1)).ciaddr(ip(2)), extending(ip(2), false)),
        // RFC 5010 §3: by unicast, as the relay says; other bits and lengths say nothing.
        (request().ciaddr(ip(1)).with(code::RELAY_AGENT, [10, 1, 0x80]), extending(ip(1), true)),
        (request().ciaddr(ip(1)).with(code::RELAY_AGENT, [10, 1, 0x7f]), extending(ip(1), false)),
        (request().ciaddr(ip(1)).with(code::RELAY_AGENT, [10, 2, 0x80, 0]), extending(ip(1), false)),
        // It names no address: whatever it was offered.
        (request().server(SERVER), Ok(Wish::Selecting { server: SERVER, address: None })),
        (request(), Err("forbidden")),
    ];
    for (message, expected) in table {
        let found = Wish::of(&message.request()).map_err(|refusal| refusal.kind());
        assert_eq!(found, expected, "{message:?}");
    }
}

/// `K` binds, `N` is a NAK, `-` is silence: for client 1 on a pool of .1 to .9 with .3 reserved for it, .4 for client 2.
fn verdicts(leases: &[(u8, u8, LeaseState)], authoritative: bool, wish: impl Fn(Ipv4Addr) -> Wish) -> String {
    let mut bench = link(9);
    bench.authoritative = authoritative;
    bench.reservations = vec![reservation(1, Some(ip(3))), reservation(2, Some(ip(4)))];
    let site = site(vec![bench]);
    let mut table = Leases::new(&site);
    for (last, who, state) in leases {
        let client = ClientKey::Mac(mac(*who));
        let machine = (*state == LeaseState::Bound).then_some(MachineId(1));
        let expires = Timestamp::from_millis(9);
        table.put(&site, Lease { address: ip(*last), client, machine, state: *state, expires });
    }
    let told = |address| {
        let wish = wish(address);
        let client = ClientKey::Mac(mac(1));
        let claim = Claim { link: LINK, client: &client, reserved: Some(ip(3)), classes: &[], known: false };
        match verdict(wish, &claim, &table, &site, None) {
            Verdict::Bind(bound) => {
                assert_eq!(bound, address);
                'K'
            }
            Verdict::Nak(_) => 'N',
            Verdict::Silent(_) => '-',
        }
    };
    [ip(1), ip(2), ip(3), ip(4), ip(200), SERVER, FOREIGN].map(told).iter().collect()
}

#[test]
fn section_4_3_2_who_gets_what() {
    use LeaseState::{Bound, Declined, Offered, Released};
    let selecting = |address| Wish::Selecting { server: SERVER, address: Some(address) };
    type Leases<'a> = &'a [(u8, u8, LeaseState)];
    // What is held: address, client, state. Then Selecting; InitReboot and Extending, each authoritative and not.
    // Columns: .1 .2 .3 (its own reservation) .4 (another's) .200 (no pool) .252 (ours) and a foreign network.
    let table: [(Leases<'_>, &str, [&str; 2], [&str; 2]); 8] = [
        (&[], "KKKNNNN", ["NNNNNNN", "------N"], ["KKK---N", "KKK----"]),
        (&[(1, 1, Offered)], "KKKNNNN", ["KNNNNNN", "K-----N"], ["KKK---N", "KKK----"]),
        (&[(1, 1, Bound)], "KKKNNNN", ["KNNNNNN", "KNNNNNN"], ["KKK---N", "KKK----"]),
        (&[(1, 1, Released)], "KKKNNNN", ["KNNNNNN", "KNNNNNN"], ["KKK---N", "KKK----"]),
        (&[(1, 1, Declined)], "NKKNNNN", ["NNNNNNN", "N-----N"], ["NKK---N", "NKK----"]),
        (&[(1, 2, Bound), (2, 2, Offered)], "NNKNNNN", ["NNNNNNN", "------N"], ["NNK---N", "NNK----"]),
        (&[(1, 2, Released)], "KKKNNNN", ["NNNNNNN", "------N"], ["KKK---N", "KKK----"]),
        // Bound before it was reserved for another: its own until the lease ends, and not again.
        (&[(4, 1, Bound)], "KKKNNNN", ["NNNNNNN", "NNNNNNN"], ["KKK---N", "KKK----"]),
    ];
    for (leases, select, init_reboot, extend) in table {
        for (authoritative, init_reboot, extend) in
            [(true, init_reboot[0], extend[0]), (false, init_reboot[1], extend[1])]
        {
            let told = |wish: fn(Ipv4Addr) -> Wish| verdicts(leases, authoritative, wish);
            assert_eq!(verdicts(leases, authoritative, selecting), select, "selecting {authoritative} {leases:?}");
            assert_eq!(told(Wish::InitReboot), init_reboot, "init-reboot {authoritative} {leases:?}");
            let extending = |address| Wish::Extending { address, renews: false };
            assert_eq!(told(extending), extend, "extending {authoritative} {leases:?}");
        }
    }
}

#[test]
fn a_request_for_another_server_is_not_answered() {
    assert_eq!(verdicts(&[], true, |address| Wish::Selecting { server: FOREIGN, address: Some(address) }), "-------");
}

#[test]
fn rfc_5107_the_relay_may_stand_for_us() {
    let site = site(vec![link(9)]);
    assert!(means_us(SERVER, &site, None) && !means_us(FOREIGN, &site, None));
    assert!(means_us(FOREIGN, &site, Some(FOREIGN)) && means_us(SERVER, &site, Some(FOREIGN)));
}
