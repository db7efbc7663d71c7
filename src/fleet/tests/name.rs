//! One machine, one name, once: what `/api/config` and the first address give, and what they never give twice.

use super::*;

fn assigned(world: &World) -> Vec<(String, MachineId)> {
    let names = world.fleet.tables().naming.names();
    names
        .filter_map(|name| match name.state {
            NameState::Assigned(machine) => Some((name.hostname.to_string(), machine)),
            NameState::Available | NameState::Retired => None,
        })
        .collect()
}

fn remaining(world: &World, id: BatchId) -> (u64, &'static str) {
    let batch = world.fleet.tables().naming.batch(id).expect("the batch is known");
    (batch.remaining, batch.state.word())
}

#[test]
fn the_lowest_free_number_first() {
    let mut world = World::factory(3);
    let names: Vec<_> = (1..=3).map(|last| world.named(&Installer::new(last))).collect();
    let expected = ["KXP2-ARLT-001", "KXP2-ARLT-002", "KXP2-ARLT-003"].map(|name| Some(name.to_owned()));
    assert_eq!(names, expected, "whatever the order in which they were declared");
}

#[test]
fn asking_twice_gives_the_same_and_burns_nothing() {
    let mut world = World::factory(3);
    let first = world.config(&Installer::new(1));
    assert_eq!(first, world.config(&Installer::new(1)));
    assert_eq!(world.left(), 2);
    // Whatever else it says the second time.
    let mut other = Installer::new(1).product("RXP2");
    other.venue = None;
    assert_eq!(world.named(&other).as_deref(), Some("KXP2-ARLT-001"));
    assert_eq!(world.config(&other).expect("it is configured").product, product("KXP2"));
    // By its serial alone, in the short form, or by its MAC alone.
    for (mac, serial) in
        [(None, Some(serial("10000000abcdef01"))), (None, Some(serial("abcdef01"))), (Some(mac(1)), None)]
    {
        assert_eq!(world.named(&Installer { mac, serial, ..Installer::new(1) }).as_deref(), Some("KXP2-ARLT-001"));
    }
    assert_eq!(world.left(), 2);
}

#[test]
fn serial_names_are_upper_case_and_default_names_as_the_serial_is() {
    let mut world = World::factory(1);
    assert_eq!(world.named(&Installer::new(0xa1).product("RXP2")).as_deref(), Some("RXP2-ARLT-ABCDEFA1"));
    let nowhere = |last| Installer { venue: None, ..Installer::new(last) };
    assert_eq!(world.named(&nowhere(0xb2)).as_deref(), Some("KXP2-DEFAULT-cdefb2"));
    assert_eq!(world.named(&nowhere(0xb3).product("RXP2")).as_deref(), Some("RXP2-DEFAULT-cdefb3"));
    let unknown = Installer { venue: Some(venue("ZZZZ")), ..Installer::new(0xb4) };
    assert_eq!(world.named(&unknown).as_deref(), Some("KXP2-DEFAULT-cdefb4"), "a venue nobody declared");
    assert_eq!(world.left(), 1);
    // The pool is used up.
    world.named(&Installer::new(1));
    assert_eq!(world.named(&Installer::new(2)).as_deref(), Some("KXP2-DEFAULT-cdef02"));
}

#[test]
fn who_has_no_serial_is_unknown_where_the_serial_would_name_it() {
    let mut world = World::factory(1);
    let nameless = |last| Installer { serial: None, venue: None, ..Installer::new(last) };
    assert_eq!(world.named(&nameless(1)), None);
    assert_eq!(world.named(&nameless(2)), None);
    assert_eq!(assigned(&world), []);
    // A pool needs no serial.
    assert_eq!(world.named(&Installer { serial: None, ..Installer::new(3) }).as_deref(), Some("KXP2-ARLT-001"));
    // Unknown is no name: with a serial it gets one.
    assert_eq!(world.named(&Installer { venue: None, ..Installer::new(1) }).as_deref(), Some("KXP2-DEFAULT-cdef01"));
}

#[test]
fn nobody_at_all_is_refused() {
    let mut world = World::factory(1);
    let nobody = Installer { mac: None, serial: None, ..Installer::new(1) };
    assert_eq!(world.config(&nobody), Err(Refusal::Invalid("serial_number is required".into())));
    assert_eq!(world.fleet.tables().machines.iter().count(), 0);
}

#[test]
fn a_batch_overrides_product_and_venue() {
    let mut world = World::factory(3);
    let id = world.batch("arlt", "rxp2", 2, 0);
    let config =
        world.config(&Installer { venue: Some(venue("ZZZZ")), ..Installer::new(1) }).expect("it is configured");
    assert_eq!(config.hostname.map(|name| name.to_string()).as_deref(), Some("RXP2-ARLT-ABCDEF01"));
    assert_eq!((config.product, config.venue), (product("RXP2"), Some(venue("ARLT"))));
    assert_eq!(config.image.file, "rxp2_master.img");
    assert_eq!(config.image_url, "http://192.168.50.252/images/rxp2_master.img");
    assert_eq!(remaining(&world, id), (1, "active"));
    assert_eq!(world.left(), 3);
}

#[test]
fn the_highest_priority_then_the_lowest_id() {
    let mut world = World::factory(9);
    world.declare("ZOLD", 9);
    world.declare("ASSN", 9);
    let low = world.batch("ARLT", "KXP2", 1, 0);
    let high = world.batch("ZOLD", "KXP2", 1, 5);
    let same = world.batch("ASSN", "KXP2", 1, 5);
    let names: Vec<_> = (1..=4).map(|last| world.named(&Installer::new(last)).expect("a name")).collect();
    assert_eq!(names, ["KXP2-ZOLD-001", "KXP2-ASSN-001", "KXP2-ARLT-001", "KXP2-ARLT-002"]);
    for id in [low, high, same] {
        assert_eq!(remaining(&world, id), (0, "completed"), "batch {id}");
    }
}

#[test]
fn a_batch_counts_a_machine_once() {
    let mut world = World::factory(9);
    let id = world.batch("ARLT", "RXP2", 3, 0);
    for _ in 0..3 {
        assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("RXP2-ARLT-ABCDEF01"));
    }
    assert_eq!(remaining(&world, id), (2, "active"));
    world.named(&Installer::new(2));
    world.named(&Installer::new(3));
    let batch = world.fleet.tables().naming.batch(id).expect("the batch").clone();
    assert_eq!((batch.remaining, batch.state.word(), batch.completed_at), (0, "completed", Some(world.now.timestamp)));
    assert_eq!(world.named(&Installer::new(4)).as_deref(), Some("KXP2-ARLT-001"), "the batch is over");
}

#[test]
fn a_paused_batch_gives_nothing_until_it_goes_on() {
    let mut world = World::factory(9);
    let id = world.batch("ARLT", "RXP2", 2, 0);
    world.command(Command::BatchPause(id)).expect("it pauses");
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("KXP2-ARLT-001"));
    world.command(Command::BatchStart(id)).expect("it goes on");
    assert_eq!(world.named(&Installer::new(2)).as_deref(), Some("RXP2-ARLT-ABCDEF02"));
}

#[test]
fn what_operators_are_told_about_batches() {
    let mut world = World::factory(6);
    let create = |venue: &str, product: &str, total| {
        let (venue, product) = (venue.to_owned(), product.to_owned());
        Command::BatchCreate { venue, product, total, priority: 0 }
    };
    let table = [
        (create("ARLT", "KXP2", 99), "Insufficient available hostnames. Requested: 99, Available: 6"),
        (create("ZZZZ", "KXP2", 1), "Venue not found: ZZZZ"),
        (create("ARLT", "ABC", 1), "Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'"),
        (create("ARLT", "KXP2", 0), "total_count must be > 0, got 0"),
        (create("ARLT", "KXP2", -3), "total_count must be > 0, got -3"),
        (Command::BatchStart(BatchId(7)), "Batch not found"),
    ];
    for (command, expected) in table {
        let told = world.command(command.clone()).map_err(|refusal| refusal.to_string());
        assert_eq!(told, Err(expected.to_owned()), "{command:?}");
    }
    assert!(world.command(create("ARLT", "RXP2", 99)).is_ok(), "serial names need no pool");
    let pause = world.command(Command::BatchPause(BatchId(1))).map_err(|refusal| refusal.to_string());
    assert_eq!(pause, Err("Batch 1 must be active to pause (current status: pending)".to_owned()));
    let id = world.batch("ARLT", "KXP2", 1, 9);
    world.named(&Installer::new(1));
    let start = world.command(Command::BatchStart(id)).map_err(|refusal| refusal.to_string());
    assert_eq!(start, Err(format!("Cannot start completed batch {id}")));
}

#[test]
fn a_missing_image_leaks_no_number() {
    let mut world = World::factory(2);
    let id = world.batch("ARLT", "RXP2", 2, 0);
    for state in [ImageState::Missing, ImageState::Measuring] {
        world.image("RXP2", state.clone());
        let refused = world.config(&Installer::new(1)).expect_err("there is nothing to write");
        let sentence = match state {
            ImageState::Missing => "No active image for RXP2",
            _ => "The image for RXP2 is still being checked; ask again in a moment",
        };
        assert_eq!(refused.to_string(), sentence);
        assert_eq!((assigned(&world), remaining(&world, id), world.left()), (vec![], (2, "active"), 2));
    }
    world.image("RXP2", ImageState::Ready(image("rxp2_master.img")));
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("RXP2-ARLT-ABCDEF01"));
}

#[test]
fn two_machines_never_have_one_name() {
    let mut world = World::factory(1);
    // Boards whose serials end alike.
    let board = |last, text| Installer { serial: Some(serial(text)), ..Installer::new(last).product("RXP2") };
    assert_eq!(world.named(&board(1, "10000000abcdef99")).as_deref(), Some("RXP2-ARLT-ABCDEF99"));
    assert_eq!(world.named(&board(2, "20000000abcdef99")).as_deref(), Some("RXP2-ARLT-0ABCDEF99"));
    // A board that claims the serial of another one, and boots by a port of its own.
    world.netboot(3);
    assert_eq!(world.named(&board(3, "10000000abcdef99")), None);
    let holders: std::collections::BTreeSet<_> = assigned(&world).into_iter().map(|(_, machine)| machine).collect();
    assert_eq!((assigned(&world).len(), holders.len()), (2, 2));
}

#[test]
fn a_name_survives_everything() {
    let mut world = World::factory(9);
    let address = world.netboot(1);
    let installer = Installer::new(1).at(address);
    let expected = Some("KXP2-ARLT-001");
    assert_eq!(world.named(&installer).as_deref(), expected);
    let still = |world: &mut World, what: &str| {
        assert_eq!(world.named(&installer).as_deref(), expected, "{what}");
        assert_eq!(assigned(world).len(), 1, "{what}");
    };
    for word in ["starting", "downloading", "failed", "nonsense", "success", "success"] {
        world.status(&installer, word, None);
        still(&mut world, word);
    }
    world.command(Command::Reinstall(Selector::Mac(mac(1)))).expect("it is known");
    still(&mut world, "reinstall");
    world.command(Command::Hold(Selector::Hostname(hostname("KXP2-ARLT-001")))).expect("it is known");
    still(&mut world, "hold");
    world.batch("ARLT", "RXP2", 5, 0);
    still(&mut world, "a batch of something else");
    world.wait(100_000);
    still(&mut world, "silence, and a lease that ran out");
    world.netboot(1);
    still(&mut world, "a restart");
    world.declare("ARLT", 9);
    still(&mut world, "the same configuration again");
    let journal = world.journal.clone();
    world.fleet.reload(journal, world.now);
    still(&mut world, "a restart of the server");
    assert_eq!(world.left(), 8);
}

#[test]
fn declaring_again_adds_what_is_new_only() {
    let mut world = World::factory(2);
    world.named(&Installer::new(1));
    let rows = world.journal.len();
    world.declare("ARLT", 2);
    assert_eq!(world.journal.len(), rows);
    world.declare("ARLT", 3);
    assert_eq!((world.journal.len(), world.left()), (rows + 2, 2), "the name, and who added it");
}

/// The profile of BIOS machines makes KXP2 for ARLT.
fn fixed_place(numbers: u32) -> World {
    let mut pc = profiles();
    pc[0].product = Some(product("KXP2"));
    pc[0].venue = Some(venue("ARLT"));
    let mut world = World::with(vec![link(200)], pc);
    for (name, file) in [("KXP2", "kxp2_master.img"), ("RXP2", "rxp2_master.img")] {
        world.image(name, ImageState::Ready(image(file)));
    }
    world.declare("ARLT", numbers);
    world
}

#[test]
fn the_first_address_brings_the_name_where_it_is_certain() {
    let mut world = fixed_place(2);
    let asking = |last| Message { options: [bios(last).options, vec![(55, vec![12])]].concat(), ..bios(last) };
    world.dora(&asking(1));
    assert_eq!(world.reply(&asking(1)).option(code::HOST_NAME), Some(&b"KXP2-ARLT-001"[..]));
    world.bind(9);
    assert_eq!(assigned(&world).len(), 1, "a machine that does not netboot becomes nothing");
    world.image("KXP2", ImageState::Missing);
    world.netboot(2);
    assert_eq!(assigned(&world).len(), 1, "nor one that there is no image for");
    world.image("KXP2", ImageState::Ready(image("kxp2_master.img")));
    world.netboot(2);
    assert_eq!(
        world.named(&Installer { venue: None, product: None, ..Installer::new(2) }).as_deref(),
        Some("KXP2-ARLT-002")
    );
    // The pool is used up: the serial, which the installer will tell, decides.
    world.netboot(3);
    assert_eq!(assigned(&world).len(), 2);
    assert_eq!(world.named(&Installer::new(3)).as_deref(), Some("KXP2-DEFAULT-cdef03"));
}

#[test]
fn a_batch_takes_at_the_first_address_what_can_become_its_product() {
    let mut world = fixed_place(9);
    let other = world.batch("ARLT", "RXP2", 1, 9);
    world.netboot(1);
    assert_eq!(assigned(&world), [], "it waits for the installer's question");
    world.command(Command::BatchPause(other)).expect("it pauses");
    let id = world.batch("ARLT", "KXP2", 2, 0);
    world.netboot(1);
    assert_eq!((remaining(&world, id), world.left()), ((1, "active"), 8));
}

#[test]
fn a_reserved_host_name_is_the_machines_name() {
    let mut bench = link(200);
    bench.reservations = vec![reservation(1, None), reservation(2, None)];
    bench.reservations[0].hostname = Some(hostname("KXP2-ARLT-002"));
    bench.reservations[1].hostname = Some(hostname("gate"));
    let mut world = World::with(vec![bench], profiles());
    world.image("KXP2", ImageState::Ready(image("kxp2_master.img")));
    world.declare("ARLT", 3);
    world.netboot(1);
    world.netboot(2);
    assert_eq!(world.left(), 2, "a reserved name leaves its pool");
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("KXP2-ARLT-002"));
    let gate = world.config(&Installer::new(2)).expect("it is configured");
    assert_eq!((gate.hostname, gate.product), (Some(hostname("gate")), product("KXP2")));
}

#[test]
fn bad_products_are_named_in_the_answer() {
    let mut world = World::factory(1);
    let refused = world.config(&Installer::new(1).product("ABC")).expect_err("there is no such product");
    assert_eq!(refused.to_string(), "Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'");
    let silent = Installer { product: None, ..Installer::new(1) };
    assert_eq!(world.config(&silent), Err(Refusal::Invalid("product_type is required".into())));
    assert_eq!((assigned(&world), world.left()), (vec![], 1));
}
