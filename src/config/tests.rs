use super::*;

const SAMPLE: &str = include_str!("../../packaging/hatchery.toml");

fn shown(text: &str) -> Vec<String> {
    match Config::parse(text, "f.toml") {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_sample_has_no_problem() {
    assert_eq!(shown(SAMPLE), Vec::<String>::new());
}

#[test]
fn scratch() {
    println!("{}", Config::parse(SAMPLE, "x").unwrap().summary());
    for text in ["", "a = [", "[[network]]\ninterfce=\"x\"\n[paths]\ndat=1\ndata=2"] {
        for line in shown(text) {
            println!("{line}");
        }
    }
}
