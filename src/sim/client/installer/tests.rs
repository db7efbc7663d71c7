use super::*;
use crate::sim::client::{Identity, Kind, Options, Output};

const CONFIG: &str = concat!(
    r#"{"hostname":"KXP2-TEST-001","image_checksum":""#,
    "0101010101010101010101010101010101010101010101010101010101010101",
    r#"","image_size":10,"image_url":"http://10.0.0.1/images/a.img"}"#
);

struct Bench {
    hw: Hardware,
    installer: Installer,
    now: Instant,
    /// Every exchange begun: its number, and the URL with the body.
    asked: Vec<(u32, String)>,
}

impl Bench {
    fn new() -> Bench {
        let identity = Identity::numbered(Kind::Pi5, 1, &mut fastrand::Rng::with_seed(1));
        let mut hw = Hardware::new(Kind::Pi5, identity, 1, Options::default());
        let mut installer = Installer::new("http://10.0.0.1/".into());
        installer.go_on(Instant::START, &mut hw);
        let mut bench = Bench { hw, installer, now: Instant::START, asked: Vec::new() };
        bench.note();
        bench
    }

    fn note(&mut self) {
        for output in self.hw.take_outputs() {
            match output {
                Output::Http { exchange, url, body, .. } => {
                    self.asked.push((exchange, format!("{url} {}", body.unwrap_or_default())));
                }
                Output::Download { exchange, url } => self.asked.push((exchange, url)),
                _ => {}
            }
        }
    }

    fn last(&self) -> &(u32, String) {
        self.asked.last().expect("it begins with a report")
    }

    fn hear(&mut self, input: &Input) -> Progress {
        let progress = self.installer.handle(input, self.now, &mut self.hw);
        self.note();
        progress
    }

    fn answer(&mut self, status: u16, body: &str) -> Progress {
        let response = Ok((status, body.as_bytes().to_vec()));
        self.hear(&Input::Http { exchange: self.last().0, response })
    }

    fn wait(&mut self) -> Progress {
        self.now = self.installer.deadline().expect("it waits for something");
        self.hear(&Input::Timer)
    }

    /// Brings it to its download.
    fn until_download(&mut self) {
        self.answer(200, "{}");
        self.answer(200, CONFIG);
        self.answer(200, "{}");
        assert_eq!(self.last().1, "http://10.0.0.1/images/a.img");
    }

    fn download(&mut self, size: u64, byte: u8) -> Progress {
        let result = Ok((size, Digest([byte; 32])));
        self.hear(&Input::Downloaded { exchange: self.last().0, result })
    }
}

#[test]
fn it_reports_in_order_and_ends_with_its_name() {
    let mut bench = Bench::new();
    bench.until_download();
    bench.download(10, 1);
    bench.answer(200, "{}");
    bench.answer(200, "{}");
    assert_eq!(bench.hw.disk.as_deref(), Some("KXP2-TEST-001"));
    assert!(matches!(bench.answer(200, "{}"), Progress::Done(name) if name == "KXP2-TEST-001"));
    let status = |(_, text): &(u32, String)| text.split('"').nth(3).unwrap_or_default().to_owned();
    let statuses: Vec<String> =
        bench.asked.iter().filter(|(_, text)| text.contains("/api/status")).map(status).collect();
    assert_eq!(statuses, ["starting", "downloading", "verifying", "customizing", "success"]);
    assert!(bench.asked[1].1.contains(r#""mac_address":"2c:cf:67:00:00:01""#), "{:?}", bench.asked[1]);
}

#[test]
fn an_unanswered_question_is_asked_again_and_a_late_answer_to_the_first_is_ignored() {
    let mut bench = Bench::new();
    let first = bench.last().0;
    bench.wait();
    assert!(bench.now.since_start() == ANSWER_PATIENCE);
    bench.wait();
    assert_ne!(bench.last().0, first);
    assert_eq!(bench.asked[0].1, bench.asked[1].1);
    bench.hear(&Input::Http { exchange: first, response: Ok((200, b"{}".to_vec())) });
    assert_eq!(bench.asked.len(), 2);
    bench.answer(200, "{}");
    assert!(bench.last().1.contains("/api/config"));
}

#[test]
fn an_image_with_another_digest_or_size_is_never_installed() {
    for (size, byte) in [(10, 2), (9, 1)] {
        let mut bench = Bench::new();
        bench.until_download();
        let why = loop {
            match bench.download(size, byte) {
                Progress::Working if bench.last().1.contains("failed") => break bench.last().1.clone(),
                Progress::Working => drop(bench.wait()),
                other => panic!("{other:?}"),
            }
        };
        assert!(why.contains("promised"), "{why}");
        assert!(
            matches!(bench.answer(200, "{}"), Progress::Failed(why) if why.contains("the download failed 15 times"))
        );
        assert_eq!(bench.hw.disk, None);
    }
}

#[test]
fn a_refusal_is_named_in_the_fault() {
    let mut bench = Bench::new();
    bench.answer(200, "{}");
    let failed = loop {
        let asked = bench.last().1.contains("/api/config");
        let (status, body) = if asked { (404, r#"{"error":"No active image for RXP2"}"#) } else { (200, "{}") };
        match bench.answer(status, body) {
            Progress::Working if asked && bench.last().1.contains("/api/config") => drop(bench.wait()),
            Progress::Working => {}
            Progress::Failed(why) => break why,
            Progress::Done(name) => panic!("{name}"),
        }
    };
    assert!(failed.contains("HTTP 404 No active image for RXP2"), "{failed}");
}

#[test]
fn a_lost_address_interrupts_and_the_step_begins_anew() {
    let mut bench = Bench::new();
    bench.until_download();
    let before = bench.asked.len();
    bench.installer.interrupted();
    assert_eq!(bench.installer.deadline(), None);
    bench.installer.go_on(bench.now, &mut bench.hw);
    bench.note();
    assert_eq!(bench.asked.len(), before + 1);
    assert_eq!(bench.last().1, "http://10.0.0.1/images/a.img");
}
