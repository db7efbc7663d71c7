//! Every operation that changes something says who asked for it, in the same batch of changes.

use super::*;
use crate::access::Actor;
use crate::fleet::audit::Entry;

impl World {
    /// The entries of the audit, as `who: operation, subject, details`.
    pub(super) fn audit(&self) -> Vec<String> {
        let entries = self.journal.iter().filter_map(|change| match change {
            Change::Audited(entry) => Some(entry),
            _ => None,
        });
        let spelled =
            |Entry { by, operation, subject, details, .. }: &Entry| format!("{by}: {operation}, {subject}, {details}");
        entries.map(spelled).collect()
    }

    /// What the last operation left in the audit.
    fn last_entry(&self) -> String {
        self.audit().pop().unwrap_or_default()
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn each_operation_leaves_who_what_before_and_after() {
    let mut world = World::factory(3);
    let mut done = |command: Command, entry: &str| {
        let before = world.audit().len();
        world.command(command.clone()).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
        assert_eq!((world.audit().len(), world.last_entry()), (before + 1, format!("anna: {entry}")), "{command:?}");
        let last = world.journal.last().expect("a change");
        assert!(matches!(last, Change::Audited(entry) if entry.at == world.now.timestamp), "beside its changes");
        // Said again it changes nothing, and leaves nothing.
        let again = !matches!(command, Command::BatchCreate { .. } | Command::Reinstall(_));
        if again && world.command(command).is_ok() {
            assert_eq!(world.audit().len(), before + 1);
        }
    };
    let venue = |name: &str, email: Option<&str>| Command::VenueAdd {
        code: text("SPAA"),
        name: text(name),
        location: None,
        contact_email: email.map(text),
    };
    done(venue("Spa", None), "venue add, venue SPAA, added: Spa");
    done(
        venue("Stavelot", Some("a@b.example")),
        "venue add, venue SPAA, name Spa → Stavelot, contact none → a@b.example",
    );
    let import = |numbers: &[u32]| Command::NamesImport {
        product: text("KXP2"),
        venue: text("SPAA"),
        numbers: numbers.to_vec(),
    };
    done(import(&[1]), "names import, KXP2-SPAA-001, added");
    let several = "KXP2-SPAA-002 and 2 more, KXP2-SPAA-002 … KXP2-SPAA-004 (3): added";
    done(import(&[1, 2, 3, 4]), &format!("names import, {several}"));
    done(Command::NameRetire(text("KXP2-SPAA-002")), "names retire, KXP2-SPAA-002, available → retired");
    done(Command::NameReinstate(text("KXP2-SPAA-002")), "names reinstate, KXP2-SPAA-002, retired → available");
    let order = Command::BatchCreate { venue: text("SPAA"), product: text("KXP2"), total: 2, priority: 1 };
    done(order, "batch create, batch 1, ordered: 2 KXP2 for SPAA, priority 1");
    let id = BatchId(1);
    done(Command::BatchPriority { id, priority: -5 }, "batch priority, batch 1, priority 1 → -5");
    done(Command::BatchStart(id), "batch start, batch 1, status pending → active");
    done(Command::BatchPause(id), "batch pause, batch 1, status active → paused");
    done(Command::BatchCancel(id), "batch cancel, batch 1, status paused → cancelled");
    let record = Command::Record { operation: "user add", subject: text("user bo"), details: text("added") };
    world.command(record).expect("it is written down");
    assert_eq!(world.last_entry(), "anna: user add, user bo, added");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn what_becomes_of_a_machine_is_told_of_its_name_too() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let name = world.named(&Installer::new(1).at(address)).expect("it is named");
    let label = world.machine(1).label();
    let declared = "venue ARLT and 3 more, venue ARLT: added: Venue; KXP2-ARLT-001 … KXP2-ARLT-003 (3): added";
    assert_eq!(world.audit(), [format!("anna: start, {declared}")], "machines are no operators");
    let mac = Selector::Mac(mac(1));
    world.command(Command::Hold(mac.clone())).expect("it is known");
    assert_eq!(world.last_entry(), format!("anna: machine hold, {name}, next boot install → hold"));
    world.command(Command::Reinstall(mac.clone())).expect("it is known");
    let ended = "deployment 1 ended: an operator asked for a new installation";
    let expected = format!("anna: machine reinstall, {name}, next boot hold → reinstall; {ended}");
    assert_eq!(world.last_entry(), expected);
    let release = Command::NameRelease { hostname: name.clone(), force: true };
    world.command(release).expect("it is released");
    assert_eq!(world.last_entry(), format!("anna: names release, {name}, assigned to {label} → available"));
    world.command(Command::Forget { machine: mac, release_name: false, force: true }).expect("it is forgotten");
    assert_eq!(world.last_entry(), format!("anna: machine forget, {label}, forgotten"));
}

#[test]
fn what_is_refused_or_only_asked_leaves_nothing() {
    let mut world = World::factory(3);
    let before = world.audit();
    world.command(Command::NameRetire(text("KXP2-NONE-001"))).expect_err("there is no such name");
    world.command(Command::BatchList).expect("a list");
    world.command(Command::VenueList).expect("a list");
    assert_eq!(world.audit(), before);
    let by = Actor::configuration();
    assert_eq!(Actor::written(by.as_str()), by);
}
