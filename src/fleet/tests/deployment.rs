//! Deployments: opened by the installer's first word, closed by its last, and never left open by a machine that stopped.

use super::*;

/// Status, whether it is over, and its error, of every deployment.
fn rows(world: &World) -> Vec<(String, bool, Option<String>)> {
    let row = |row: Deployment| (row.status, row.completed_at.is_some(), row.error_message);
    world.deployments().into_iter().map(row).collect()
}

fn open(status: &str) -> (String, bool, Option<String>) {
    (status.to_owned(), false, None)
}

fn over(status: &str, error: Option<&str>) -> (String, bool, Option<String>) {
    (status.to_owned(), true, error.map(str::to_owned))
}

#[test]
fn the_order_of_the_field_is_one_deployment() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pi = Installer::new(1).at(address);
    world.status(&pi, "starting", None);
    assert_eq!(rows(&world), [open("starting")]);
    world.config(&pi).expect("it is configured");
    for word in ["downloading", "verifying", "customizing"] {
        world.wait(60);
        world.status(&pi, word, None);
        assert_eq!(rows(&world), [open(word)]);
    }
    world.status(&pi, "success", Some("ready"));
    assert_eq!(rows(&world), [over("success", None)]);
    let row = world.deployments().remove(0);
    assert_eq!(row.hostname, Some(hostname("KXP2-ARLT-001")));
    assert_eq!((row.product, row.venue), (Some(product("KXP2")), Some(venue("ARLT"))));
    assert_eq!((row.address, row.image.as_deref()), (address, Some("kxp2_master.img")));
    assert_eq!(row.completed_at, Some(world.now.timestamp));
    assert_eq!(row.started_at, Timestamp::from_millis(world.now.timestamp.millis() - 180_000));
}

#[test]
fn a_failure_before_the_configuration_is_recorded() {
    let mut world = World::factory(3);
    let pi = Installer::new(1).at(ip(77));
    world.status(&pi, "starting", None);
    world.status(&pi, "failed", Some("no disk found"));
    assert_eq!(rows(&world), [over("failed", Some("no disk found"))]);
    assert_eq!(world.deployments()[0].address, ip(77));
    assert_eq!(world.stage(1), "failed: no disk found");
    // Even if it is the first word.
    world.status(&Installer::new(2), "failed", Some("no disk found"));
    assert_eq!(rows(&world).len(), 2);
}

#[test]
fn a_repeated_last_word_is_no_new_deployment() {
    let mut world = World::factory(3);
    for word in ["success", "failed"] {
        let pi = Installer::new(1);
        world.status(&pi, "starting", None);
        world.status(&pi, word, Some("because"));
        let before = (rows(&world), world.journal.len());
        world.status(&pi, word, Some("because"));
        assert_eq!((rows(&world), world.journal.len()), before, "{word}");
    }
}

#[test]
fn a_restart_interrupts_the_deployment() {
    let mut world = World::factory(3);
    let pi = Installer::new(1);
    world.status(&pi, "starting", None);
    world.status(&pi, "starting", None);
    assert_eq!(rows(&world), [open("starting")], "a repeated word is no restart");
    world.status(&pi, "downloading", None);
    world.status(&pi, "starting", None);
    let cause = "interrupted in 'downloading': the installer started again";
    assert_eq!(rows(&world), [over("failed", Some(cause)), open("starting")]);
}

#[test]
fn silence_ends_the_deployment() {
    let mut world = World::factory(3);
    let pi = Installer::new(1);
    world.status(&pi, "starting", None);
    world.config(&pi).expect("it is configured");
    world.status(&pi, "downloading", None);
    world.wait(899);
    assert_eq!(rows(&world), [open("downloading")]);
    world.wait(1);
    let cause = "no sign of life for 900 s in stage writing";
    assert_eq!(world.stage(1), format!("failed: {cause}"));
    assert_eq!(rows(&world), [over("failed", Some(cause))]);
    // It was only slow: what it does from now on is a run of its own, and belongs to the same unit.
    world.status(&pi, "verifying", None);
    world.status(&pi, "success", None);
    let row = world.deployments().remove(1);
    assert_eq!((row.status.as_str(), row.completed_at.is_some()), ("success", true));
    assert_eq!((row.hostname, row.product), (Some(hostname("KXP2-ARLT-001")), Some(product("KXP2"))));
}

#[test]
fn a_question_of_a_finished_machine_opens_nothing() {
    let mut world = World::factory(3);
    let pi = Installer::new(1);
    world.status(&pi, "starting", None);
    world.status(&pi, "success", None);
    world.config(&pi).expect("it is configured");
    assert_eq!(rows(&world), [over("success", None)]);
    assert_eq!(world.stage(1), "done");
}

#[test]
fn any_word_is_received_and_kept() {
    let mut world = World::factory(3);
    world.status(&Installer::new(1), "starting", None);
    world.status(&Installer::new(1), "resizing the partition", None);
    assert_eq!(rows(&world), [open("resizing the partition")]);
    assert_eq!(world.stage(1), "installer");
}

#[test]
fn a_report_is_of_whoever_holds_the_address() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let silent = Installer { mac: None, serial: None, ..Installer::new(1) }.at(address);
    world.status(&silent, "downloading", None);
    assert_eq!(world.stage(1), "writing");
    let stranger = silent.at(ip(99));
    world.status(&stranger, "success", None);
    assert!(matches!(world.notices.last(), Some(Notice::Refused { refusal: Refusal::UnknownMachine, .. })));
    assert_eq!(world.stage(1), "writing");
    // By the name it says it has, if no machine speaks from an address of its own under that name.
    for (last, counts) in [(1, false), (2, true)] {
        let own = if counts { NONE } else { address };
        let name = world.named(&Installer::new(last).at(own)).and_then(|name| Hostname::parse(&name));
        let report = Report::Status { status: "verifying".into(), hostname: name, message: None };
        assert_eq!(world.told(stranger.event(report)).is_ok(), counts);
        assert_eq!(world.stage(last) == "verifying", counts);
    }
}

#[test]
fn deployments_are_numbered_once() {
    let mut world = World::factory(3);
    for last in 1..=3 {
        world.status(&Installer::new(last), "starting", None);
        world.status(&Installer::new(last), "success", None);
    }
    let journal = world.journal.clone();
    world.fleet.reload(journal, world.now);
    world.status(&Installer::new(1), "starting", None);
    let ids: Vec<u64> = world.deployments().iter().map(|row| row.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
}
