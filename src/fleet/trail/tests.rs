use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::refusal::Refusal;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + secs * 1000)
}

fn mac(n: u16) -> Mac {
    let [high, low] = n.to_be_bytes();
    Mac([0xdc, 0xa6, 0x32, 0, high, low])
}

fn dhcp(asked: &'static str, answered: &'static str, n: u16) -> Notice {
    let address = Ipv4Addr::new(10, 0, 0, 1);
    Notice::DhcpAnswered { asked, answered, mac: Some(mac(n)), address, firmware: "raspberry-pi-5" }
}

fn file(transfer: u64, outcome: Option<Outcome>) -> Notice {
    let (transfer, machine, name) = (TransferId(transfer), Some(MachineId(1)), Arc::from("images/a.img"));
    Notice::Transfer { transfer, machine, name, via: Via::Http, sent: 0, size: 100, outcome }
}

fn words(trail: &Trail) -> Vec<String> {
    let word = |step: &Step| match &step.what {
        What::Dhcp { asked, answered, .. } => format!("{asked} {answered} x{}", step.times),
        What::Refused(sentence) => sentence.clone(),
        What::File { name, sent, outcome, .. } => format!("{name} {sent} {} x{}", outcome.is_some(), step.times),
        What::Stage(stage) => stage.to_string(),
        What::Reported { word, detail } => format!("{word}: {detail}"),
        other => format!("{other:?}"),
    };
    trail.steps().map(word).collect()
}

#[test]
fn what_a_stranger_did_is_the_beginning_of_the_machine_that_it_becomes() {
    let mut trails = Trails::default();
    trails.note(&dhcp("DISCOVER", "OFFER", 1), None, 0, at(0));
    trails.note(&dhcp("DISCOVER", "OFFER", 1), None, 0, at(2));
    assert!(trails.is_empty());
    let stage = Notice::Stage { machine: MachineId(1), label: String::new(), from: Stage::Waiting, to: Stage::Address };
    trails.note(&stage, None, 0, at(3));
    trails.know(MachineId(1), mac(1));
    trails.note(&dhcp("REQUEST", "ACK", 1), None, 0, at(3));
    let refused = Notice::Refused { what: "RELEASE", who: mac(1).to_string(), refusal: Refusal::NotStored };
    trails.note(&refused, None, 0, at(4));
    let trail = trails.of(MachineId(1)).expect("it has one");
    let refused = format!("RELEASE refused: {}", Refusal::NotStored);
    assert_eq!(words(trail), ["DISCOVER OFFER x2", "address", "REQUEST ACK x1", &refused]);
    assert_eq!(trail.steps().next().map(|step| step.until.since(step.at)), Some(Duration::from_secs(2)));
    assert_eq!(trail.heard(), Some(at(4)));
    trails.forget(MachineId(1));
    assert!(trails.of(MachineId(1)).is_none());
}

#[test]
fn an_image_in_many_pieces_is_one_step() {
    let mut trails = Trails::default();
    for piece in 0..50 {
        trails.note(&file(piece, None), None, 0, at(0));
        trails.note(&file(piece, None), None, 30, at(1));
        trails.note(&file(piece, Some(Outcome::Complete)), None, 70, at(2));
    }
    let trail = trails.of(MachineId(1)).expect("it has one");
    assert_eq!(words(trail), ["images/a.img 5000 true x50"]);
}

#[test]
fn a_trail_and_all_trails_are_bounded_whoever_sends_what() {
    let mut trails = Trails::default();
    for n in 0..5000 {
        trails.note(&dhcp("DISCOVER", "OFFER", n), None, 0, at(n.into()));
    }
    assert_eq!(trails.of_strangers.trails.len(), STRANGERS_MAX);
    assert!(trails.of_strangers.trails.contains_key(&mac(4999)));
    for id in 0..1000 {
        for n in 0..STEPS_MAX as u64 {
            let (word, detail) = (format!("word {n}"), "x".repeat(9000));
            trails.note(&Notice::Reported { machine: MachineId(id), word, detail }, None, 0, at(id as i64));
        }
    }
    assert_eq!(trails.len(), MACHINES_MAX);
    assert!(trails.of(MachineId(999)).is_some() && trails.of(MachineId(0)).is_none(), "the quietest went");
    let more = Notice::Reported { machine: MachineId(999), word: "more".into(), detail: String::new() };
    trails.note(&more, None, 0, at(2000));
    let trail = trails.of(MachineId(999)).expect("it has one");
    assert_eq!((trail.steps().count(), trail.forgotten()), (STEPS_MAX, 1));
    assert!(words(trail)[0].len() < 2000, "texts are clipped");
}
