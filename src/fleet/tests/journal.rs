//! The journal and determinism: what is loaded is what was remembered, and the same events give the same actions.

use super::*;
use crate::machine::hardware::Hardware;

/// Two links, three pool addresses and a reservation on the first; short holds, so that things end while others go on.
fn place() -> Arc<Site> {
    let mut first = link(3);
    first.reservations = vec![reservation(1, Some(ip(3))), reservation(2, Some(ip(9)))];
    first.reservations[1].hostname = Some(hostname("KXP2-ARLT-002"));
    let mut second = link(2);
    second.subnet = crate::net::Subnet::parse("10.0.0.0/24").expect("a subnet");
    second.address = Ipv4Addr::new(10, 0, 0, 252);
    second.pools = vec![Pool::new(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2))];
    (second.interface, second.segment) = (Some("eth2".to_owned()), "eth2".to_owned());
    second.authoritative = false;
    let mut place = site(vec![first, second]);
    place.decline_hold = Duration::from_secs(60);
    Arc::new(place)
}

/// A machine-made life: DHCP of six clients in every state, installers, operators, files and time.
fn event(rng: &mut fastrand::Rng) -> Event {
    let last = rng.u8(1..=6);
    let net = rng.u8(0..2);
    let address = if net == 0 { ip(rng.u8(0..=10)) } else { Ipv4Addr::new(10, 0, 0, rng.u8(0..=3)) };
    let server = if rng.u8(0..8) == 0 { ip(7) } else { [SERVER, Ipv4Addr::new(10, 0, 0, 252)][usize::from(net)] };
    let mut message = match rng.u8(0..9) {
        0..=2 => bios(last),
        3 => Message::new(Request, last).requested(address).server(server),
        4 => Message::new(Request, last).requested(address),
        5 => Message::new(Request, last).ciaddr(address).with(code::CLIENT_ARCH, [0, 0]),
        6 => Message::new(Decline, last).requested(address),
        7 => Message::new(Release, last).ciaddr(address),
        _ => Message::new(Inform, last).ciaddr(address),
    };
    if rng.u8(0..4) == 0 {
        message = message.id([0, rng.u8(0..3), 7]);
    }
    if rng.u8(0..10) == 0 {
        message = message.chaddr([0; 6]);
    }
    let installer = Installer::new(last).at(address);
    let reply_to = ReplyTo(1);
    match rng.u8(0..20) {
        0..=12 => Event::Dhcp { link: LinkId(net.into()), port: 68, bytes: message.bytes() },
        13 => installer.event(Report::Config {
            product: Some(["KXP2", "RXP2"][usize::from(last % 2)].to_owned()),
            venue: rng.bool().then(|| venue("ARLT")),
            hardware: rng.bool().then(|| Hardware {
                installer: "1".into(),
                ram_bytes: rng.u64(..9),
                ..Hardware::default()
            }),
        }),
        14 | 15 => {
            let words = ["starting", "downloading", "verifying", "success", "failed", "other"];
            let status = words[rng.usize(..words.len())].to_owned();
            installer.event(Report::Status { status, hostname: None, message: rng.bool().then(|| "why".to_owned()) })
        }
        16 => {
            let (transfer, name) =
                (TransferId(rng.u64(0..4)), ["pxelinux.0", "images/x.img"][usize::from(net)].to_owned());
            Event::FetchStarted { transfer, address, name, size: 10, via: Via::Tftp }
        }
        17 => Event::Fetched { transfer: TransferId(rng.u64(0..4)), sent: 10, outcome: Outcome::Complete },
        18 => {
            let id = BatchId(rng.u64(1..4));
            let selector = Selector::Mac(mac(last));
            let create = Command::BatchCreate {
                venue: "ARLT".to_owned(),
                product: ["KXP2", "RXP2"][usize::from(net)].to_owned(),
                total: 2,
                priority: rng.i64(0..3),
            };
            let name = format!("KXP2-ARLT-{:03}", rng.u8(1..=8));
            let (of_kxp2, file) = ("KXP2".to_owned(), format!("{last}.img"));
            let command = match rng.u8(0..15) {
                0 => Command::BatchStart(id),
                1 => Command::BatchPause(id),
                2 => Command::Reinstall(selector),
                3 => Command::Hold(selector),
                4 => Command::Forget { machine: selector, release_name: rng.bool(), force: rng.bool() },
                5 => Command::NameRelease { hostname: name, force: rng.bool() },
                6 => Command::NameRetire(name),
                7 => Command::NameReinstate(name),
                8 => Command::BatchCancel(id),
                9 => Command::ImageAdd { product: of_kxp2, file, version: None },
                10 => Command::ImageActivate { product: of_kxp2, image: file, force: true },
                11 => Command::ImageRemove { product: of_kxp2, image: file },
                12 => Command::ImageGone { product: product("KXP2"), file },
                13 => Command::ImageDeprecate { product: of_kxp2, image: file, deprecated: rng.bool() },
                _ => create,
            };
            Event::Command { command, by: Actor::user("anna"), reply_to }
        }
        _ if rng.u8(0..8) == 0 => {
            let (product, image) = (product("KXP2"), image(&format!("{last}.img")));
            let measured = Some(Measured { image: image.clone(), modified_nanos: 1, inode: 1 });
            Event::Image { product, state: ImageState::Ready(image), measured }
        }
        _ => Event::Deadline,
    }
}

fn life(seed: u64, events: usize) -> (World, Vec<Action>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::factory(8);
    let mut pc = profiles();
    pc[0].product = Some(product("KXP2"));
    pc[0].venue = rng.bool().then(|| venue("ARLT"));
    let rows = std::mem::take(&mut world.journal);
    world.fleet = Fleet::load(place(), Catalog::new(pc), products(), rows.clone(), world.now);
    world.journal = rows;
    world.image("KXP2", ImageState::Ready(image("kxp2_master.img")));
    let mut actions = Vec::new();
    for _ in 0..events {
        let event = event(&mut rng);
        actions.extend(world.handle(event));
        if rng.u8(0..3) == 0 {
            world.wait(rng.u64(0..700));
        }
    }
    (world, actions)
}

#[test]
fn replaying_the_changes_gives_the_same_tables() {
    for seed in 0..60 {
        let (world, actions) = life(seed, 250);
        assert_eq!(world.restarted(), world.remembered(), "seed {seed}");
        let answers = actions.iter().filter(|action| matches!(action, Action::Send { .. })).count();
        assert!(answers > 40, "seed {seed}: {answers} replies reach too little");
    }
}

/// A store keeps one row of each key and loads them in the order of the keys, not of the changes.
#[test]
fn loading_rows_by_key_gives_the_same_tables() {
    for seed in 100..160 {
        let (world, _) = life(seed, 250);
        let rows = by_key(&world.journal);
        let mut tables = Tables::new(&world.fleet.site, &world.fleet.products);
        for row in &rows {
            tables.apply(&world.fleet.site, row);
        }
        assert_eq!(tables, world.remembered(), "seed {seed}");
    }
}

fn by_key(journal: &[Change]) -> Vec<Change> {
    let mut rows: BTreeMap<String, Change> = BTreeMap::new();
    let (mut keep, mut drop) = (Vec::new(), Vec::new());
    for change in journal {
        match change {
            Change::Machine(machine) => keep.push((format!("0 {:08}", machine.id.0), change.clone())),
            Change::StageEntered { machine, stage, at } => {
                let key = format!("0 {:08}", machine.0);
                let known = keep.iter().rev().find(|(each, _)| *each == key);
                let Some((_, Change::Machine(known))) = known else { panic!("a stage of no machine") };
                let entered = Machine { stage: stage.clone(), stage_since: *at, ..known.clone() };
                keep.push((key, Change::Machine(entered)));
            }
            Change::MachineForgotten(id) => {
                drop.push((keep.len(), format!("0 {:08}", id.0)));
                keep.push((format!("8 {:08}", id.0), change.clone()));
            }
            Change::Lease(lease) => keep.push((format!("1 {:>15}", lease.address), change.clone())),
            Change::LeaseFreed(address) => drop.push((keep.len(), format!("1 {address:>15}"))),
            Change::Name(name) => keep.push((format!("2 {}", name.hostname), change.clone())),
            Change::Batch(batch) => keep.push((format!("3 {}", batch.id), change.clone())),
            Change::Venue(venue) => keep.push((format!("4 {}", venue.code), change.clone())),
            Change::VenueRemoved(code) => drop.push((keep.len(), format!("4 {code}"))),
            Change::Logged { .. } | Change::Audited(_) => {}
            Change::Deployment(deployment) => keep.push((format!("5 {:08}", deployment.id.0), change.clone())),
            Change::Edition(edition) => keep.push((format!("7 {}", edition.file), change.clone())),
            Change::Measured(measured) => keep.push((format!("6 {}", measured.image.file), change.clone())),
            Change::ImageForgotten { file, .. } => {
                drop.extend([6, 7].map(|table| (keep.len(), format!("{table} {file}"))));
            }
        }
    }
    let mut freed = drop.into_iter().peekable();
    for (index, (key, change)) in keep.into_iter().enumerate() {
        while let Some((_, key)) = freed.next_if(|(at, _)| *at <= index) {
            rows.remove(&key);
        }
        rows.insert(key, change);
    }
    freed.for_each(|(_, key)| _ = rows.remove(&key));
    rows.into_values().collect()
}

#[test]
fn the_same_events_give_the_same_actions() {
    for seed in 200..210 {
        assert!(life(seed, 200).1 == life(seed, 200).1, "seed {seed}");
    }
}

#[test]
fn no_send_before_its_commit() {
    let mut world = World::factory(3);
    world.reply(&bios(1));
    let request = Message::new(Request, 1).requested(ip(1)).server(SERVER);
    let actions = world.handle(Event::Dhcp { link: LINK, port: 68, bytes: request.bytes() });
    let sent = actions.iter().position(|action| matches!(action, Action::Send { .. })).expect("an ACK");
    let last_commit = actions.iter().rposition(|action| matches!(action, Action::Commit(_))).expect("a lease");
    assert!(last_commit < sent, "{actions:?}");
}

#[test]
fn a_deadline_does_a_bounded_piece_of_work() {
    let mut world = World::pool(200);
    for last in 1..=150 {
        world.bind(last);
    }
    world.now = world.now.after(Duration::from_secs(4000));
    let mut turns = 0;
    while world.fleet.next_deadline().is_some_and(|due| due <= world.now.timestamp) {
        world.handle(Event::Deadline);
        turns += 1;
    }
    assert_eq!(turns, 3);
    assert!(world.fleet.tables().leases.iter().all(|lease| lease.state == LeaseState::Released));
}

#[test]
fn readers_see_what_the_fleet_knows() {
    for seed in 300..320 {
        let (mut world, _) = life(seed, 200);
        let mut board = board::Board::new(world.fleet.site.clone(), world.fleet.catalog.clone());
        std::mem::take(&mut world.notices).iter().for_each(|notice| board.apply(notice));
        let mut fresh = board.clone();
        fresh.reset(world.fleet.views(world.fleet.ids()), world.fleet.notices());
        for machine in world.fleet.tables().machines.iter() {
            let seen = |board: &board::Board| {
                let view = board.machines().find(|view| view.machine.id == machine.id).cloned();
                let view = view.unwrap_or_else(|| panic!("seed {seed}: machine {} is not shown", machine.id));
                (view.machine.clone(), view.name.clone(), view.address)
            };
            assert_eq!(seen(&board), seen(&fresh), "seed {seed}");
        }
        let bound = |board: &board::Board| {
            board.leases().filter(|lease| lease.state == LeaseState::Bound).cloned().collect::<Vec<_>>()
        };
        assert_eq!(bound(&board), bound(&fresh), "seed {seed}");
    }
}
