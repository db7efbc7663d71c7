//! The simulated world: many seeds, the same film for the same seed, promises that notice defects, and the stories.
#![allow(clippy::disallowed_methods, reason = "a test reads its stories and its switches")]

#[path = "common/pcap.rs"]
mod pcap;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hatchery::sim::client::Kind;
use hatchery::sim::reach::Reached;
use hatchery::sim::world::{Faults, Plan, Report, Sabotage, run};
use serde_json::Value;

fn play(plan: &Plan) -> Report {
    run(plan).unwrap_or_else(|violation| {
        let path = std::env::temp_dir().join(format!("hatchery-sim-{}-{}.pcap", plan.clients, plan.seed));
        std::fs::write(&path, &violation.capture).expect("the temporary directory takes a file");
        panic!("{violation}packets: {}", path.display())
    })
}

/// How many seeds to play: `SIM_SEEDS`, else 256.
fn seeds() -> u64 {
    std::env::var("SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

#[test]
fn every_machine_reaches_its_end_on_every_bad_day() {
    const THREADS: u64 = 2;
    let (done, faulted, reached) = std::thread::scope(|scope| {
        let play_share = |share| {
            let mut sum = (0, 0, Reached::default());
            for seed in (share..seeds()).step_by(THREADS as usize) {
                let report = play(&Plan::new(20, seed));
                sum.0 += report.done;
                sum.1 += report.faulted.len();
                sum.2.join(report.reached);
            }
            sum
        };
        let shares: Vec<_> = (0..THREADS).map(|share| scope.spawn(move || play_share(share))).collect();
        let sums = shares.into_iter().map(|share| share.join().expect("its panic was printed"));
        sums.fold((0, 0, Reached::default()), |(done, faulted, mut reached), share| {
            reached.join(share.2);
            (done + share.0, faulted + share.1, reached)
        })
    });
    // A fault must be named, but a world in which most give up proves nothing.
    assert!(faulted * 50 <= done, "{faulted} gave up, {done} were done");
    // A shorter sweep cannot be asked for everything.
    if seeds() >= 256 {
        let missed = reached.missed();
        assert!(missed.is_empty(), "the sweep never reached:\n{}", missed.join("\n"));
    }
}

#[test]
fn without_faults_every_machine_is_done() {
    for seed in 0..8 {
        let report = play(&Plan { faults: Faults::none(), ..Plan::new(50, seed) });
        assert_eq!((report.done, report.faulted), (50, vec![]), "seed {seed}");
    }
}

#[test]
fn where_nothing_ever_arrives_every_machine_names_its_fault() {
    let faults = Faults { until: Duration::from_secs(4 * 3600), loss: 1000, ..Faults::none() };
    let report = play(&Plan { faults, ..Plan::new(20, 1) });
    assert_eq!((report.done, report.faulted.len()), (0, 20));
    for (machine, why) in &report.faulted {
        assert!(why.contains("no OFFER"), "{machine}: {why}");
    }
}

#[test]
fn a_machine_that_is_to_be_reinstalled_is_and_keeps_its_name() {
    let plan = Plan { clients: 2, reboot_every: 1, ..Plan::story_of(Kind::Pi5) };
    let story = play(&plan).story;
    let ends = |label: &str| -> Vec<&str> {
        let of_machine = story.iter().filter(|line| line.contains(label));
        of_machine.filter_map(|line| line.split_once(" is done: ")).map(|(_, name)| name).collect()
    };
    let downloads = |label: &str| {
        let of_machine = story.iter().filter(|line| line.contains(label));
        of_machine.filter(|line| line.contains("bytes are down")).count()
    };
    for (label, count) in [("pi5-01", 1), ("pi5-02", 2)] {
        assert_eq!(downloads(label), count, "{label}: {story:#?}");
        assert!(matches!(ends(label)[..], [first, second] if first == second), "{label}: {:?}", ends(label));
    }
}

#[test]
fn a_seed_is_a_film() {
    for seed in [3, 77] {
        let plan = Plan { story: true, ..Plan::new(20, seed) };
        let first = play(&plan);
        assert_eq!(first, play(&plan));
        assert_eq!(first.hash, play(&Plan { story: false, ..plan.clone() }).hash, "telling changes the story");
        assert_ne!(first.hash, play(&Plan { seed: seed + 1, ..plan }).hash);
    }
}

/// `hatchery sim`, as it is typed: what it prints, and whether it ends well.
fn command(arguments: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_hatchery")).arg("sim").args(arguments).output();
    let output = output.expect("the program runs");
    let said = String::from_utf8(output.stdout).expect("it prints text");
    (said, output.status.success())
}

#[test]
fn the_command_plays_the_same_film_twice() {
    let of_seed = |seed| command(&["--clients", "8", "--seed", seed, "--json"]);
    let (first, ended_well) = of_seed("3");
    assert!(ended_well, "{first}");
    assert_eq!(of_seed("3"), (first.clone(), true));
    let value: Value = serde_json::from_str(&first).expect("it prints JSON");
    let report = play(&Plan::new(8, 3));
    assert_eq!(value["hash"], report.hash, "{first}");
    assert_eq!((value["done"].as_u64(), value["seed"].as_u64()), (Some(report.done as u64), Some(3)), "{first}");
    let (other, _) = of_seed("4");
    let other: Value = serde_json::from_str(&other).expect("it prints JSON");
    assert_ne!(other["hash"], value["hash"]);

    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("film.pcap");
    let (said, ended_well) = command(&["--clients", "2", "--pcap", path.to_str().expect("it is text")]);
    assert!(ended_well && said.contains("of 2 machines are done") && said.contains("hash "), "{said}");
    assert!(!pcap::udp_packets(&path).is_empty());
    let nowhere = command(&["--clients", "1", "--pcap", "/nonexistent/film.pcap"]);
    assert!(!nowhere.1 && nowhere.0.is_empty(), "{nowhere:?}");
    assert!(!command(&["--clients", "0"]).1, "a world without machines");
}

/// A promise that no defect can break would be no test. (Not every loss matters: a later row may say the same again.)
#[test]
fn a_store_that_loses_a_transaction_is_caught() {
    let caught: Vec<String> = (1..60)
        .filter_map(|lost| {
            let sabotage = Some(Sabotage::LosesTransaction(lost));
            run(&Plan { sabotage, faults: Faults::none(), ..Plan::new(5, 1) }).err().map(|violation| violation.what)
        })
        .collect();
    for promise in ["was acknowledged to", "was told the name", "the journal's"] {
        assert!(caught.iter().any(|what| what.contains(promise)), "no loss broke '{promise}': {caught:#?}");
    }
}

#[test]
fn a_store_that_is_empty_after_a_restart_is_caught_and_says_how_to_replay() {
    let faults = Faults { crashes: 3, until: Duration::from_secs(120), ..Faults::none() };
    let sabotage = Some(Sabotage::ForgetsAtRestart);
    let caught =
        (0..20).filter_map(|seed| run(&Plan { sabotage, faults: faults.clone(), ..Plan::new(20, seed) }).err());
    let caught: Vec<_> = caught.collect();
    assert!(caught.len() >= 15, "{} of 20", caught.len());
    let path = tempfile::tempdir().expect("a scratch directory");
    let path = path.path().join("broken.pcap");
    std::fs::write(&path, &caught[0].capture).expect("the scratch directory takes a file");
    let packets = pcap::udp_packets(&path);
    let ports: BTreeSet<u16> = packets.iter().map(|packet| packet.dst.port()).collect();
    assert!(packets.len() > 50 && ports.is_superset(&[67, 68, 69].into()), "{} packets to {ports:?}", packets.len());
    let text = caught[0].to_string();
    assert!(text.contains("replay: hatchery sim --clients 20 --seed ") && caught[0].story.len() > 10, "{text}");
}

#[test]
fn story_pi5() {
    told("pi5", &Plan::story_of(Kind::Pi5));
}

#[test]
fn story_pi4() {
    told("pi4", &Plan::story_of(Kind::Pi4));
}

#[test]
fn story_pi3() {
    told("pi3", &Plan::story_of(Kind::Pi3));
}

#[test]
fn story_flexboot() {
    told("flexboot", &Plan::story_of(Kind::FlexBoot));
}

#[test]
fn story_pi4_2020() {
    told("pi4-2020", &Plan::story_of(Kind::Pi4Early));
}

#[test]
fn story_uefi_as_9() {
    told("uefi-as-9", &Plan::story_of(Kind::UefiX64As9));
}

#[test]
fn story_uefi_x64_ipxe() {
    told("uefi-x64-ipxe", &Plan::story_of(Kind::UefiX64));
}

#[test]
fn story_uefi_http() {
    told("uefi-http", &Plan::story_of(Kind::UefiHttpX64));
}

#[test]
fn story_bios_ipxe() {
    told("bios-ipxe", &Plan::story_of(Kind::BiosIpxe));
}

#[test]
fn story_bios_pxelinux() {
    told("bios-pxelinux", &Plan::story_of(Kind::BiosPxe));
}

#[test]
fn story_arm64_grub() {
    told("arm64-grub", &Plan::story_of(Kind::UefiArm64));
}

#[test]
fn story_arm64_http_grub() {
    told("arm64-http-grub", &Plan::story_of(Kind::UefiHttpArm64));
}

#[test]
fn story_uboot_pxe() {
    told("uboot-pxe", &Plan::story_of(Kind::UBoot));
}

#[test]
fn story_uboot_efi() {
    told("uboot-efi", &Plan::story_of(Kind::UBootEfi));
}

#[test]
fn story_plain_linux() {
    told("plain-linux", &Plan::story_of(Kind::PlainLinux));
}

#[test]
fn story_dhclient() {
    told("dhclient", &Plan { reboot_every: 1, ..Plan::story_of(Kind::RememberingLinux) });
}

#[test]
fn story_stick() {
    told("stick", &Plan::story_of(Kind::LinuxInstaller));
}

#[test]
fn story_finished_machine_netboots_again() {
    told("finished-machine-netboots-again", &Plan { reboot_every: 1, ..Plan::story_of(Kind::Pi5) });
}

#[test]
fn story_relayed() {
    told("relayed", &Plan { networks: true, starts_in: 3, ..Plan::story_of(Kind::Pi5) });
}

#[test]
fn story_moved() {
    told("moved", &elsewhere(Plan::story_of(Kind::RememberingLinux)));
}

/// Every machine is plugged into another network after it was finished, and switched on again.
fn elsewhere(plan: Plan) -> Plan {
    Plan { networks: true, reboot_every: 1, reboots_elsewhere: true, ..plan }
}

#[test]
fn a_machine_that_is_moved_gets_an_address_there_and_keeps_its_name() {
    let story = play(&elsewhere(Plan { clients: 2, ..Plan::story_of(Kind::Pi5) })).story;
    let of_second = || story.iter().filter(|line| line.contains("pi5-02"));
    let acks: Vec<&str> = of_second().filter_map(|line| Some(line.split_once("DHCP ACK")?.1)).collect();
    let networks: BTreeSet<&str> =
        acks.iter().filter_map(|ack| ack.split_once("yiaddr ")?.1.get(.."192.168.151".len())).collect();
    assert!(networks.len() == 2 && networks.contains("192.168.151"), "{networks:?}");
    let names: Vec<&str> = of_second().filter_map(|line| Some(line.split_once(" is done: ")?.1)).collect();
    assert!(matches!(names[..], [first, second] if first == second), "{names:?}");
}

/// Compares the story of a plan with `tests/stories/NAME.txt`; `UPDATE_GOLDEN=1` writes it instead.
fn told(name: &str, plan: &Plan) {
    let report = play(plan);
    assert_eq!(report.faulted, vec![]);
    let mut story = String::new();
    for line in &report.story {
        writeln!(story, "{}", line.trim_end()).expect("a String takes everything");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &story).expect("the stories can be written");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = story.lines().zip(golden.lines()).position(|(ours, theirs)| ours != theirs);
    let line = differs.unwrap_or_else(|| story.lines().count().min(golden.lines().count()));
    assert!(
        story == golden,
        "{} differs from line {}:\n  told:   {}\n  golden: {}\nUPDATE_GOLDEN=1 rewrites it",
        path.display(),
        line + 1,
        story.lines().nth(line).unwrap_or("(end)"),
        golden.lines().nth(line).unwrap_or("(end)"),
    );
}
