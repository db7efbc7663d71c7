//! The steps of an answer, one by one: decode, plan, answer and encode of a Raspberry Pi 4's DISCOVER, and its boot files
//! from their templates.
//!
//! All of them with what a fleet remembers around them are `dora`; a batch of commits is `commit`, and a step of a
//! transfer is in `tftp`.

#[path = "dora/pi.rs"]
mod pi;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hatchery::answer::Answers;
use hatchery::boot::{self, Facts, Question};
use hatchery::dhcp::{self, Grant, Terms};
use hatchery::ids::MachineId;
use hatchery::machine::firmware::Firmware;
use hatchery::machine::{Evidence, Machine};
use hatchery::wire::dhcp::codec;

const FIRMWARE: Firmware = Firmware::RaspberryPi4;

fn exchange(criterion: &mut Criterion) {
    let (site, catalog) = (pi::site(), pi::catalog());
    let link = &site.links[0];
    let bytes = pi::message(pi::DISCOVER, 1, None);
    let request = codec::decode(&bytes).expect("a DISCOVER");
    let machine = Machine::new(MachineId(1), &Evidence::default(), pi::now().timestamp);
    let (reservation, classes) = (None, &[][..]);
    let question = Question {
        machine: &machine,
        named: true,
        firmware: FIRMWARE,
        link,
        reservation,
        classes,
        site: &site,
        catalog: &catalog,
    };
    let plan = boot::plan(&question);
    let lease_time = Duration::from_secs(43_200);
    let grant = Grant { address: Ipv4Addr::new(10, 0, 1, 0), lease_time, firmware: FIRMWARE, plan: &plan };
    let terms = Terms::of(link);
    let reply = dhcp::offer(&request, &grant, &terms);

    let mut group = criterion.benchmark_group("step");
    group.bench_function("decode", |bencher| bencher.iter(|| codec::decode(black_box(&bytes))));
    group.bench_function("plan", |bencher| bencher.iter(|| boot::plan(black_box(&question))));
    group.bench_function("answer", |bencher| bencher.iter(|| dhcp::offer(black_box(&request), &grant, &terms)));
    group.bench_function("encode", |bencher| bencher.iter(|| codec::encode(black_box(&reply))));
    group.finish();
}

fn render(criterion: &mut Criterion) {
    let template = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let (answers, errors) = Answers::compile(&BTreeMap::from([
        template("config.txt", include_str!("../answer-templates/pi/config.txt")),
        template("user-data", include_str!("../answer-templates/nocloud/user-data")),
    ]));
    assert!(errors.is_empty(), "{errors:?}");
    let facts = Facts {
        mac: "dc:a6:32:00:00:01".into(),
        serial: "10000000a1b2c3d4".into(),
        hostname: "KXP2-ARLT-001".into(),
        address: "10.0.1.0".into(),
        server: "10.0.0.1".into(),
        base_url: "http://10.0.0.1".into(),
        ..Facts::default()
    };
    let mut group = criterion.benchmark_group("render");
    for name in ["config.txt", "user-data"] {
        answers.render(name, &facts).expect("every fact that it names is known");
        group.bench_function(name, |bencher| bencher.iter(|| answers.render(black_box(name), &facts)));
    }
    group.finish();
}

criterion_group!(benches, exchange, render);
criterion_main!(benches);
