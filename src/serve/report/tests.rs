use super::*;
use crate::store::report::Counts;

const NOON: &str = "2026-11-21T12:00:00Z";

fn read(from: &str, to: &str) -> Result<(String, String), String> {
    let asked = Asked { from: Some(from.into()), to: Some(to.into()), ..Asked::default() };
    let now = clock::parse_iso(NOON).expect("a time");
    let filter = asked.read(now).map_err(|refusal| refusal.to_string())?;
    Ok((clock::iso(filter.from), clock::iso(filter.to)))
}

#[test]
fn periods_as_people_write_them() {
    let ok = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
    assert_eq!(read("2026-11-01", "2026-11-02"), ok("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z"));
    assert_eq!(read("2026-11-01T10:00:00+01:00", "2026-11-01"), ok("2026-11-01T09:00:00Z", "2026-11-02T00:00:00Z"));
    assert_eq!(read("", ""), ok("2026-10-23T00:00:00Z", NOON));
    assert_eq!(read("", "2026-03-31"), ok("2026-03-02T00:00:00Z", "2026-04-01T00:00:00Z"));
    assert!(read("yesterday", "").is_err_and(|sentence| sentence.contains("'yesterday' is neither a day")));
    assert!(read("2026-11-31", "").is_err());
    assert!(read("2026-11-03", "2026-11-01").is_err_and(|sentence| sentence.contains("exchange")));
    assert!(read("2020-01-01", "").is_err_and(|sentence| sentence.contains("1100 days")));
}

#[test]
fn csv_has_every_number_and_no_formula() {
    let counts = Counts { successful: 2, failed: 1, running: 0 };
    let whole = Some(Times { count: 2, median: 61_500, p95: 70_000 });
    let group = |key: &str| Group { key: key.into(), counts, whole };
    let at = Timestamp::from_millis(0);
    let times = Times { count: 2, median: 1000, p95: 2000 };
    let report = Report {
        total: group(""),
        days: vec![(at, group(""))],
        stages: vec![StageTimes { stage: "writing", all: Some(times), days: vec![(at, times)] }],
        products: vec![group("KXP2")],
        venues: vec![group("")],
        images: vec![],
        failures: vec![Failure { cause: "=1+1, \"broken\"".into(), count: 1, last: at }],
        other_failures: 0,
    };
    let filter = Asked::default().read(Timestamp::from_millis(1)).expect("a period");
    let text = csv(&shown(&filter, &report));
    let lines: Vec<&str> = text.split("\r\n").collect();
    let expected = [
        "part,about,day,count,successful,failed,running,success_rate,median_secs,p95_secs",
        "total,,,3,2,1,0,0.6667,61.5,70.0",
        "day,,1970-01-01,3,2,1,0,0.6667,61.5,70.0",
        "stage,writing,,2,,,,,1.0,2.0",
        "stage,writing,1970-01-01,2,,,,,1.0,2.0",
        "product,KXP2,,3,2,1,0,0.6667,61.5,70.0",
        "venue,,,3,2,1,0,0.6667,61.5,70.0",
        "failure,\"'=1+1, \"\"broken\"\"\",,1,,1,,,,",
        "",
    ];
    assert_eq!(lines, expected);
}
