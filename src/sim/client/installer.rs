//! The installer as the machine runs it: report, ask who it is, download, compare, report.
//!
//! Owns the order of the deployment and what is done about every answer that does not come. The shapes of the
//! exchanges are those of the deployment API, read as the shell clients in the field read them: by looking for
//! `"key":` in the text.

use std::time::Duration;

use super::hardware::Hardware;
use super::{Input, Phase};
use crate::ids::Digest;
use crate::sim::json::{field, optional, quoted};
use crate::time::Instant;

/// For a report or a question, and between two pieces of a download.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(30);
/// Pauses between tries double up to this.
const PAUSE_MAX_SECS: u64 = 16;
/// Nobody waits long for the news of a failure.
const TRIES_MAX_FAILING: u32 = 3;

/// The installer at work.
#[derive(Debug)]
pub(super) struct Installer {
    base_url: String,
    step: Step,
    answers: Answers,
    /// The exchange under way, if its answer is waited for.
    exchange: Option<u32>,
    tries: u32,
    deadline: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Starting,
    Config,
    Downloading,
    Download,
    Verifying,
    Customizing,
    Success,
    Failing(String),
}

/// What `/api/config` said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answers {
    hostname: String,
    image_url: String,
    image_size: u64,
    image_checksum: String,
}

/// How it stands.
#[derive(Debug)]
pub(super) enum Progress {
    Working,
    Done(String),
    Failed(String),
}

impl Installer {
    /// An installer that was told `base_url` (`http://SERVER[:PORT]`).
    pub fn new(base_url: String) -> Installer {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let answers = Answers::default();
        Installer { base_url, step: Step::Starting, answers, exchange: None, tries: 0, deadline: None }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// There is an address (again).
    pub fn go_on(&mut self, now: Instant, hw: &mut Hardware) {
        if self.exchange.is_none() {
            self.ask(now, hw);
        }
    }

    /// The address is gone, and with it the exchange under way.
    pub fn interrupted(&mut self) {
        self.exchange = None;
        self.deadline = None;
    }

    pub fn handle(&mut self, input: &Input, now: Instant, hw: &mut Hardware) -> Progress {
        match input {
            Input::Timer if self.deadline.is_some_and(|deadline| now >= deadline) => match self.exchange.take() {
                Some(_) => self.retry("no answer in time", now, hw),
                None => {
                    self.ask(now, hw);
                    Progress::Working
                }
            },
            Input::Http { exchange, response } if Some(*exchange) == self.exchange => {
                self.exchange = None;
                match response {
                    Ok((200, body)) => self.answered(&String::from_utf8_lossy(body), now, hw),
                    Ok((status, body)) => {
                        let said = field(&String::from_utf8_lossy(body), "error").unwrap_or_default();
                        self.retry(&format!("HTTP {status} {said}"), now, hw)
                    }
                    Err(why) => self.retry(why, now, hw),
                }
            }
            Input::Downloading { exchange, .. } if Some(*exchange) == self.exchange => {
                self.deadline = Some(now + DOWNLOAD_PATIENCE);
                Progress::Working
            }
            Input::Downloaded { exchange, result } if Some(*exchange) == self.exchange => {
                self.exchange = None;
                match result {
                    Ok((size, digest)) => self.downloaded(*size, digest, now, hw),
                    Err(why) => self.retry(why, now, hw),
                }
            }
            _ => Progress::Working,
        }
    }

    fn ask(&mut self, now: Instant, hw: &mut Hardware) {
        let status = |word| (word, None);
        let (word, failure) = match &self.step {
            Step::Config => {
                let body = config_question(hw);
                self.exchange = Some(hw.post(format!("{}/api/config", self.base_url), body));
                self.deadline = Some(now + ANSWER_PATIENCE);
                return;
            }
            Step::Download => {
                // What was on the disk is gone with the first block.
                hw.disk = None;
                self.exchange = Some(hw.download(self.answers.image_url.clone()));
                self.deadline = Some(now + DOWNLOAD_PATIENCE);
                return;
            }
            Step::Starting => status("starting"),
            Step::Downloading => status("downloading"),
            Step::Verifying => status("verifying"),
            Step::Customizing => status("customizing"),
            Step::Success => status("success"),
            Step::Failing(why) => ("failed", Some(why.as_str())),
        };
        let body = report(word, &self.answers.hostname, failure, hw);
        self.exchange = Some(hw.post(format!("{}/api/status", self.base_url), body));
        self.deadline = Some(now + ANSWER_PATIENCE);
    }

    fn next(&mut self, step: Step, now: Instant, hw: &mut Hardware) -> Progress {
        self.step = step;
        self.tries = 0;
        self.ask(now, hw);
        Progress::Working
    }

    fn work_before(&mut self, step: Step, now: Instant, hw: &mut Hardware) -> Progress {
        if hw.options.install_work.is_zero() {
            return self.next(step, now, hw);
        }
        self.step = step;
        self.tries = 0;
        self.deadline = Some(now + hw.options.install_work);
        Progress::Working
    }

    fn answered(&mut self, body: &str, now: Instant, hw: &mut Hardware) -> Progress {
        match &self.step {
            Step::Starting => self.next(Step::Config, now, hw),
            Step::Config => match Answers::read(body) {
                Some(answers) => {
                    self.answers = answers;
                    hw.passed(Phase::Configured);
                    self.next(Step::Downloading, now, hw)
                }
                None => self.retry("the answer lacks an image", now, hw),
            },
            Step::Downloading => self.next(Step::Download, now, hw),
            Step::Verifying => self.work_before(Step::Customizing, now, hw),
            Step::Customizing => {
                // From here on the disk boots, whether or not anybody hears of it.
                hw.disk = Some(self.answers.hostname.clone());
                self.work_before(Step::Success, now, hw)
            }
            Step::Success => {
                hw.passed(Phase::Reported);
                Progress::Done(self.answers.hostname.clone())
            }
            Step::Failing(why) => Progress::Failed(why.clone()),
            Step::Download => Progress::Working,
        }
    }

    fn downloaded(&mut self, size: u64, digest: &Digest, now: Instant, hw: &mut Hardware) -> Progress {
        let Answers { image_size, image_checksum, .. } = &self.answers;
        if size != *image_size {
            let why = format!("{size} bytes came, {image_size} were promised");
            return self.retry(&why, now, hw);
        }
        if digest.to_string() != *image_checksum {
            let why = format!("SHA-256 is {digest}, {image_checksum} was promised");
            return self.retry(&why, now, hw);
        }
        hw.passed(Phase::Downloaded);
        self.next(Step::Verifying, now, hw)
    }

    fn retry(&mut self, why: &str, now: Instant, hw: &mut Hardware) -> Progress {
        self.tries += 1;
        let limit =
            if matches!(self.step, Step::Failing(_)) { TRIES_MAX_FAILING } else { hw.options.installer_tries_max };
        if self.tries >= limit {
            let step = self.step.word();
            return match &self.step {
                Step::Failing(first) => Progress::Failed(first.clone()),
                _ => {
                    let why = format!("installer: {step} failed {} times, at last: {}", self.tries, why.trim());
                    self.next(Step::Failing(why), now, hw)
                }
            };
        }
        let pause = Duration::from_secs((1 << (self.tries - 1).min(6)).min(PAUSE_MAX_SECS));
        // Machines that were switched on together must not come back together.
        let jitter = Duration::from_millis(hw.rng.u64(..500));
        self.deadline = Some(now + pause + jitter);
        Progress::Working
    }
}

impl Step {
    fn word(&self) -> &'static str {
        match self {
            Step::Starting => "reporting 'starting'",
            Step::Config => "asking for its configuration",
            Step::Downloading => "reporting 'downloading'",
            Step::Download => "the download",
            Step::Verifying => "reporting 'verifying'",
            Step::Customizing => "reporting 'customizing'",
            Step::Success => "reporting 'success'",
            Step::Failing(_) => "reporting its failure",
        }
    }
}

impl Answers {
    fn read(body: &str) -> Option<Answers> {
        Some(Answers {
            hostname: field(body, "hostname").unwrap_or_else(|| "unknown".to_owned()),
            image_url: field(body, "image_url")?,
            image_size: field(body, "image_size")?.parse().ok()?,
            image_checksum: field(body, "image_checksum")?,
        })
    }
}

fn config_question(hw: &Hardware) -> String {
    let venue = optional(hw.options.venue.as_deref());
    format!(
        r#"{{"product_type":{},"venue_code":{venue},"serial_number":{},"mac_address":"{}"}}"#,
        quoted(&hw.options.product),
        quoted(&hw.identity.serial),
        hw.identity.mac
    )
}

fn report(status: &str, hostname: &str, failure: Option<&str>, hw: &Hardware) -> String {
    let hostname = optional(Some(hostname).filter(|name| !name.is_empty()));
    let message = optional(failure);
    format!(
        r#"{{"status":"{status}","hostname":{hostname},"serial_number":{},"mac_address":"{}","message":{message}}}"#,
        quoted(&hw.identity.serial),
        hw.identity.mac
    )
}

#[cfg(test)]
mod tests;
