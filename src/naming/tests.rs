//! Which name is chosen, and what the tables say about names and batches.

use super::*;

fn product(text: &str) -> ProductName {
    ProductName::parse(text).expect("a product name")
}

fn venue(text: &str) -> VenueCode {
    VenueCode::parse(text).expect("a venue code")
}

/// Products by number and by serial; the venue ARLT with the numbers 1, 2 and 10, the venue ZOLD with none.
fn naming() -> Naming {
    let mut naming = Naming::new(&[
        Product { name: product("KXP2"), scheme: Scheme::Pooled { width: 3 }, image: None },
        Product { name: product("RXP2"), scheme: Scheme::Serial { digits: 8 }, image: Some("rxp2-v7.img".into()) },
    ]);
    for code in ["ARLT", "ZOLD"] {
        naming.put_venue(Venue {
            code: venue(code),
            name: code.into(),
            location: None,
            contact_email: None,
            created_at: None,
        });
    }
    for number in [10, 2, 1] {
        let name = naming.pooled_name(&product("KXP2"), &venue("ARLT"), number).expect("it is numbered");
        naming.put_name(name);
    }
    naming
}

fn batch(id: u64, name: &str, place: &str, priority: i64, state: BatchState) -> Batch {
    Batch {
        id: BatchId(id),
        product: product(name),
        venue: venue(place),
        total: 5,
        remaining: 5,
        priority,
        state,
        created_at: Timestamp::default(),
        started_at: None,
        completed_at: None,
    }
}

fn chosen(naming: &Naming, name: &str, place: Option<&str>, serial: Option<&str>) -> Option<(String, Option<u64>)> {
    let (name, place) = (product(name), place.map(venue));
    let serial = serial.and_then(Serial::parse);
    let wanted = Wanted { product: &name, venue: place.as_ref(), serial: serial.as_ref() };
    let name = naming.choose(&wanted)?;
    Some((name.hostname.to_string(), name.batch.map(|id| id.0)))
}

const PI: &str = "10000000e0ff06da";

#[test]
fn which_name_is_chosen() {
    use BatchState::{Active, Cancelled, Completed, Paused, Pending};
    type Row<'a> = (&'a [Batch], &'a str, Option<&'a str>, Option<&'a str>, Option<(&'a str, Option<u64>)>);
    let table: [Row<'_>; 17] = [
        // batches; product, venue, serial; name and batch
        (&[], "KXP2", Some("ARLT"), None, Some(("KXP2-ARLT-001", None))),
        (&[], "KXP2", Some("ZOLD"), Some(PI), Some(("KXP2-DEFAULT-ff06da", None))),
        (&[], "KXP2", Some("ZOLD"), None, None),
        (&[], "KXP2", None, Some(PI), Some(("KXP2-DEFAULT-ff06da", None))),
        (&[], "KXP2", Some("ZZZZ"), Some(PI), Some(("KXP2-DEFAULT-ff06da", None))),
        (&[], "RXP2", Some("ZOLD"), Some(PI), Some(("RXP2-ZOLD-E0FF06DA", None))),
        (&[], "RXP2", Some("ZOLD"), Some("e0ff06da"), Some(("RXP2-ZOLD-E0FF06DA", None))),
        (&[], "RXP2", Some("ZOLD"), None, None),
        (&[], "RXP2", None, Some("abc"), Some(("RXP2-DEFAULT-abc", None))),
        (&[batch(1, "RXP2", "ZOLD", 0, Active)], "KXP2", Some("ARLT"), Some(PI), Some(("RXP2-ZOLD-E0FF06DA", Some(1)))),
        // A batch that cannot name this machine leaves it to the next, at last to the venue.
        (&[batch(1, "RXP2", "ZOLD", 0, Active)], "KXP2", Some("ARLT"), None, Some(("KXP2-ARLT-001", None))),
        (
            &[batch(1, "KXP2", "ZOLD", 9, Active), batch(2, "RXP2", "ARLT", 0, Active)],
            "KXP2",
            None,
            Some(PI),
            Some(("RXP2-ARLT-E0FF06DA", Some(2))),
        ),
        (
            &[batch(1, "KXP2", "ARLT", 0, Active), batch(2, "RXP2", "ARLT", 1, Active)],
            "KXP2",
            None,
            Some(PI),
            Some(("RXP2-ARLT-E0FF06DA", Some(2))),
        ),
        (
            &[batch(2, "RXP2", "ARLT", 1, Active), batch(1, "KXP2", "ARLT", 1, Active)],
            "RXP2",
            None,
            Some(PI),
            Some(("KXP2-ARLT-001", Some(1))),
        ),
        (
            &[batch(1, "KXP2", "ARLT", -1, Active), batch(2, "RXP2", "ARLT", -2, Active)],
            "RXP2",
            None,
            Some(PI),
            Some(("KXP2-ARLT-001", Some(1))),
        ),
        (
            &[
                batch(1, "RXP2", "ARLT", 0, Pending),
                batch(2, "RXP2", "ARLT", 0, Paused),
                batch(3, "RXP2", "ARLT", 0, Cancelled),
                batch(4, "RXP2", "ARLT", 0, Completed),
            ],
            "KXP2",
            Some("ARLT"),
            Some(PI),
            Some(("KXP2-ARLT-001", None)),
        ),
        (
            &[Batch { remaining: 0, ..batch(1, "RXP2", "ARLT", 0, Active) }],
            "KXP2",
            Some("ARLT"),
            Some(PI),
            Some(("KXP2-ARLT-001", None)),
        ),
    ];
    for (batches, name, place, serial, expected) in table {
        let mut naming = naming();
        batches.iter().for_each(|batch| naming.put_batch(batch.clone()));
        let found = chosen(&naming, name, place, serial);
        let expected = expected.map(|(name, batch)| (name.to_owned(), batch));
        assert_eq!(found, expected, "{name} {place:?} {serial:?} {batches:?}");
    }
}

#[test]
fn what_a_batch_will_make_of_a_machine() {
    let mut naming = naming();
    let serial = Serial::parse(PI);
    assert_eq!(naming.batch_product(serial.as_ref()), None);
    naming.put_batch(batch(1, "KXP2", "ARLT", 0, BatchState::Active));
    assert_eq!(naming.batch_product(None), Some(&product("KXP2")));
    naming.put_batch(batch(2, "RXP2", "ARLT", 1, BatchState::Active));
    assert_eq!(naming.batch_product(serial.as_ref()), Some(&product("RXP2")));
    assert_eq!(naming.batch_product(None), Some(&product("RXP2")), "it waits for the serial");
}

#[test]
fn names_are_given_by_number_and_come_back() {
    let mut naming = naming();
    let (kxp2, arlt) = (product("KXP2"), venue("ARLT"));
    let mut given = Vec::new();
    while let Some((hostname, _)) = chosen(&naming, "KXP2", Some("ARLT"), None) {
        let name = naming.name(&Hostname::parse(&hostname).expect("a host name")).expect("it is known").clone();
        naming.put_name(Name { state: NameState::Assigned(MachineId(given.len() as u64)), ..name });
        naming.check().expect("the invariants hold");
        given.push(hostname);
    }
    assert_eq!(given, ["KXP2-ARLT-001", "KXP2-ARLT-002", "KXP2-ARLT-010"], "by number, not by text");
    assert_eq!(naming.available(&kxp2, &arlt), 0);
    let name = naming.of_machine(MachineId(1)).expect("it has one").clone();
    naming.put_name(Name { state: NameState::Available, ..name.clone() });
    assert_eq!((naming.available(&kxp2, &arlt), naming.of_machine(MachineId(1))), (1, None));
    naming.put_name(Name { state: NameState::Retired, ..name });
    assert_eq!(naming.available(&kxp2, &arlt), 0);
    assert_eq!(naming.check(), Ok(()));
}

#[test]
fn serial_names_of_boards_that_end_alike_grow_until_they_differ() {
    let mut naming = naming();
    let take = |naming: &mut Naming, machine: u64, serial: &str| {
        let (name, place, serial) = (product("RXP2"), venue("ARLT"), Serial::parse(serial));
        let chosen = naming.choose(&Wanted { product: &name, venue: Some(&place), serial: serial.as_ref() });
        let chosen = chosen.expect("a name is left");
        naming.put_name(Name { state: NameState::Assigned(MachineId(machine)), ..chosen.clone() });
        chosen.hostname.to_string()
    };
    assert_eq!(take(&mut naming, 1, "10000000e0ff06da"), "RXP2-ARLT-E0FF06DA");
    assert_eq!(take(&mut naming, 2, "20000000e0ff06da"), "RXP2-ARLT-0E0FF06DA");
    assert_eq!(
        take(&mut naming, 3, "dell s/n 12.34-56_78"),
        "RXP2-ARLT-12345678",
        "what host names cannot hold is left out"
    );
    assert_eq!(naming.check(), Ok(()));
}

#[test]
fn a_serial_without_a_letter_or_digit_gives_no_name() {
    assert_eq!(chosen(&naming(), "RXP2", Some("ARLT"), Some("---")), None);
    assert_eq!(chosen(&naming(), "KXP2", None, Some("---")), None);
}

#[test]
fn numbers_have_their_width_and_may_outgrow_it() {
    let naming = naming();
    let name =
        |number| naming.pooled_name(&product("KXP2"), &venue("ARLT"), number).map(|name| name.hostname.to_string());
    assert_eq!(name(7).as_deref(), Ok("KXP2-ARLT-007"));
    assert_eq!(name(1234).as_deref(), Ok("KXP2-ARLT-1234"));
    let by_serial = naming.pooled_name(&product("RXP2"), &venue("ARLT"), 7).expect_err("it has no numbers");
    assert_eq!(by_serial.to_string(), "RXP2 is named by serial number; it has no pool of numbers");
    let unknown = naming.pooled_name(&product("ABC"), &venue("ARLT"), 7).expect_err("nobody makes it");
    assert_eq!(unknown, Refusal::UnknownProduct("ABC".into()));
}

#[test]
fn the_check_finds_what_must_not_be() {
    let mut naming = naming();
    naming.put_batch(Batch { remaining: 4, ..batch(1, "KXP2", "ARLT", 0, BatchState::Active) });
    assert_eq!(naming.check(), Err("batch 1: 0 given and 4 left of 5".to_owned()));
    let name = naming.names().next().expect("a name").clone();
    naming.put_name(Name { state: NameState::Assigned(MachineId(1)), batch: Some(BatchId(1)), ..name });
    assert_eq!(naming.check(), Ok(()));
    let second = naming.names().nth(1).expect("a name").clone();
    naming.put_name(Name { state: NameState::Assigned(MachineId(1)), ..second });
    assert!(naming.check().is_err(), "a machine with two names");
}

#[test]
fn image_files_and_words() {
    let naming = naming();
    let file = |name: &str| naming.product(&product(name)).map(Product::image_file);
    assert_eq!((file("KXP2").as_deref(), file("RXP2").as_deref()), (Some("kxp2_master.img"), Some("rxp2-v7.img")));
    for state in BatchState::ALL {
        assert_eq!(BatchState::from_word(state.word()), Some(state));
    }
    assert_eq!(BatchState::from_word("Active"), None);
}
