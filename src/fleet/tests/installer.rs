//! What our own installer says beyond the words of the field, and when a success is believed.

use super::*;
use crate::fleet::report::{Level, LogLine, Progress};
use crate::machine::hardware::Hardware;

fn line(text: &str) -> LogLine {
    LogLine { at: Timestamp::from_millis(1), level: Level::Info, text: text.to_owned() }
}

fn hardware() -> Hardware {
    Hardware { installer: "0.1.0".into(), model: "a board".into(), ..Hardware::default() }
}

impl World {
    fn our_config(&mut self, from: &Installer) -> Config {
        let report = Report::Config { product: from.product.clone(), venue: None, hardware: Some(hardware()) };
        match self.told(from.event(report)) {
            Ok(Told::Config(config)) => *config,
            other => panic!("{other:?}"),
        }
    }

    fn log(&mut self, from: &Installer, text: &str) -> Result<Told, Refusal> {
        self.told(from.event(Report::Log(vec![line(text)])))
    }

    fn progress(&mut self, from: &Installer) -> Result<Told, Refusal> {
        let progress = Progress { stage: "downloading".into(), bytes: 1, total: 2, ..Progress::default() };
        self.told(from.event(Report::Progress(progress)))
    }

    /// The deployments that log lines went to, with the lines.
    fn logged(&self) -> Vec<(u64, String)> {
        let lines = self.journal.iter().filter_map(|change| match change {
            Change::Logged { deployment, lines } => Some((deployment.0, lines[0].text.clone())),
            _ => None,
        });
        lines.collect()
    }

    fn shown(&self) -> board::Board {
        let mut board = board::Board::new(self.fleet.site.clone(), self.fleet.catalog.clone());
        self.notices.iter().for_each(|notice| board.apply(notice));
        board
    }
}

#[test]
fn an_installer_that_says_what_it_found_is_told_more() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pi = Installer::new(1).at(address);
    assert_eq!(world.config(&pi).expect("it is configured").install, None, "a script of the field");
    assert_eq!(world.machine(1).hardware, None);
    let config = world.our_config(&pi);
    assert_eq!(config.install, Some(crate::catalog::Install::default()));
    assert_eq!(world.machine(1).hardware.as_deref(), Some(&hardware()));
    assert_eq!(world.deployments()[0].installer.as_deref(), Some("0.1.0"));
    let commits = world.journal.len();
    world.our_config(&pi);
    assert_eq!(world.journal.len(), commits, "said again, it is no news");
    assert!(world.restarted() == world.remembered());
}

#[test]
fn progress_is_a_sign_of_life_and_nothing_more() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pi = Installer::new(1).at(address);
    world.status(&pi, "downloading", None);
    let commits = world.journal.len();
    for _ in 0..4 {
        world.wait(600);
        world.progress(&pi).expect("it is known");
    }
    assert_eq!((world.stage(1).as_str(), world.journal.len()), ("writing", commits));
    let id = world.machine(1).id;
    assert_eq!(world.shown().progress(id).map(|progress| progress.bytes), Some(1));
    world.status(&pi, "verifying", None);
    assert_eq!(world.shown().progress(id), None, "it said nothing of this stage yet");
    world.wait(10_000);
    assert!(world.stage(1).starts_with("failed: no sign of life"));
    world.progress(&pi).expect("it is known");
    assert_eq!(world.shown().progress(id), None, "its run is over");
}

#[test]
fn strangers_are_refused() {
    let mut world = World::factory(3);
    let stranger = Installer::new(9);
    assert_eq!(world.progress(&stranger), Err(Refusal::UnknownMachine));
    assert_eq!(world.log(&stranger, "hello"), Err(Refusal::UnknownMachine));
    assert_eq!(world.fleet.tables().machines.iter().count(), 0);
}

#[test]
fn log_lines_belong_to_the_run_they_are_of() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pi = Installer::new(1).at(address);
    world.log(&pi, "no disk, before anything else").expect("it is known");
    assert_eq!(world.stage(1), "installer", "whoever writes a log runs");
    world.status(&pi, "failed", Some("no disk"));
    world.log(&pi, "afterwards").expect("it is known");
    assert!(world.restarted() == world.remembered());
    let rows = world.journal.clone();
    world.fleet.reload(rows, world.now);
    world.log(&pi, "after a restart of the server").expect("it is known");
    world.netboot(1);
    world.log(&pi, "a new run").expect("it is known");
    let runs: Vec<u64> = world.logged().into_iter().map(|(run, _)| run).collect();
    assert_eq!(runs, [1, 1, 1, 2]);
    assert!(world.restarted() == world.remembered());
}

#[test]
fn a_machine_that_starts_again_ends_its_run() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pi = Installer::new(1).at(address);
    world.config(&pi).expect("it is configured");
    world.status(&pi, "downloading", None);
    // The power fails, and comes back.
    world.netboot(1);
    let row = world.deployments().remove(0);
    let cause = Some("interrupted in 'downloading': the machine started again");
    assert_eq!((row.status.as_str(), row.error_message.as_deref()), ("failed", cause));
    // The old run's last word, late: the disk it is about is half written.
    world.status(&pi, "success", None);
    assert_eq!((world.stage(1).as_str(), world.machine(1).order), ("address", Order::Install));
    assert_eq!(world.deployments().len(), 1, "it opens nothing");
    assert!(world.reply(&bios(1)).file == "pxelinux.0", "it is installed anew");
}

#[test]
fn our_installer_is_done_only_after_it_verified() {
    for (words, believed) in [
        (&["success"][..], false),
        (&["downloading", "success"], false),
        (&["downloading", "verifying", "success"], true),
        (&["customizing", "success"], true),
    ] {
        let mut world = World::factory(3);
        let address = world.netboot(1);
        let pi = Installer::new(1).at(address);
        world.our_config(&pi);
        words.iter().for_each(|word| world.status(&pi, word, None));
        assert_eq!(world.stage(1) == "done", believed, "{words:?}");
        assert_eq!(world.machine(1).order == Order::Disk, believed, "{words:?}");
        assert_eq!(world.fleet.tables().open.is_empty(), believed, "{words:?}");
    }
    // The scripts of the field skip what they like.
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let script = Installer::new(1).at(address);
    world.config(&script).expect("it is configured");
    world.status(&script, "success", None);
    assert_eq!(world.stage(1), "done");
}

#[test]
fn what_an_installer_says_of_a_run_that_was_broken_off_is_not_believed() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pi = Installer::new(1).at(address);
    let told = world.our_config(&pi).reinstalls;
    let says = |word: &str, reinstalls| {
        let report = Report::Status { status: word.into(), hostname: None, message: None };
        let Event::Report { address, mac, serial, report, reply_to, .. } = pi.event(report) else { unreachable!() };
        Event::Report { address, mac, serial, reinstalls: Some(reinstalls), report, reply_to }
    };
    world.told(says("downloading", told)).expect("it is received");
    assert_eq!(world.stage(1), "writing");
    world.command(Command::Reinstall(Selector::Mac(mac(1)))).expect("it is known");
    let row = world.deployments().remove(0);
    assert_eq!((row.status.as_str(), row.completed_at.is_some()), ("failed", true), "the old run is over");
    for word in ["customizing", "success"] {
        world.told(says(word, told)).expect("it is received all the same");
        assert_eq!((world.stage(1).as_str(), world.machine(1).order), ("waiting", Order::Reinstall), "{word}");
    }
    assert_eq!(world.deployments().len(), 1, "it opens nothing");
    assert!(world.restarted() == world.remembered());
    // The run that was ordered, in the same words.
    world.netboot(1);
    let told = world.our_config(&pi).reinstalls;
    for word in ["downloading", "verifying", "customizing", "success"] {
        world.told(says(word, told)).expect("it is received");
    }
    assert_eq!((world.stage(1).as_str(), world.machine(1).order), ("done", Order::Disk));
}
