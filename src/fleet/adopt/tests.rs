//! What becomes of each kind of row.

use std::net::Ipv4Addr;

use super::original::{Original, PoolName, Run};
use super::*;
use crate::ids::{BatchId, Hostname, ProductName, VenueCode};
use crate::lease::{ClientKey, LeaseState};
use crate::machine::Order;
use crate::machine::stage::Stage;
use crate::naming::{Batch, BatchState, NameState, Product, Scheme, Venue};
use crate::net::Subnet;
use crate::site::{Link, Pool};

const NOW: i64 = 1_800_000_000_000;

fn site() -> Site {
    let subnet = Subnet::containing(Ipv4Addr::new(192, 168, 151, 0), 24).unwrap();
    let pool = Pool::new(Ipv4Addr::new(192, 168, 151, 100), Ipv4Addr::new(192, 168, 151, 250));
    let address = Ipv4Addr::new(192, 168, 151, 1);
    Site::new(vec![Link { pools: vec![pool], ..Link::new("eth1", subnet, address) }])
}

fn product(name: &str) -> ProductName {
    ProductName::parse(name).unwrap()
}

fn venue(code: &str) -> Venue {
    let code = VenueCode::parse(code).unwrap();
    Venue { name: code.to_string(), code, location: None, contact_email: None, created_at: None }
}

fn mac(last: u8) -> Option<Mac> {
    Some(Mac([0xdc, 0xa6, 0x32, 0, 0, last]))
}

fn serial(text: &str) -> Option<Serial> {
    Serial::parse(text)
}

fn pooled(identifier: &str, state: &'static str, mac: Option<Mac>, serial: Option<Serial>) -> PoolName {
    PoolName {
        product: product("KXP2"),
        venue: venue("SPAA").code,
        identifier: identifier.to_owned(),
        state,
        mac,
        serial,
        assigned_at: None,
        created_at: None,
        notes: None,
    }
}

fn run(mac: Option<Mac>, serial: Option<Serial>, status: &str, at: i64) -> Run {
    Run {
        hostname: None,
        mac,
        serial,
        address: Some(Ipv4Addr::LOCALHOST),
        product: None,
        venue: None,
        image_version: None,
        status: status.to_owned(),
        started_at: Some(Timestamp::from_millis(at - 1)),
        completed_at: Some(Timestamp::from_millis(at)),
        error_message: (status == "failed").then(|| "the card is full".to_owned()),
    }
}

/// What a test holds between two take-overs.
struct World {
    site: Site,
    tables: Tables,
    deployments: Vec<crate::fleet::Deployment>,
}

impl World {
    fn new() -> World {
        let site = site();
        let products = [
            Product { name: product("KXP2"), scheme: Scheme::Pooled { width: 3 }, image: None },
            Product { name: product("RXP2"), scheme: Scheme::Serial { digits: 8 }, image: None },
        ];
        let tables = Tables::new(&site, &products);
        World { site, tables, deployments: Vec::new() }
    }

    fn adopt(&mut self, take: impl FnOnce(&mut Adoption<'_>, &[crate::fleet::Deployment])) -> Report {
        let mut adoption = Adoption::new(&self.site, self.tables.clone(), Timestamp::from_millis(NOW));
        take(&mut adoption, &self.deployments);
        let (changes, report) = adoption.finish();
        assert_eq!(changes.is_empty(), report.is_nothing_new());
        for change in &changes {
            self.tables.apply(&self.site, change);
            if let Change::Deployment(deployment) = change {
                self.deployments.push(deployment.clone());
            }
        }
        report
    }

    fn original(&mut self, original: &Original) -> Report {
        self.adopt(|adoption, deployments| adoption.original(original, &[], deployments, |_| {}))
    }

    fn machine(&self, last: u8) -> &Machine {
        self.tables.machines.by_mac(mac(last).unwrap()).expect("the machine is known")
    }
}

fn remarks(report: &Report) -> Vec<String> {
    let line =
        |each: &Remark| format!("{}{} {}: {}", if each.refused { "-" } else { "+" }, each.row, each.field, each.reason);
    report.remarks.iter().map(line).collect()
}

#[test]
fn names_are_held_once_and_what_contradicts_is_refused() {
    let mut world = World::new();
    let names = [
        pooled("001", "assigned", mac(1), serial("10000000aaaaaaaa")),
        pooled("2", "available", None, None),
        pooled("003", "retired", None, None),
        pooled("004", "assigned", mac(1), None),
        pooled("005", "assigned", mac(5), serial("10000000aaaaaaaa")),
        pooled("1", "available", None, None),
        pooled("007", "assigned", None, None),
        pooled("seven", "available", None, None),
        PoolName { product: product("ZZZ9"), ..pooled("8", "available", None, None) },
        PoolName { venue: venue("MONZ").code, ..pooled("009", "available", None, None) },
        PoolName { product: product("RXP2"), ..pooled("d9780558", "assigned", None, serial("10000000d9780558")) },
        pooled("010", "assigned", mac(1), serial("10000000bbbbbbbb")),
    ];
    let original =
        Original { venues: vec![(1, venue("SPAA"))], names: (1..).zip(names).collect(), ..Original::default() };
    let report = world.original(&original);
    assert_eq!(
        remarks(&report),
        [
            "+2 identifier: KXP2-SPAA-2 is KXP2-SPAA-002 here",
            "-4 mac_address: that machine holds KXP2-SPAA-001 already",
            "-5 mac_address: that machine holds KXP2-SPAA-001 already",
            "-6 identifier: row 1 is KXP2-SPAA-001 already",
            "+7 mac_address: it is assigned, and nothing says to whom; it is retired, so that nobody else gets it",
            "-8 identifier: 'seven' is no number",
            "-9 product_type: no product ZZZ9 is configured",
            "-10 venue_code: there is no venue MONZ",
            "+11 identifier: RXP2-SPAA-d9780558 is RXP2-SPAA-D9780558 here",
            "-12 serial_number: the MAC is the one of machine 10000000aaaaaaaa, and serial 10000000bbbbbbbb is another board",
        ]
    );
    assert_eq!(world.tables.naming.check(), Ok(()));
    assert_eq!(world.tables.machines.iter().count(), 2, "no machine is left of a refused row");
    assert_eq!((&world.machine(1).stage, world.machine(1).order), (&Stage::Done, Order::Disk));
    let states: Vec<(&str, &str)> =
        world.tables.naming.names().map(|name| (name.hostname.as_str(), name.state.word())).collect();
    let wanted = [
        ("KXP2-SPAA-001", "assigned"),
        ("KXP2-SPAA-002", "available"),
        ("KXP2-SPAA-003", "retired"),
        ("KXP2-SPAA-007", "retired"),
        ("RXP2-SPAA-D9780558", "assigned"),
    ];
    assert_eq!(states, wanted);
    assert!(world.original(&original).is_nothing_new());
}

#[test]
fn what_stands_here_goes_before() {
    let mut world = World::new();
    let free = Original {
        venues: vec![(1, venue("SPAA"))],
        names: vec![
            (1, pooled("001", "available", None, None)),
            (2, pooled("002", "retired", None, None)),
            (3, pooled("003", "assigned", mac(3), None)),
        ],
        ..Original::default()
    };
    world.original(&free);
    let later = Original {
        venues: vec![(1, Venue { location: Some("Stavelot".into()), ..venue("SPAA") })],
        names: vec![
            (1, pooled("001", "assigned", mac(1), None)),
            (2, pooled("002", "assigned", mac(2), None)),
            (3, pooled("003", "available", None, None)),
        ],
        ..Original::default()
    };
    let report = world.original(&later);
    assert_eq!(
        remarks(&report),
        [
            "-1 location: SPAA is here already and says otherwise; that stays",
            "-2 status: here KXP2-SPAA-002 is retired; that stays",
            "-3 status: here KXP2-SPAA-003 is held by machine dc:a6:32:00:00:03; that stays",
        ]
    );
    let name = world.tables.naming.name(&Hostname::parse("KXP2-SPAA-001").unwrap()).unwrap();
    assert_eq!(name.state, NameState::Assigned(world.machine(1).id), "a free name of the configuration is taken");
}

#[test]
fn a_machine_is_where_its_last_run_left_it() {
    let mut world = World::new();
    let runs = [
        run(mac(1), None, "failed", 10),
        run(mac(1), None, "success", 20),
        run(mac(2), None, "success", 10),
        run(mac(2), None, "failed", 20),
        run(None, serial("10000000d9780558"), "success", 5),
        Run { completed_at: None, ..run(mac(4), None, "downloading", 5) },
        run(None, None, "failed", 5),
        Run { hostname: Hostname::parse("KXP2-SPAA-001"), address: None, ..run(None, None, "failed", 6) },
        run(mac(1), None, "success", 20),
        Run { started_at: None, ..run(mac(5), None, "interrupted", 7) },
    ];
    let original = Original {
        venues: vec![(1, venue("SPAA"))],
        names: vec![(1, pooled("001", "assigned", mac(2), None))],
        runs: (1..).zip(runs).collect(),
        ..Original::default()
    };
    let report = world.original(&original);
    assert_eq!(
        remarks(&report),
        [
            "-6 completed_at: the run is not over; it can be taken once it is",
            "-7 mac_address: neither MAC nor serial nor name says whose run it was",
            "+8 ip_address: it has none; it is 0.0.0.0",
            "+10 started_at: it has none; the run begins when it ended",
        ]
    );
    let counts = report.counts[original::table::HISTORY];
    assert_eq!((counts.taken, counts.known, counts.refused), (7, 1, 2));
    assert_eq!((&world.machine(1).stage, world.machine(1).order), (&Stage::Done, Order::Disk));
    assert_eq!(world.machine(2).stage, Stage::Failed("the card is full".into()));
    assert_eq!(world.machine(2).order, Order::Install);
    assert_eq!((&world.machine(5).stage, world.machine(5).order), (&Stage::Waiting, Order::Install));
    assert!(world.original(&original).is_nothing_new());
}

#[test]
fn batches_keep_their_numbers_unless_ours_have_them() {
    let batch = |id: u64, remaining: u64, state: BatchState| Batch {
        id: BatchId(id),
        product: product("RXP2"),
        venue: venue("SPAA").code,
        total: 5,
        remaining,
        priority: 2,
        state,
        created_at: Timestamp::from_millis(i64::try_from(id).unwrap()),
        started_at: None,
        completed_at: None,
    };
    let mut world = World::new();
    let site = world.site.clone();
    world.tables.apply(&site, &Change::Batch(Batch { total: 9, ..batch(2, 9, BatchState::Pending) }));
    let batches = [
        batch(1, 3, BatchState::Active),
        batch(2, 5, BatchState::Pending),
        batch(4, 0, BatchState::Active),
        batch(5, 6, BatchState::Pending),
        Batch { total: 0, ..batch(6, 0, BatchState::Pending) },
    ];
    let batches = batches.into_iter().map(|batch| (i64::try_from(batch.id.0).unwrap(), batch)).collect();
    let original = Original { venues: vec![(1, venue("SPAA"))], batches, ..Original::default() };
    let report = world.original(&original);
    assert_eq!(
        remarks(&report),
        [
            "+2 id: there is a batch 2 here; it is batch 3 now",
            "+4 status: it was active with nothing left; it is completed",
            "-5 remaining_count: 6 are left of 5",
            "-6 total_count: it must be > 0",
        ]
    );
    let ids: Vec<(u64, &str)> = world.tables.naming.batches().map(|batch| (batch.id.0, batch.state.word())).collect();
    assert_eq!(ids, [(1, "active"), (2, "pending"), (3, "pending"), (4, "completed")]);
    assert!(world.original(&original).is_nothing_new());
}

#[test]
fn leases_of_our_pools_are_bound() {
    let mut world = World::new();
    let file = "\
1800000100 dc:a6:32:00:00:01 192.168.151.100 pi *
0 dc:a6:32:00:00:02 192.168.151.101 * 01:dc:a6:32:00:00:02
1800000100 dc:a6:32:00:00:03 192.168.151.102 * ff:32:00:00:03:00:01
1799999999 dc:a6:32:00:00:04 192.168.151.103 * *
1800000100 dc:a6:32:00:00:05 192.168.151.1 * *

1800000100 dc:a6:32:00:00:06 10.0.0.9 * *
1800000100 dc:a6:32:00:00:07 192.168.151.100 * *
1800000100 dc:a6:32:00:00:01 192.168.151.104 * *
soon dc:a6:32:00:00:08 192.168.151.105 * *
1800000100 06-dc:a6 192.168.151.105 * *
1800000100 dc:a6:32:00:00:08 here * *
1800000100 dc:a6:32:00:00:08 192.168.151.105 * zz:01
duid 00:01:00:01
nonsense
";
    let report = world.adopt(|adoption, _| adoption.leases(file));
    assert_eq!(
        remarks(&report),
        [
            "-4 expiry: the lease has run out",
            "-5 address: 192.168.151.1 is in no pool, or reserved for another",
            "-7 address: 10.0.0.9 is in no network of the configuration",
            "-8 address: 192.168.151.100 is bound here, by dc:a6:32:00:00:01",
            "-9 client-id: that client holds 192.168.151.100 already",
            "-10 expiry: 'soon' is no time",
            "-11 mac: '06-dc:a6' is no Ethernet address",
            "-12 address: 'here' is no IPv4 address",
            "-13 client-id: 'zz:01' is no client identifier",
            "-14 line: it belongs to DHCPv6, which is not served here",
            "-15 line: it is not EXPIRY MAC ADDRESS NAME CLIENT-ID",
        ]
    );
    assert_eq!(world.tables.leases.check(), Ok(()));
    let leases: Vec<_> = world.tables.leases.iter().cloned().collect();
    assert_eq!(leases.len(), 3);
    assert!(leases.iter().all(|lease| lease.state == LeaseState::Bound));
    assert_eq!(
        leases[1].client,
        ClientKey::Mac(mac(2).unwrap()),
        "a client identifier that repeats the MAC is the MAC"
    );
    assert!(leases[1].expires > Timestamp::from_millis(NOW * 2), "0 is for ever");
    assert!(matches!(leases[2].client, ClientKey::Id(_)));
    assert_eq!(leases[2].machine, Some(world.machine(3).id));
    assert!(world.adopt(|adoption, _| adoption.leases(file)).is_nothing_new());
}

#[test]
fn a_machine_known_by_its_lease_alone_is_finished_by_its_name() {
    let mut world = World::new();
    world.adopt(|adoption, _| adoption.leases("0 dc:a6:32:00:00:01 192.168.151.100 * *"));
    assert_eq!(world.machine(1).order, Order::Install);
    let original = Original {
        venues: vec![(1, venue("SPAA"))],
        names: vec![(1, pooled("001", "assigned", mac(1), None))],
        ..Original::default()
    };
    world.original(&original);
    assert_eq!((&world.machine(1).stage, world.machine(1).order), (&Stage::Done, Order::Disk));
}
