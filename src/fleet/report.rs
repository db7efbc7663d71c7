//! What a machine's installer says: who it is, and how it goes.

mod progress;

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Change, Deployment, Fleet, Notice, Outbox, Told};
use crate::boot;
use crate::boot::pipeline::{self, Milestone};
use crate::catalog::{Image, ImageState, Install};
use crate::ids::{Hostname, MachineId, ProductName, VenueCode};
use crate::machine::hardware::Hardware;
use crate::machine::stage::Stage;
use crate::machine::{Evidence, Machine};
use crate::naming::Wanted;
use crate::refusal::Refusal;
use crate::time::Now;
pub use progress::{Level, LogLine, Progress};

/// A report of an installer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// "Who am I, and what do I write?" (`POST /api/config`)
    Config {
        /// The product it was built for, as it says it.
        product: Option<String>,
        /// The venue it was told.
        venue: Option<VenueCode>,
        /// What it found; only our own installer says, and it gets more to know.
        hardware: Option<Hardware>,
    },
    /// "This is how it goes." (`POST /api/status`)
    Status {
        /// Any word; starting, downloading, verifying, customizing, success and failed move the machine on.
        status: String,
        /// The name it believes to have.
        hostname: Option<Hostname>,
        /// A sentence, and what went wrong.
        message: Option<String>,
    },
    /// "So far I am." (`POST /api/progress`)
    Progress(Progress),
    /// "This is what I wrote down." (`POST /api/log`)
    Log(Vec<LogLine>),
}

/// The answer to [`Report::Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The machine's name; `None` if nothing tells it from others.
    pub hostname: Option<Hostname>,
    /// What it becomes.
    pub product: ProductName,
    /// Where it goes.
    pub venue: Option<VenueCode>,
    /// What it writes.
    pub image: Image,
    /// Absolute URL of the image.
    pub image_url: String,
    /// Our address on its link.
    pub server: Ipv4Addr,
    /// Which machine asked.
    pub machine: MachineId,
    /// How many reinstalls were asked for until now; our own installer says it with each report.
    pub reinstalls: u64,
    /// What our own installer is told.
    pub install: Option<Install>,
}

impl Fleet {
    pub(super) fn on_report(
        &mut self,
        address: Ipv4Addr,
        evidence: &Evidence,
        report: Report,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Told, Refusal> {
        let hostname = match &report {
            Report::Status { hostname, .. } => hostname.as_ref(),
            _ => None,
        };
        self.may_speak(address, evidence, hostname)?;
        if matches!(report, Report::Config { .. } | Report::Status { .. }) {
            self.admit_report(address, evidence, now)?;
        }
        match report {
            Report::Config { product, venue, hardware } => {
                let result = self.configure(address, evidence, product.as_deref(), venue, hardware, now, out);
                self.say_told(address, evidence, &result, out);
                result.map(|config| Told::Config(Box::new(config)))
            }
            Report::Status { status, hostname, message } => {
                self.note_status(address, evidence, &status, hostname.as_ref(), message, now, out);
                Ok(Told::Received(hostname))
            }
            Report::Progress(progress) => self.note_progress(address, evidence, progress, now, out),
            Report::Log(lines) => self.note_log(address, evidence, lines, now, out),
        }
    }

    /// Whether an operator has asked for a new installation since this installer was told what to do. A question is
    /// never late: its answer is that new order.
    pub(super) fn is_broken_off(&self, address: Ipv4Addr, evidence: &Evidence, reinstalls: Option<u64>) -> bool {
        let holder = self.tables.leases.holder(address);
        let machine = self.tables.machines.resolve(evidence, holder).and_then(|id| self.tables.machines.get(id));
        machine.zip(reinstalls).is_some_and(|(machine, told)| told < machine.reinstalls)
    }

    /// It is told "received", which it was; saying it again would help nobody.
    pub(super) fn on_late_report(&self, address: Ipv4Addr, report: Report, out: &mut Outbox) -> Told {
        out.refused("installer's report", address, Refusal::Forbidden("of a run that an operator has broken off"));
        match report {
            Report::Status { hostname, .. } => Told::Received(hostname),
            _ => Told::Received(None),
        }
    }

    /// Makes known what the question who it is was answered with.
    fn say_told(&self, address: Ipv4Addr, evidence: &Evidence, result: &Result<Config, Refusal>, out: &mut Outbox) {
        let detail = match result {
            Ok(Config { hostname, product, image, .. }) => {
                let name = hostname.as_ref().map_or("no name", |hostname| hostname.as_str());
                format!("told: {name}, {product}, image {}", image.file)
            }
            Err(refusal) => format!("refused: {refusal}"),
        };
        let known = self.tables.machines.resolve(evidence, self.tables.leases.holder(address));
        if let Some(machine) = known {
            out.publish(Notice::Reported { machine, word: "config".to_owned(), detail });
        }
    }

    /// One machine, one name, once: a machine that has a name gets it again, whatever it asks for. Everything that can
    /// be refused is refused before a name is taken.
    #[expect(clippy::too_many_arguments, reason = "the fields of one report")]
    fn configure(
        &mut self,
        address: Ipv4Addr,
        evidence: &Evidence,
        product: Option<&str>,
        venue: Option<VenueCode>,
        hardware: Option<Hardware>,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Config, Refusal> {
        let holder = self.tables.leases.holder(address);
        let asked = product.map(|text| self.known_product(text)).transpose()?;
        if evidence.mac.is_none() && evidence.serial.is_none() && holder.is_none() {
            return Err(Refusal::Invalid("serial_number is required".into()));
        }
        let id = self.machine(evidence, holder, now, out);
        let installer = hardware.as_ref().map(|hardware| hardware.installer.clone());
        let machine = self.learn_hardware(id, hardware, out);
        // What was learnt is so, whatever is refused now.
        self.publish_machine(id, out);
        let profile = self.view(&machine).plan.installs().cloned();
        let install = profile.as_ref().map(|profile| profile.install.clone()).unwrap_or_default();
        let (of_profile, venue_of_profile) =
            profile.map_or((None, None), |profile| (profile.product.clone(), profile.venue.clone()));
        let wanted = asked.or(of_profile);
        let naming = &self.tables.naming;
        let held = naming.of_machine(id).cloned();
        let chosen = match (&held, &wanted) {
            (Some(_), _) => None,
            (None, Some(product)) => {
                let venue = venue.as_ref().or(venue_of_profile.as_ref());
                naming.choose(&Wanted { product, venue, serial: machine.serial.as_ref() })
            }
            (None, None) => None,
        };
        let withheld = match &wanted {
            Some(product) if held.is_none() && chosen.is_none() => {
                let venue = venue.as_ref().or(venue_of_profile.as_ref());
                naming.withheld(&Wanted { product, venue, serial: machine.serial.as_ref() })
            }
            _ => None,
        };
        if let Some(sentence) = withheld {
            return Err(Refusal::Conflict(sentence));
        }
        let name = held.as_ref().or(chosen.as_ref());
        let product = name
            .and_then(|name| name.product.clone())
            .or(wanted)
            .ok_or_else(|| Refusal::Invalid("product_type is required".into()))?;
        let image = match self.catalog.image(&product) {
            ImageState::Ready(image) => image.clone(),
            ImageState::Measuring => return Err(Refusal::ImageNotReady(product)),
            ImageState::Missing => return Err(Refusal::NoImage(product)),
        };
        let venue = name.and_then(|name| name.venue.clone()).or(venue).or(venue_of_profile);
        let hostname = name.map(|name| name.hostname.clone());
        if let Some(name) = chosen {
            self.assign(id, name, now, out);
        }
        self.reached(id, &Milestone::ConfigAsked, now, out);
        // Whoever asks about a finished machine opens no deployment that nobody would close.
        if self.tables.machines.get(id).is_some_and(|machine| machine.stage.is_running()) {
            self.note_deployment(id, address, "config", None, now, out, |deployment| {
                deployment.product = Some(product.clone());
                deployment.venue = venue.clone();
                deployment.image = Some(image.file.clone());
                deployment.installer = installer.clone();
            });
        }
        self.publish_machine(id, out);
        let link = self.site.link_of(address).map_or(&self.site.links[0], |(_, link)| link);
        let image_url = boot::image_url(&self.site, link, &image);
        let install = installer.is_some().then_some(install);
        let (server, reinstalls) = (link.address, machine.reinstalls);
        Ok(Config { hostname, product, venue, image, image_url, server, machine: id, reinstalls, install })
    }

    /// The machine, with what its installer says of it.
    fn learn_hardware(&mut self, id: MachineId, hardware: Option<Hardware>, out: &mut Outbox) -> Machine {
        let mut machine = self.tables.machines.get(id).expect("it was just resolved").clone();
        if hardware.is_some() && machine.hardware.as_deref() != hardware.as_ref() {
            machine.hardware = hardware.map(Arc::new);
            self.commit(out, Change::Machine(machine.clone()));
        }
        machine
    }

    pub(super) fn known_product(&self, text: &str) -> Result<ProductName, Refusal> {
        let known = ProductName::parse(text).filter(|name| self.tables.naming.product(name).is_some());
        known.ok_or_else(|| {
            let all: Vec<String> = self.products.iter().map(|product| format!("'{}'", product.name)).collect();
            Refusal::Invalid(format!("Invalid product_type: {text}. Must be {}", all.join(" or ")))
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one report")]
    fn note_status(
        &mut self,
        address: Ipv4Addr,
        evidence: &Evidence,
        status: &str,
        hostname: Option<&Hostname>,
        message: Option<String>,
        now: Now,
        out: &mut Outbox,
    ) {
        let by_name = || match hostname.and_then(|name| self.tables.naming.name(name)).map(|name| name.state) {
            Some(crate::naming::NameState::Assigned(machine)) => Some(machine),
            _ => None,
        };
        let holder = self.tables.leases.holder(address).or_else(by_name);
        // A report that names nobody we could remember is answered, and moves nothing.
        if holder.is_none() && evidence.mac.is_none() && evidence.serial.is_none() {
            return out.refused("status report", address, Refusal::UnknownMachine);
        }
        let id = self.machine(evidence, holder, now, out);
        let detail = message.clone().unwrap_or_default();
        out.publish(Notice::Reported { machine: id, word: status.to_owned(), detail });
        if status == "success" && !self.may_have_succeeded(id) {
            // It is told "received" all the same: it was, and saying it again would help nobody.
            out.refused("status report", address, Refusal::Forbidden("a success of a run that did not get that far"));
            self.heard(id, now);
            return self.publish_machine(id, out);
        }
        let failure = if status == "failed" { message.clone() } else { None };
        self.note_deployment(id, address, status, failure, now, out, |_| {});
        self.reached(id, &Milestone::Reported(status.to_owned(), message), now, out);
        self.publish_machine(id, out);
    }

    /// A success ends a run for good: the machine then boots its disk. So it is believed of a run that got far enough.
    fn may_have_succeeded(&self, id: MachineId) -> bool {
        let Some(machine) = self.tables.machines.get(id) else { return false };
        let success = Milestone::Reported("success".to_owned(), None);
        let moves = machine.stage == Stage::Done || pipeline::next(&machine.stage, machine.order, &success).is_some();
        // The scripts of the field and other systems' installers skip words; ours never does.
        let skipped = matches!(machine.stage, Stage::Loader | Stage::Installer | Stage::Writing)
            && self.tables.open.get(&id).is_some_and(|open| open.installer.is_some());
        moves && !skipped
    }

    /// Keeps the machine's deployment: opened by its first word, closed by success or failed.
    #[expect(clippy::too_many_arguments, reason = "the fields of one row")]
    fn note_deployment(
        &mut self,
        id: MachineId,
        address: Ipv4Addr,
        status: &str,
        failure: Option<String>,
        now: Now,
        out: &mut Outbox,
        learn: impl FnOnce(&mut Deployment),
    ) {
        let ends = matches!(status, "success" | "failed");
        let open = self.tables.open.get(&id).cloned();
        let over = self.tables.machines.get(id).is_some_and(|machine| !machine.stage.is_running());
        let deployment = match open {
            // A repeated last word is no new run.
            None if ends && over && self.last_word_was(id, status) => return,
            Some(open) if status == "starting" && open.status != "starting" => {
                let interrupted = Deployment {
                    status: "failed".into(),
                    completed_at: Some(now.timestamp),
                    error_message: Some(format!("interrupted in '{}': the installer started again", open.status)),
                    ..open
                };
                self.commit(out, Change::Deployment(interrupted));
                None
            }
            open => open,
        };
        let name = self.tables.naming.of_machine(id).cloned();
        let mut deployment = deployment.unwrap_or_else(|| Deployment {
            id: self.tables.next_deployment_id(),
            machine: id,
            hostname: None,
            address,
            product: None,
            venue: None,
            image: None,
            installer: None,
            status: String::new(),
            started_at: now.timestamp,
            completed_at: None,
            error_message: None,
        });
        let before = deployment.clone();
        if let Some(name) = name {
            deployment.hostname = Some(name.hostname);
            deployment.product = deployment.product.or(name.product);
            deployment.venue = deployment.venue.or(name.venue);
        }
        deployment.address = address;
        deployment.status = status.to_owned();
        deployment.error_message = failure.or(deployment.error_message);
        deployment.completed_at = ends.then_some(now.timestamp);
        learn(&mut deployment);
        if deployment != before {
            self.commit(out, Change::Deployment(deployment));
        }
    }

    /// Closes the deployment of a machine that failed without a word.
    pub(super) fn fail_deployment(&mut self, id: MachineId, now: Now, out: &mut Outbox) {
        if let Some(Stage::Failed(cause)) = self.tables.machines.get(id).map(|machine| machine.stage.clone()) {
            self.close_deployment(id, cause, now, out);
        }
    }

    /// Ends the machine's deployment, if one is under way, as failed for this cause.
    pub(super) fn close_deployment(&mut self, id: MachineId, cause: String, now: Now, out: &mut Outbox) {
        let Some(open) = self.tables.open.get(&id).cloned() else { return };
        let failed = Deployment {
            status: "failed".into(),
            completed_at: Some(now.timestamp),
            error_message: Some(cause),
            ..open
        };
        self.commit(out, Change::Deployment(failed));
    }

    fn last_word_was(&self, id: MachineId, status: &str) -> bool {
        match self.tables.machines.get(id).map(|machine| &machine.stage) {
            Some(Stage::Done) => status == "success",
            Some(Stage::Failed(_)) => status == "failed",
            _ => false,
        }
    }
}
