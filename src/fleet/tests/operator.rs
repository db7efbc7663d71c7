//! Venues, names, batches and machines as an operator changes them.

use super::*;
use crate::fleet::command::{NameChange, NameFilter};
use crate::naming::{Count, Name};

fn refused(world: &mut World, command: Command) -> String {
    let told = world.command(command);
    told.expect_err("it is refused").to_string()
}

fn venue_add(code: &str, name: &str, email: Option<&str>) -> Command {
    let (code, name, contact_email) = (code.to_owned(), name.to_owned(), email.map(str::to_owned));
    Command::VenueAdd { code, name, location: None, contact_email }
}

fn import(product: &str, venue: &str, numbers: &[u32]) -> Command {
    Command::NamesImport { product: product.to_owned(), venue: venue.to_owned(), numbers: numbers.to_vec() }
}

fn release(name: &str, force: bool) -> Command {
    Command::NameRelease { hostname: name.to_owned(), force }
}

fn forget(last: u8, release_name: bool, force: bool) -> Command {
    Command::Forget { machine: Selector::Mac(mac(last)), release_name, force }
}

fn name(world: &World, text: &str) -> Name {
    world.fleet.tables().naming.name(&hostname(text)).expect("the name is there").clone()
}

fn batch(world: &World, id: BatchId) -> (u64, &'static str) {
    let batch = world.fleet.tables().naming.batch(id).expect("the batch is known");
    (batch.remaining, batch.state.word())
}

#[test]
fn a_venue_is_added_changed_and_listed() {
    let mut world = World::factory(3);
    let told = world.command(venue_add(" spaa ", "Spa", None)).expect("it is added");
    let Told::Venue(added) = told else { panic!("{told:?}") };
    assert_eq!((added.code.as_str(), added.name.as_str()), ("SPAA", "Spa"));
    let commits = world.journal.len();
    world.command(venue_add("SPAA", "Spa", None)).expect("it is there already");
    assert_eq!(world.journal.len(), commits, "nothing changed");
    world.command(venue_add("SPAA", "Francorchamps", Some("a@b.example"))).expect("it is changed");
    world.command(import("kxp2", "SPAA", &[4, 2, 9])).expect("they are added");
    let Ok(Told::Venues(rows)) = world.command(Command::VenueList) else { panic!("no list") };
    let names: Vec<(&str, &str)> = rows.iter().map(|row| (row.venue.code.as_str(), row.venue.name.as_str())).collect();
    assert_eq!(names, [("ARLT", "Venue"), ("SPAA", "Francorchamps")]);
    assert_eq!(rows[1].names[&product("KXP2")], Count { available: 3, assigned: 0, retired: 0 });
    assert!(world.restarted() == world.remembered());
}

#[test]
fn what_is_no_venue_is_refused_with_a_reason() {
    let mut world = World::factory(1);
    let code = refused(&mut world, venue_add("SPA", "Spa", None));
    assert_eq!(code, "Invalid venue code: SPA. Must be four letters or digits");
    assert!(refused(&mut world, venue_add("SPAA", " ", None)).contains("name"));
    assert_eq!(refused(&mut world, venue_add("SPAA", "Spa", Some("crew"))), "Invalid contact_email: crew");
    assert_eq!(refused(&mut world, import("KXP2", "ZZZZ", &[1])), "Venue not found: ZZZZ");
    assert_eq!(refused(&mut world, import("ABC", "ARLT", &[1])), "Invalid product_type: ABC. Must be 'KXP2' or 'RXP2'");
    assert!(refused(&mut world, import("RXP2", "ARLT", &[1])).contains("named by serial number"));
    assert_eq!(refused(&mut world, import("KXP2", "ARLT", &[1, 0])), "Numbers begin at 1");
}

#[test]
fn imported_names_are_counted_once_and_given_lowest_first() {
    let mut world = World::factory(2);
    let told = world.command(import("KXP2", "ARLT", &[1, 2, 3, 30])).expect("they are added");
    assert_eq!(
        told,
        Told::Imported {
            added: 2,
            known: vec![hostname("KXP2-ARLT-001"), hostname("KXP2-ARLT-002")],
            repeated: vec![]
        }
    );
    assert_eq!(world.left(), 4);
    let names: Vec<_> = (1..=4).map(|last| world.named(&Installer::new(last))).collect();
    assert_eq!(names.last().cloned().flatten().as_deref(), Some("KXP2-ARLT-030"));
}

#[test]
fn a_released_name_is_the_next_to_be_given() {
    let mut world = World::factory(3);
    world.named(&Installer::new(1));
    world.status(&Installer::new(1), "success", None);
    let Ok(Told::Name(row)) = world.command(release("kxp2-arlt-001", false)) else { panic!("not released") };
    assert_eq!((row.name.state, row.machine), (NameState::Available, None));
    assert!(world.notices.iter().any(|notice| {
        matches!(notice, Notice::Machine(view) if view.machine.mac == Some(mac(1)) && view.name.is_none())
    }));
    assert_eq!(world.named(&Installer::new(2)).as_deref(), Some("KXP2-ARLT-001"));
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("KXP2-ARLT-002"), "its old name is taken");
    assert!(refused(&mut world, release("KXP2-ARLT-099", false)).contains("Name not found"));
}

#[test]
fn a_machine_under_installation_keeps_its_name_unless_forced() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    world.named(&Installer::new(1).at(address));
    let sentence = refused(&mut world, release("KXP2-ARLT-001", false));
    assert!(sentence.contains("KXP2-ARLT-001 is being installed (stage installer)"), "{sentence}");
    world.command(release("KXP2-ARLT-001", true)).expect("it is forced");
    assert_eq!(name(&world, "KXP2-ARLT-001").state, NameState::Available);
}

#[test]
fn a_batch_has_a_released_unit_to_make_again() {
    let mut world = World::factory(3);
    let id = world.batch("ARLT", "KXP2", 2, 0);
    world.named(&Installer::new(1));
    world.status(&Installer::new(1), "success", None);
    assert_eq!(batch(&world, id), (1, "active"));
    world.command(release("KXP2-ARLT-001", false)).expect("it is released");
    assert_eq!(batch(&world, id), (2, "active"));
    for last in [1, 2] {
        world.named(&Installer::new(last));
        world.status(&Installer::new(last), "success", None);
    }
    assert_eq!(batch(&world, id), (0, "completed"));
    world.command(release("KXP2-ARLT-002", false)).expect("it is released");
    assert_eq!(batch(&world, id), (1, "paused"), "it does not claim the next machine by itself");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn a_retired_name_is_not_given_until_it_is_reinstated() {
    let mut world = World::factory(2);
    world.command(Command::NameRetire("KXP2-ARLT-001".into())).expect("it is retired");
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("KXP2-ARLT-002"));
    let held = refused(&mut world, Command::NameRetire("KXP2-ARLT-002".into()));
    assert_eq!(held, "KXP2-ARLT-002 is held by 10000000abcdef01: release it first");
    assert!(refused(&mut world, release("KXP2-ARLT-001", true)).contains("reinstate"));
    world.command(Command::NameReinstate("KXP2-ARLT-001".into())).expect("it is reinstated");
    assert_eq!(world.named(&Installer::new(2)).as_deref(), Some("KXP2-ARLT-001"));
    let filter = NameFilter::parse(Some("kxp2"), Some("arlt"), Some("assigned")).expect("a filter");
    let Ok(Told::Names(rows)) = world.command(Command::NameList(filter)) else { panic!("no list") };
    let listed: Vec<_> =
        rows.iter().map(|row| (row.name.number, row.machine.as_ref().and_then(|machine| machine.mac))).collect();
    assert_eq!(listed, [(Some(1), Some(mac(2))), (Some(2), Some(mac(1)))]);
    assert!(NameFilter::parse(None, None, Some("free")).is_err());
}

#[test]
fn a_forgotten_machine_is_new_when_it_comes_back() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    world.named(&Installer::new(1).at(address));
    let id = world.machine(1).id;
    assert!(refused(&mut world, forget(1, false, false)).contains("is being installed"));
    world.status(&Installer::new(1).at(address), "success", None);
    let told = world.command(forget(1, false, false)).expect("it is forgotten");
    assert_eq!(told, Told::Done("52:54:00:fb:00:01 is forgotten; its name KXP2-ARLT-001 is retired".into()));
    let tables = world.fleet.tables();
    assert_eq!((tables.machines.get(id), tables.leases.by_address(address)), (None, None));
    assert_eq!(name(&world, "KXP2-ARLT-001").state, NameState::Retired);
    assert!(world.notices.contains(&Notice::Forgotten(id)));
    assert!(refused(&mut world, forget(1, false, false)).contains("No machine is known"));
    world.netboot(1);
    assert!(world.machine(1).id > id);
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("KXP2-ARLT-002"));
    assert!(world.restarted() == world.remembered());
}

#[test]
fn forgetting_can_release_the_name_and_ends_the_deployment() {
    let mut world = World::factory(3);
    let id = world.batch("ARLT", "KXP2", 1, 0);
    let address = world.netboot(1);
    world.named(&Installer::new(1).at(address));
    assert_eq!(batch(&world, id), (0, "completed"));
    world.command(forget(1, true, true)).expect("it is forced");
    assert_eq!(name(&world, "KXP2-ARLT-001").state, NameState::Available);
    assert_eq!(batch(&world, id), (1, "paused"));
    let ended = world.deployments().pop().expect("a deployment");
    assert_eq!((ended.status.as_str(), ended.completed_at.is_some()), ("failed", true));
    assert_eq!(world.fleet.next_deadline(), None, "nothing is waited for any more");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn batches_are_cancelled_and_change_places() {
    let mut world = World::factory(9);
    let (first, second) = (world.batch("ARLT", "KXP2", 2, 0), world.batch("ARLT", "KXP2", 2, 0));
    world.command(Command::BatchPriority { id: second, priority: 5 }).expect("it is changed");
    world.named(&Installer::new(1));
    assert_eq!((batch(&world, first).0, batch(&world, second).0), (2, 1));
    let Ok(Told::Batch(cancelled)) = world.command(Command::BatchCancel(second)) else { panic!("not cancelled") };
    assert_eq!(cancelled.state.word(), "cancelled");
    world.command(Command::BatchCancel(second)).expect("once more says the same");
    world.named(&Installer::new(2));
    assert_eq!((batch(&world, first).0, batch(&world, second).0), (1, 1));
    assert_eq!(refused(&mut world, Command::BatchStart(second)), format!("Cannot start cancelled batch {second}"));
    world.named(&Installer::new(3));
    assert_eq!(refused(&mut world, Command::BatchCancel(first)), format!("Cannot cancel completed batch {first}"));
    assert_eq!(refused(&mut world, Command::BatchCancel(BatchId(9))), "Batch not found");
}

fn create(total: i64) -> Command {
    Command::BatchCreate { venue: "ARLT".into(), product: "KXP2".into(), total, priority: 0 }
}

fn several(world: &mut World, names: &[&str], change: NameChange) -> Result<Told, Refusal> {
    world.command(Command::NamesChange { hostnames: names.iter().map(|name| (*name).to_owned()).collect(), change })
}

#[test]
fn two_batches_cannot_promise_the_same_names() {
    let mut world = World::factory(6);
    let first = world.batch("ARLT", "KXP2", 4, 0);
    let few = |requested, available| {
        format!("Insufficient available hostnames. Requested: {requested}, Available: {available}")
    };
    assert_eq!(refused(&mut world, create(3)), few(3, 2), "two of six are not promised");
    world.command(create(2)).expect("it is ordered");
    assert_eq!(refused(&mut world, create(1)), few(1, 0));
    world.named(&Installer::new(1));
    assert_eq!(refused(&mut world, create(1)), few(1, 0), "what was given is promised no more");
    world.command(Command::BatchPause(first)).expect("it is paused");
    assert_eq!(refused(&mut world, create(1)), few(1, 0), "a paused batch goes on later");
    world.command(Command::BatchCancel(first)).expect("it is cancelled");
    assert_eq!(refused(&mut world, create(4)), few(4, 3), "a cancelled one promises nothing");
    world.command(create(3)).expect("it is ordered");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn promised_names_go_nowhere_else_and_the_refusal_says_why() {
    let mut world = World::factory(3);
    let Ok(Told::Batch(Batch { id, .. })) = world.command(create(3)) else { panic!("not ordered") };
    let why = format!(
        "The 3 free KXP2 names at ARLT are promised to batch {id} (pending): start it, cancel it, or add names"
    );
    assert_eq!(refused(&mut world, Command::NameRetire("KXP2-ARLT-001".into())), why);
    assert_eq!(world.config(&Installer::new(1)).expect_err("they are promised").to_string(), why);
    assert_eq!(world.left(), 3);
    world.command(import("KXP2", "ARLT", &[4])).expect("it is added");
    let several_why = several(&mut world, &["KXP2-ARLT-004", "KXP2-ARLT-001"], NameChange::Retire);
    assert!(several_why.is_err(), "one of them is spare, not both");
    assert_eq!(world.named(&Installer::new(1)).as_deref(), Some("KXP2-ARLT-001"));
    world.command(Command::BatchStart(id)).expect("it starts");
    let names: Vec<_> = (2..=4).map(|last| world.named(&Installer::new(last))).collect();
    assert_eq!(names.last().cloned().flatten().as_deref(), Some("KXP2-ARLT-004"));
    let Ok(Told::Units(batch, units)) = world.command(Command::BatchShow(id)) else { panic!("no batch") };
    assert_eq!((batch.state.word(), units.len()), ("completed", 3));
    assert_eq!(units[0].name.hostname.as_str(), "KXP2-ARLT-002");
}

#[test]
fn several_names_change_together_or_not_at_all() {
    let mut world = World::factory(4);
    world.named(&Installer::new(1));
    world.status(&Installer::new(1), "success", None);
    let commits = world.journal.len();
    let held = several(&mut world, &["KXP2-ARLT-003", "KXP2-ARLT-001"], NameChange::Retire);
    assert!(held.expect_err("one is held").to_string().contains("KXP2-ARLT-001 is held by"));
    assert!(several(&mut world, &["KXP2-ARLT-003", "KXP2-ARLT-099"], NameChange::Retire).is_err());
    assert!(several(&mut world, &[], NameChange::Retire).is_err());
    assert_eq!(world.journal.len(), commits, "nothing changed");
    let Ok(Told::Names(rows)) = several(&mut world, &["KXP2-ARLT-002", "kxp2-arlt-003"], NameChange::Retire) else {
        panic!("not retired")
    };
    assert_eq!(rows.iter().map(|row| row.name.state.word()).collect::<Vec<_>>(), ["retired", "retired"]);
    several(&mut world, &["KXP2-ARLT-001"], NameChange::Release { force: false }).expect("it is released");
    several(&mut world, &["KXP2-ARLT-002", "KXP2-ARLT-003"], NameChange::Reinstate).expect("they are reinstated");
    assert_eq!(world.left(), 4);
    assert!(world.restarted() == world.remembered());
}

#[test]
fn a_pasted_list_is_added_whole_or_not_at_all() {
    let mut world = World::factory(2);
    let paste = |text: &str| {
        let (product, venue, text) = ("KXP2".to_owned(), "ARLT".to_owned(), text.to_owned());
        Command::NamesRead { product, venue, text }
    };
    assert_eq!(
        refused(&mut world, paste("3\nkart\nKXP2-SPAA-004")),
        "line 2: 'kart' is no number and no range such as 1-40\n\
         line 3: 'KXP2-SPAA-004' is a name of another product or venue"
    );
    assert_eq!(refused(&mut world, paste("\n")), "There is no number in the list");
    assert_eq!(world.left(), 2);
    let told = world.command(paste("KXP2-ARLT-002\n3-5, 4\n")).expect("they are added");
    assert_eq!(told, Told::Imported { added: 3, known: vec![hostname("KXP2-ARLT-002")], repeated: vec![4] });
    assert_eq!(world.left(), 5);
}

#[test]
fn a_machine_is_given_its_name_once() {
    let mut world = World::factory(1);
    let assign = |product: &str, mac: Option<&str>, serial: Option<&str>| Command::NameAssign {
        product: product.into(),
        venue: "ARLT".into(),
        mac: mac.map(str::to_owned),
        serial: serial.map(str::to_owned),
    };
    let mac = Some("52:54:00:fb:00:01");
    let given = |told: Result<Told, Refusal>| match told {
        Ok(Told::Name(row)) => row.name.hostname.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(given(world.command(assign("KXP2", mac, None))), "KXP2-ARLT-001");
    let commits = world.journal.len();
    assert_eq!(given(world.command(assign("KXP2", mac, None))), "KXP2-ARLT-001", "once more says the same");
    assert_eq!(given(world.command(assign("RXP2", mac, Some("10000000abcdef01")))), "KXP2-ARLT-001");
    assert_eq!(world.journal.len(), commits, "nothing changed");
    assert!(name(&world, "KXP2-ARLT-001").assigned_at.is_some());
    let none = "Insufficient available hostnames. Requested: 1, Available: 0";
    assert_eq!(refused(&mut world, assign("KXP2", Some("52:54:00:fb:00:02"), None)), none);
    assert!(refused(&mut world, assign("KXP2", None, None)).contains("mac_address or serial_number"));
    assert_eq!(refused(&mut world, assign("RXP2", Some("52:54:00:fb:00:02"), None)), "serial_number is required");
    assert_eq!(given(world.command(assign("RXP2", None, Some("10000000abcdef07")))), "RXP2-ARLT-ABCDEF07");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn notes_are_written_down_and_taken_away() {
    let mut world = World::factory(2);
    world.named(&Installer::new(1));
    let note = |text: &str| Command::NameNote { hostname: "KXP2-ARLT-002".into(), text: text.into() };
    world.command(note(" spare ")).expect("it is noted");
    let of_machine = |text: &str| Command::MachineNote { machine: Selector::Mac(mac(1)), text: text.into() };
    world.command(of_machine("loose bracket")).expect("it is noted");
    assert_eq!(name(&world, "KXP2-ARLT-002").notes.as_deref(), Some("spare"));
    assert_eq!(world.machine(1).notes.as_deref(), Some("loose bracket"));
    assert!(refused(&mut world, note("bell \u{7}")).contains("plain text"));
    assert!(refused(&mut world, note(&"x".repeat(1001))).contains("1000 characters"));
    world.named(&Installer::new(2));
    assert_eq!(name(&world, "KXP2-ARLT-002").notes.as_deref(), Some("spare"), "it stays when the name is given");
    world.command(note("")).expect("it is taken away");
    world.command(of_machine("")).expect("it is taken away");
    assert_eq!((name(&world, "KXP2-ARLT-002").notes, world.machine(1).notes.clone()), (None, None));
    let said = world.audit();
    assert!(said.iter().any(|line| line.contains("KXP2-ARLT-002") && line.contains("note none → spare")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("note loose bracket → none")), "{said:?}");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn a_venue_goes_only_if_nothing_is_of_it() {
    let mut world = World::factory(2);
    let remove = |code: &str| Command::VenueRemove(code.into());
    assert_eq!(refused(&mut world, remove("ARLT")), "ARLT stays: 2 names and 0 batches are of this venue");
    assert_eq!(refused(&mut world, remove("SPAA")), "Venue not found: SPAA");
    world.command(venue_add("SPAA", "Spa", None)).expect("it is added");
    world.command(remove("spaa")).expect("it is removed");
    let Ok(Told::Venues(rows)) = world.command(Command::VenueList) else { panic!("no list") };
    assert_eq!(rows.len(), 1);
    assert!(world.restarted() == world.remembered());
}
