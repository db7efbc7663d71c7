//! What moves a machine from stage to stage, and what does not.

use super::*;

#[test]
fn a_boot_from_power_to_done() {
    let mut world = World::factory(3);
    let offer = world.reply(&bios(1));
    assert_eq!((offer.file.as_str(), offer.siaddr), ("pxelinux.0", SERVER));
    let address = world.netboot(1);
    assert_eq!(world.stage(1), "address");
    world.fetch(address, "pxelinux.0");
    assert_eq!(world.stage(1), "loader");
    world.bind(1);
    assert_eq!(world.stage(1), "loader", "the installer's kernel asks for an address: no new start");
    let pc = Installer::new(1).at(address);
    world.status(&pc, "starting", None);
    assert_eq!(world.stage(1), "installer");
    world.config(&pc).expect("it is configured");
    world.fetch(address, "/images/kxp2_master.img");
    assert_eq!(world.stage(1), "writing");
    for (word, stage) in [("verifying", "verifying"), ("customizing", "first-boot"), ("success", "done")] {
        world.status(&pc, word, None);
        assert_eq!(world.stage(1), stage);
    }
    assert_eq!(world.machine(1).order, Order::Disk);
    assert!(world.restarted() == world.remembered());
}

#[test]
fn a_finished_machine_boots_its_disk_until_it_is_to_be_installed_anew() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    world.fetch(address, "pxelinux.0");
    world.status(&Installer::new(1), "success", None);
    for _ in 0..2 {
        let offer = world.reply(&bios(1));
        assert_eq!((offer.file.as_str(), offer.siaddr), ("", NONE));
        assert_eq!(offer.option(code::TFTP_SERVER_NAME), None);
        world.netboot(1);
        assert_eq!(world.stage(1), "done");
        let journal = world.journal.clone();
        world.fleet.reload(journal, world.now);
    }
    let told = world.command(Command::Reinstall(Selector::Mac(mac(1)))).expect("it is known");
    assert_eq!(told, Told::Done("52:54:00:fb:00:01 will be installed at its next network boot".into()));
    assert_eq!((world.stage(1).as_str(), world.machine(1).order), ("waiting", Order::Reinstall));
    assert_eq!(world.reply(&bios(1)).file, "pxelinux.0");
    world.netboot(1);
    assert_eq!(world.stage(1), "address");
}

#[test]
fn done_is_not_left_by_fetches_addresses_or_silence() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    world.status(&Installer::new(1), "starting", None);
    world.status(&Installer::new(1), "success", None);
    world.fetch(address, "pxelinux.0");
    world.fetch(address, "images/kxp2_master.img");
    world.bind(1);
    world.config(&Installer::new(1)).expect("it is configured");
    world.wait(10_000);
    assert_eq!((world.stage(1).as_str(), world.machine(1).order), ("done", Order::Disk));
}

#[test]
fn a_restart_begins_anew_wherever_it_was() {
    for word in ["starting", "downloading", "verifying", "customizing", "failed"] {
        let mut world = World::factory(3);
        let address = world.netboot(1);
        world.status(&Installer::new(1), word, None);
        assert_ne!(world.stage(1), "address");
        world.netboot(1);
        assert_eq!(world.stage(1), "address", "{word}");
        world.fetch(address, "pxelinux.0");
        assert_eq!(world.stage(1), "loader", "{word}");
    }
}

#[test]
fn silence_fails_a_running_machine_and_signs_of_life_put_it_off() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    world.status(&Installer::new(1), "starting", None);
    let (transfer, name) = (TransferId(7), "images/kxp2_master.img".to_owned());
    world.handle(Event::FetchStarted { transfer, address, name, size: 1000, via: Via::Http });
    for step in 1..5 {
        world.wait(800);
        world.handle(Event::FetchProgress { transfer, sent: step });
        assert_eq!(world.stage(1), "writing");
    }
    world.handle(Event::Fetched { transfer, sent: 1000, outcome: Outcome::Complete });
    world.wait(899);
    assert_eq!(world.stage(1), "writing");
    world.wait(1);
    assert_eq!(world.stage(1), "failed: no sign of life for 900 s in stage writing");
    // What comes late counts all the same.
    world.status(&Installer::new(1), "success", None);
    assert_eq!(world.stage(1), "done");
}

#[test]
fn silence_is_armed_again_after_a_restart_of_the_server() {
    let mut world = World::factory(3);
    world.netboot(1);
    let journal = world.journal.clone();
    world.fleet.reload(journal, world.now);
    world.wait(900);
    assert_eq!(world.stage(1), "failed: no sign of life for 900 s in stage address");
}

#[test]
fn a_held_machine_gets_an_address_and_nothing_else() {
    let mut world = World::factory(3);
    world.netboot(1);
    world.command(Command::Hold(Selector::Address(ip(1)))).expect("it is known");
    let offer = world.reply(&bios(1));
    assert_eq!((offer.kind, offer.yiaddr, offer.file.as_str(), offer.siaddr), (Some(Offer), ip(1), "", NONE));
    world.command(Command::Reinstall(Selector::Address(ip(1)))).expect("it is known");
    assert_eq!(world.reply(&bios(1)).file, "pxelinux.0");
}

#[test]
fn who_an_operator_means() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    world.named(&Installer::new(1).at(address));
    for text in ["52-54-00-fb-00-01", "192.168.50.1", "KXP2-ARLT-001", "10000000abcdef01", "ABCDEF01"] {
        let selector = Selector::parse(text).expect("it names something");
        assert!(world.command(Command::Reinstall(selector.clone())).is_ok(), "{text}: {selector:?}");
    }
    let nobody = Selector::parse("KXP2-ARLT-002").expect("it names something");
    let refused = world.command(Command::Hold(nobody)).expect_err("nobody holds that name");
    assert_eq!(refused.to_string(), "No machine is known by KXP2-ARLT-002");
}

#[test]
fn the_board_shows_the_address_a_machine_speaks_from() {
    let mut world = World::factory(3);
    world.bind(9);
    assert_eq!(world.netboot(1), ip(2));
    world.handle(Event::Dhcp { link: LINK, port: 68, bytes: Message::new(Release, 9).ciaddr(ip(1)).bytes() });
    world.wait(1);
    // The installed system has an identifier of its own, hence an address of its own.
    assert_eq!(world.dora(&Message::new(Discover, 1).id(b"\xff system")), ip(1));
    let view = |world: &World| world.fleet.view(world.machine(1)).address;
    assert_eq!(view(&world), Some(ip(1)));
    world.wait(1);
    world.netboot(1);
    assert_eq!(view(&world), Some(ip(2)), "the one it was given last");
    world.wait(5000);
    assert_eq!(view(&world), None);
}

#[test]
fn nothing_to_boot_is_an_address_and_a_reason() {
    let mut world = World::pool(9);
    let offer = world.reply(&bios(1));
    assert_eq!((offer.kind, offer.siaddr, offer.file.as_str()), (Some(Offer), NONE, ""));
    world.netboot(1);
    let plan = world.fleet.view(world.machine(1)).plan.clone();
    assert_eq!(plan.reasons.last().map(ToString::to_string).as_deref(), Some("no profile is for bios"));
}

/// A factory whose profile makes KXP2 of PCs, and says this of machines without name and after a failure.
fn careful(unassigned: Order, failed: Order) -> World {
    let pc = Profile {
        product: Some(product("KXP2")),
        unassigned,
        failed,
        ..profile("pc", &[Firmware::BiosPxe], Some("pxelinux.0"))
    };
    let mut world = World::with(vec![link(200)], vec![pc]);
    world.image("KXP2", ImageState::Ready(image("kxp2_master.img")));
    world.declare("ARLT", 3);
    world
}

/// What the BIOS of client 1 gets, and its stage afterwards.
fn power_on(world: &mut World) -> (String, String) {
    let file = world.reply(&bios(1)).file;
    world.netboot(1);
    (file, world.stage(1))
}

#[test]
fn a_machine_without_name_boots_its_disk_until_a_batch_wants_it() {
    let mut world = careful(Order::Disk, Order::Install);
    assert_eq!(power_on(&mut world), (String::new(), "waiting".into()));
    world.fetch(ip(1), "pxelinux.cfg/default");
    assert_eq!(world.stage(1), "waiting", "the menu that sends it to its disk is no installation");
    world.batch("ARLT", "KXP2", 1, 1);
    assert_eq!(power_on(&mut world), ("pxelinux.0".into(), "address".into()), "the OFFER knows it already");
    assert!(world.fleet.tables().naming.of_machine(world.machine(1).id).is_some());
    // The batch is complete; the next machine stays as it is.
    assert_eq!(world.reply(&bios(2)).file, "");
}

#[test]
fn an_operators_reinstall_goes_before_what_the_profile_says_once() {
    let mut world = careful(Order::Hold, Order::Hold);
    assert_eq!(power_on(&mut world), (String::new(), "waiting".into()));
    world.command(Command::Reinstall(Selector::Mac(mac(1)))).expect("it is known");
    assert_eq!(power_on(&mut world), ("pxelinux.0".into(), "address".into()));
    world.status(&Installer::new(1), "failed", Some("no disk"));
    assert_eq!(power_on(&mut world), (String::new(), "failed: no disk".into()), "it stays where it failed");
    assert_eq!(world.restarted(), world.remembered());
    world.command(Command::Reinstall(Selector::Mac(mac(1)))).expect("it is known");
    assert_eq!(power_on(&mut world), ("pxelinux.0".into(), "address".into()));
}
