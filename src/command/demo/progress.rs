//! The demo while it runs: a bar per machine where they fit on the terminal, else one bar for all; plain lines, one a
//! second, where there is no terminal. All of it goes to standard error.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::clock;
use crate::load::{End, Record};
use crate::sim::client::Phase;
use crate::time::Instant;

/// How often a plain line is written.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// What shows the progress.
pub(in crate::command) struct Progress {
    view: View,
    image_bytes: u64,
}

enum View {
    Bars(Vec<ProgressBar>),
    Total(ProgressBar),
    Lines { last: Instant, first: Instant },
}

impl Progress {
    /// Chooses by the terminal there is.
    pub fn new(records: &[Record], image_bytes: u64) -> Progress {
        let view = if !io::stderr().is_terminal() {
            return Progress::plain(records);
        } else if terminal_rows().is_some_and(|rows| records.len() < usize::from(rows)) {
            let all = MultiProgress::new();
            let bar = |record: &Record| {
                let style = "{prefix:<24} {bar:30} {binary_bytes:>12}  {msg}";
                all.add(bar(image_bytes, style)).with_prefix(format!("{} {:<5}", record.mac, record.kind.word()))
            };
            View::Bars(records.iter().map(bar).collect())
        } else {
            let style = "{bar:30} {binary_bytes} of {binary_total_bytes}  {msg}";
            View::Total(bar(image_bytes * records.len() as u64, style))
        };
        Progress { view, image_bytes }
    }

    /// A line a second, whatever the terminal; for an image of unknown size.
    pub fn plain(records: &[Record]) -> Progress {
        eprintln!("{} machines are switched on", records.len());
        let now = clock::now().instant;
        Progress { view: View::Lines { last: now, first: now }, image_bytes: 0 }
    }

    /// Draws how it stands.
    pub fn show(&mut self, records: &[Record]) {
        match &mut self.view {
            View::Bars(bars) => {
                for (bar, record) in bars.iter().zip(records) {
                    bar.set_position(record.image_bytes.min(self.image_bytes));
                    bar.set_message(message(record));
                }
            }
            View::Total(bar) => {
                bar.set_position(image_bytes(records));
                bar.set_message(summary(records));
            }
            View::Lines { last, first } => {
                let now = clock::now().instant;
                if now.since(*last) >= LINE_INTERVAL {
                    *last = now;
                    let secs = now.since(*first).as_secs();
                    eprintln!("{secs:>4} s  {}, {} MiB of images", summary(records), image_bytes(records) >> 20);
                }
            }
        }
    }

    /// Draws for the last time.
    pub fn finish(&mut self, records: &[Record]) {
        self.show(records);
        match &self.view {
            View::Bars(bars) => bars.iter().for_each(ProgressBar::abandon),
            View::Total(bar) => bar.abandon(),
            View::Lines { .. } => eprintln!("{}", summary(records)),
        }
    }
}

fn bar(length: u64, style: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(style).expect("the template is ours");
    ProgressBar::new(length).with_style(style)
}

fn message(record: &Record) -> String {
    match &record.end {
        Some((End::Done(hostname), _)) => format!("{hostname} is done"),
        Some((End::Faulted(why), _)) => format!("faulted: {why}"),
        None => word(record.phases.keys().next_back().copied()).to_owned(),
    }
}

/// What a machine does after the last milestone it passed.
fn word(passed: Option<Phase>) -> &'static str {
    match passed {
        None | Some(Phase::Power) => "asks for an address",
        Some(Phase::Offered) => "was offered an address",
        Some(Phase::Bound) => "loads its boot files",
        Some(Phase::Loaded) => "starts its installer",
        Some(Phase::Configured) => "downloads its image",
        Some(Phase::Downloaded) => "reports",
        Some(Phase::Reported) => "reported",
    }
}

fn summary(records: &[Record]) -> String {
    let done = records.iter().filter(|record| matches!(record.end, Some((End::Done(_), _)))).count();
    let faulted = records.iter().filter(|record| matches!(record.end, Some((End::Faulted(_), _)))).count();
    let passed = |phase| records.iter().filter(|record| record.phases.contains_key(&phase)).count();
    let (bound, configured) = (passed(Phase::Bound), passed(Phase::Configured));
    format!("{bound} have an address, {configured} a name, {done} are done, {faulted} faulted")
}

fn image_bytes(records: &[Record]) -> u64 {
    records.iter().map(|record| record.image_bytes).sum()
}

/// Lines of the terminal behind standard error.
fn terminal_rows() -> Option<u16> {
    // SAFETY: winsize is plain integers; all zero is a value of it.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer (ioctl_tty(2)).
    let result = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_row > 0).then_some(size.ws_row)
}
