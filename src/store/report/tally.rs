//! Counts and percentiles of deployments. Pure: what it is given, it counts.
//!
//! A percentile is by the nearest rank: the smallest value that at least so many per cent of all values do not exceed.
//! Every number in a report is thus one that was measured.

use std::collections::BTreeMap;

use crate::machine::stage::Stage;
use crate::time::Timestamp;

/// A day, milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// The stages of a run, as indices of [`Stage::WORDS`]: from the address to the first boot.
const FIRST: usize = 1;
const STAGES: usize = 6;

/// Causes of failure that are listed; the rest is one line.
const CAUSES_MAX: usize = 20;

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) product: Option<String>,
    pub(super) venue: Option<String>,
    pub(super) image: Option<String>,
    pub(super) started: i64,
    pub(super) end: End,
    /// The stages that its machine entered about then, in order.
    pub(super) entries: Vec<Entry>,
}

/// How it ended, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Running,
    Success(i64),
    Failed(i64, String),
}

/// A stage was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) stage: usize,
    pub(super) at: i64,
}

impl Entry {
    /// `None` for a word that is no stage.
    pub(super) fn read(word: &str, at: i64) -> Option<Entry> {
        Stage::WORDS.iter().position(|each| *each == word).map(|stage| Entry { stage, at })
    }
}

/// How many deployments came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ended well.
    pub successful: u64,
    /// Ended otherwise.
    pub failed: u64,
    /// Have not ended.
    pub running: u64,
}

impl Counts {
    /// All of them.
    pub fn started(&self) -> u64 {
        self.successful + self.failed + self.running
    }

    /// Of those that ended, the part that ended well.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.successful + self.failed;
        (ended > 0).then(|| self.successful as f64 / ended as f64)
    }
}

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Of how many.
    pub count: u64,
    /// Half of them were not slower.
    pub median: u64,
    /// 95 of 100 were not slower.
    pub p95: u64,
}

impl Times {
    /// Of some measured values; `None` of none.
    pub fn of(values: &mut [u64]) -> Option<Times> {
        if values.is_empty() {
            return None;
        }
        let rank = |per_cent: usize| (values.len() * per_cent).div_ceil(100).max(1) - 1;
        let (median, p95) = (rank(50), rank(95));
        let p95 = *values.select_nth_unstable(p95).1;
        let median = *values.select_nth_unstable(median).1;
        Some(Times { count: values.len() as u64, median, p95 })
    }
}

/// Deployments that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What: a product, a venue, an image; empty where there was none.
    pub key: String,
    /// How they ended.
    pub counts: Counts,
    /// From the installer's first word to its last, of those that ended well.
    pub whole: Option<Times>,
}

/// How long a stage took in deployments that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTimes {
    /// The stage's word.
    pub stage: &'static str,
    /// In the whole period.
    pub all: Option<Times>,
    /// By the day on which the deployment began.
    pub days: Vec<(Timestamp, Times)>,
}

/// Why deployments failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In the words of the latest; those that differ in numbers only are one cause.
    pub cause: String,
    /// How many.
    pub count: u64,
    /// When the latest of them began.
    pub last: Timestamp,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// All deployments.
    pub total: Group,
    /// By the day on which they began, midnight UTC; days without one are left out.
    pub days: Vec<(Timestamp, Group)>,
    /// The stages in their order.
    pub stages: Vec<StageTimes>,
    /// By product.
    pub products: Vec<Group>,
    /// By venue.
    pub venues: Vec<Group>,
    /// By image.
    pub images: Vec<Group>,
    /// The most common first.
    pub failures: Vec<Failure>,
    /// Failures whose cause is not among these.
    pub other_failures: u64,
}

#[derive(Debug, Default)]
struct Heap {
    counts: Counts,
    whole: Vec<u64>,
}

impl Heap {
    fn add(&mut self, run: &Run) {
        match run.end {
            End::Running => self.counts.running += 1,
            End::Failed(..) => self.counts.failed += 1,
            End::Success(at) => {
                self.counts.successful += 1;
                self.whole.push(between(run.started, at));
            }
        }
    }

    fn finish(mut self, key: String) -> Group {
        Group { key, counts: self.counts, whole: Times::of(&mut self.whole) }
    }
}

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    total: Heap,
    days: BTreeMap<i64, Heap>,
    stages: [BTreeMap<i64, Vec<u64>>; STAGES],
    products: BTreeMap<String, Heap>,
    venues: BTreeMap<String, Heap>,
    images: BTreeMap<String, Heap>,
    failures: BTreeMap<String, Failure>,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, run: &Run) {
        let day = run.started.div_euclid(DAY);
        self.total.add(run);
        self.days.entry(day).or_default().add(run);
        let groups =
            [(&mut self.products, &run.product), (&mut self.venues, &run.venue), (&mut self.images, &run.image)];
        for (heaps, key) in groups {
            let key = key.as_deref().unwrap_or_default();
            match heaps.get_mut(key) {
                Some(heap) => heap.add(run),
                None => heaps.entry(key.to_owned()).or_default().add(run),
            }
        }
        match &run.end {
            End::Running => {}
            End::Success(at) => {
                let took = stage_times(run.started, *at, &run.entries);
                for (days, millis) in self.stages.iter_mut().zip(took) {
                    days.entry(day).or_default().extend(millis);
                }
            }
            End::Failed(_, cause) => {
                let last = Timestamp::from_millis(run.started);
                let known = self.failures.entry(without_numbers(cause));
                let known = known.or_insert(Failure { cause: String::new(), count: 0, last });
                known.count += 1;
                if last >= known.last {
                    *known = Failure { cause: cause.clone(), last, ..*known };
                }
            }
        }
    }

    /// The report.
    pub(super) fn finish(self) -> Report {
        let groups = |heaps: BTreeMap<String, Heap>| {
            let mut groups: Vec<Group> = heaps.into_iter().map(|(key, heap)| heap.finish(key)).collect();
            groups.sort_by_key(|group| std::cmp::Reverse(group.counts.started()));
            groups
        };
        let mut failures: Vec<Failure> = self.failures.into_values().collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        let other_failures = failures.iter().skip(CAUSES_MAX).map(|failure| failure.count).sum();
        failures.truncate(CAUSES_MAX);
        let words = &Stage::WORDS[FIRST..FIRST + STAGES];
        Report {
            total: self.total.finish(String::new()),
            days: self.days.into_iter().map(|(day, heap)| (midnight(day), heap.finish(String::new()))).collect(),
            stages: words.iter().zip(self.stages).map(|(stage, days)| finish_stage(stage, days)).collect(),
            products: groups(self.products),
            venues: groups(self.venues),
            images: groups(self.images),
            failures,
            other_failures,
        }
    }
}

fn finish_stage(stage: &'static str, mut days: BTreeMap<i64, Vec<u64>>) -> StageTimes {
    let mut all: Vec<u64> = days.values().flatten().copied().collect();
    let by_day = days.iter_mut().filter_map(|(day, values)| Some((midnight(*day), Times::of(values)?)));
    let days = by_day.collect();
    StageTimes { stage, all: Times::of(&mut all), days }
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY)
}

fn between(from: i64, to: i64) -> u64 {
    u64::try_from(to - from).unwrap_or(0)
}

/// How long a run was in each stage, together if it was there more than once. The run begins with the last address
/// before the installer's first word, or, where that is not known, with the stage that the machine was in then.
fn stage_times(started: i64, ended: i64, entries: &[Entry]) -> [Option<u64>; STAGES] {
    let before = |entry: &Entry| entry.at <= started;
    let address = entries.iter().rposition(|entry| before(entry) && entry.stage == FIRST);
    let begin = address.or_else(|| entries.iter().rposition(before)).unwrap_or(0);
    let mut took = [None; STAGES];
    for (index, entry) in entries.iter().enumerate().skip(begin) {
        let next = entries.get(index + 1).map_or(ended, |next| next.at).min(ended);
        let stage = entry.stage.checked_sub(FIRST);
        if let Some(took) = stage.and_then(|stage| took.get_mut(stage)) {
            *took = Some(took.unwrap_or(0) + between(entry.at, next));
        }
    }
    took
}

/// The text with one sign for every run of digits.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_number = false;
    for letter in text.chars() {
        let digit = letter.is_ascii_digit();
        if !digit {
            out.push(letter);
        } else if !in_number {
            out.push('#');
        }
        in_number = digit;
    }
    out
}

#[cfg(test)]
mod tests;
