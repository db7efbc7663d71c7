//! The rows of the system that we replace, and what becomes of each.
//!
//! Its words: `hostname_pool` are names, `deployment_batches` batches, `deployment_history` deployments,
//! `master_images` editions. It has no table of machines: whoever holds a name or was deployed is one. A machine that
//! holds a name is finished, unless its last run failed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{Adoption, Fate, Objection};
use crate::boot::file::RelativePath;
use crate::catalog::Edition;
use crate::fleet::{Change, Deployment, Measured};
use crate::ids::{Digest, Hostname, MachineId, ProductName, Serial, VenueCode};
use crate::machine::stage::Stage;
use crate::machine::{Machine, Order};
use crate::naming::{self, Batch, BatchState, Name, NameState, Scheme, Venue};
use crate::net::Mac;
use crate::time::Timestamp;

/// The names of the tables.
pub mod table {
    /// Places.
    pub const VENUES: &str = "venues";
    /// Names.
    pub const NAMES: &str = "hostname_pool";
    /// Orders.
    pub const BATCHES: &str = "deployment_batches";
    /// Runs.
    pub const HISTORY: &str = "deployment_history";
    /// Image files.
    pub const IMAGES: &str = "master_images";
    /// All of them, in the order in which they are taken over.
    pub const ALL: [&str; 5] = [VENUES, NAMES, BATCHES, HISTORY, IMAGES];
}

/// Everything that the system remembered, each row with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Original {
    /// `venues`
    pub venues: Vec<(i64, Venue)>,
    /// `hostname_pool`
    pub names: Vec<(i64, PoolName)>,
    /// `deployment_batches`; the row's number is the batch's.
    pub batches: Vec<(i64, Batch)>,
    /// `deployment_history`
    pub runs: Vec<(i64, Run)>,
    /// `master_images`
    pub images: Vec<(i64, MasterImage)>,
}

/// A row of `hostname_pool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolName {
    /// What bears it.
    pub product: ProductName,
    /// Where.
    pub venue: VenueCode,
    /// A number, or the end of a serial.
    pub identifier: String,
    /// `available`, `assigned` or `retired`.
    pub state: &'static str,
    /// Whose it is.
    pub mac: Option<Mac>,
    /// Whose it is.
    pub serial: Option<Serial>,
    /// Since when.
    pub assigned_at: Option<Timestamp>,
}

/// A row of `deployment_history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The name then.
    pub hostname: Option<Hostname>,
    /// Whose run.
    pub mac: Option<Mac>,
    /// Whose run.
    pub serial: Option<Serial>,
    /// From where it reported.
    pub address: Option<Ipv4Addr>,
    /// What was made.
    pub product: Option<ProductName>,
    /// For where.
    pub venue: Option<VenueCode>,
    /// The version of the image.
    pub image_version: Option<String>,
    /// The last word.
    pub status: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// What went wrong.
    pub error_message: Option<String>,
}

impl Run {
    /// Where it left the machine, if that is certain.
    fn stage(&self) -> Option<Stage> {
        match self.status.as_str() {
            "success" | "completed" => Some(Stage::Done),
            "failed" => Some(Stage::Failed(self.error_message.clone().unwrap_or_else(|| "no cause given".into()))),
            _ => None,
        }
    }
}

/// A row of `master_images`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterImage {
    /// The file's name in the image directory.
    pub file: String,
    /// Whose image.
    pub product: ProductName,
    /// What it is called.
    pub version: Option<String>,
    /// What was said of it.
    pub description: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its SHA-256.
    pub checksum: Option<Digest>,
    /// Whether the product's machines get it.
    pub active: bool,
    /// Since when it is there.
    pub uploaded_at: Option<Timestamp>,
}

/// What tells a run from another one of the same machine.
type RunKey = (MachineId, Timestamp, Option<Timestamp>, String);

fn key_of(deployment: &Deployment) -> RunKey {
    (deployment.machine, deployment.started_at, deployment.completed_at, deployment.status.clone())
}

impl Adoption<'_> {
    /// Takes over all rows but those of images. `declared` are the venues of the configuration, which go before;
    /// `deployments` those of our journal. `progress` hears how many runs are done.
    pub fn original(
        &mut self,
        original: &Original,
        declared: &[Venue],
        deployments: &[Deployment],
        mut progress: impl FnMut(usize),
    ) {
        for (row, venue) in &original.venues {
            let fate = self.venue(venue, declared);
            self.report.note(table::VENUES, *row, fate);
        }
        let places: BTreeSet<&VenueCode> = declared.iter().map(|venue| &venue.code).collect();
        let known_place = |adoption: &Self, code: &VenueCode| {
            if adoption.tables.naming.venue(code).is_some() || places.contains(code) {
                return Ok(());
            }
            Err(("venue_code", format!("there is no venue {code}")))
        };
        let ends = Endings::of(&original.runs);
        let mut held: BTreeMap<Hostname, i64> = BTreeMap::new();
        for (row, name) in &original.names {
            let fate = known_place(self, &name.venue).and_then(|()| self.pool_name(*row, name, &ends, &mut held));
            self.report.note(table::NAMES, *row, fate);
        }
        for (row, batch) in &original.batches {
            let fate = known_place(self, &batch.venue).and_then(|()| self.batch(batch));
            self.report.note(table::BATCHES, *row, fate);
        }
        let files: BTreeMap<(&ProductName, Option<&String>), &String> =
            original.images.iter().map(|(_, image)| ((&image.product, image.version.as_ref()), &image.file)).collect();
        let mut seen: BTreeSet<RunKey> = deployments.iter().map(key_of).collect();
        for (done, (row, run)) in (1..).zip(&original.runs) {
            let file = run.product.as_ref().and_then(|product| files.get(&(product, run.image_version.as_ref())));
            let image = run.image_version.as_ref().map(|version| file.map_or(version, |file| *file).clone());
            let fate = self.run(run, image, &ends, &mut seen);
            self.report.note(table::HISTORY, *row, fate);
            progress(done);
        }
    }

    fn venue(&mut self, venue: &Venue, declared: &[Venue]) -> Result<Fate, Objection> {
        let mut changes = Vec::new();
        let mut venue = venue.clone();
        for (field, text) in [("name", Some(&venue.name)), ("location", venue.location.as_ref())] {
            if text.is_some_and(|text| text.chars().any(char::is_control)) {
                return Err((field, "it is not one line of text".to_owned()));
            }
        }
        if venue.name.is_empty() {
            venue.name = venue.code.to_string();
            changes.push(("name", "it has none; it is called by its code".to_owned()));
        }
        if let Some(text) = venue.contact_email.take() {
            venue.contact_email = naming::email(&text);
            if venue.contact_email.is_none() {
                changes.push(("contact_email", format!("'{text}' is no e-mail address; it is left out")));
            }
        }
        let here = self.tables.naming.venue(&venue.code);
        let other =
            here.or_else(|| declared.iter().find(|each| each.code == venue.code)).filter(|here| **here != venue);
        if let Some(other) = other {
            let differs = [
                ("name", other.name != venue.name),
                ("location", other.location != venue.location),
                ("contact_email", other.contact_email != venue.contact_email),
            ];
            let field = differs.into_iter().find(|(_, differs)| *differs).map_or("code", |(field, _)| field);
            return Err((field, format!("{} is here already and says otherwise; that stays", venue.code)));
        }
        if here.is_some() {
            return Ok(Fate::Known);
        }
        self.commit(Change::Venue(venue));
        Ok(Fate::Taken(changes))
    }

    fn pool_name(
        &mut self,
        row: i64,
        original: &PoolName,
        ends: &Endings<'_>,
        held: &mut BTreeMap<Hostname, i64>,
    ) -> Result<Fate, Objection> {
        let mut changes = Vec::new();
        let mut name = self.blank_name(original)?;
        let spelled = format!("{}-{}-{}", original.product, original.venue, original.identifier);
        if name.hostname.as_str() != spelled {
            changes.push(("identifier", format!("{spelled} is {} here", name.hostname)));
        }
        if let Some(other) = held.get(&name.hostname) {
            return Err(("identifier", format!("row {other} is {} already", name.hostname)));
        }
        let here = self.tables.naming.name(&name.hostname).cloned();
        let (mac, serial) = (original.mac, original.serial.as_ref());
        let (state, machine) = match original.state {
            "assigned" if mac.is_none() && serial.is_none() => {
                let reason = "it is assigned, and nothing says to whom; it is retired, so that nobody else gets it";
                changes.push(("mac_address", reason.to_owned()));
                (NameState::Retired, None)
            }
            "assigned" => {
                let machine = self.resolve(mac, serial)?;
                let other = machine.and_then(|id| self.tables.naming.of_machine(id));
                if let Some(other) = other.filter(|other| other.hostname != name.hostname) {
                    let field = if mac.is_some() { "mac_address" } else { "serial_number" };
                    return Err((field, format!("that machine holds {} already", other.hostname)));
                }
                let id = machine.unwrap_or_else(|| self.tables.machines.next_id());
                (NameState::Assigned(id), Some(machine))
            }
            "retired" => (NameState::Retired, None),
            _ => (NameState::Available, None),
        };
        if let Some(here) = here.as_ref().filter(|here| here.state != state && here.state != NameState::Available) {
            let reason = match here.state {
                NameState::Assigned(id) => {
                    let label = self.tables.machines.get(id).map(Machine::label).unwrap_or_default();
                    format!("here {} is held by machine {label}; that stays", here.hostname)
                }
                _ => format!("here {} is retired; that stays", here.hostname),
            };
            return Err(("status", reason));
        }
        held.insert(name.hostname.clone(), row);
        if let Some(known) = machine {
            let seen = original.assigned_at.unwrap_or(self.now);
            let id = self.remember(known, mac, serial.cloned(), seen);
            self.settle(id, ends.of_machine(mac, serial).or(Some((Stage::Done, seen))));
        }
        if here.as_ref().is_some_and(|here| here.state == state) {
            return Ok(Fate::Known);
        }
        name.state = state;
        self.commit(Change::Name(name));
        Ok(Fate::Taken(changes))
    }

    /// The name as it would be if nobody held it.
    fn blank_name(&self, original: &PoolName) -> Result<Name, Objection> {
        let PoolName { product, venue, identifier, .. } = original;
        let naming = &self.tables.naming;
        let known = naming.product(product).ok_or_else(|| unknown(product))?;
        match known.scheme {
            Scheme::Pooled { .. } => {
                let digits = identifier.bytes().all(|b| b.is_ascii_digit());
                let number = identifier.parse().ok().filter(|_| digits);
                let number = number.ok_or_else(|| ("identifier", format!("'{identifier}' is no number")))?;
                naming.pooled_name(product, venue, number).map_err(|refusal| ("identifier", refusal.to_string()))
            }
            Scheme::Serial { .. } => {
                let hostname = Hostname::parse(&format!("{product}-{venue}-{}", identifier.to_ascii_uppercase()));
                let hostname = hostname.ok_or_else(|| ("identifier", format!("'{identifier}' ends no host name")))?;
                let (product, venue) = (Some(product.clone()), Some(venue.clone()));
                Ok(Name { hostname, product, venue, number: None, state: NameState::Available, batch: None })
            }
        }
    }

    fn batch(&mut self, batch: &Batch) -> Result<Fate, Objection> {
        let naming = &self.tables.naming;
        naming.product(&batch.product).ok_or_else(|| unknown(&batch.product))?;
        if batch.total == 0 {
            return Err(("total_count", "it must be > 0".to_owned()));
        }
        if batch.remaining > batch.total {
            return Err(("remaining_count", format!("{} are left of {}", batch.remaining, batch.total)));
        }
        let same = |each: &Batch| {
            (&each.product, &each.venue, each.total, each.created_at)
                == (&batch.product, &batch.venue, batch.total, batch.created_at)
        };
        if naming.batches().any(same) {
            return Ok(Fate::Known);
        }
        let mut changes = Vec::new();
        let mut batch = batch.clone();
        if naming.batch(batch.id).is_some() {
            let id = naming.next_batch_id();
            changes.push(("id", format!("there is a batch {} here; it is batch {id} now", batch.id)));
            batch.id = id;
        }
        if batch.remaining == 0 && matches!(batch.state, BatchState::Active | BatchState::Paused) {
            changes.push(("status", format!("it was {} with nothing left; it is completed", batch.state.word())));
            batch.state = BatchState::Completed;
        }
        self.commit(Change::Batch(batch));
        Ok(Fate::Taken(changes))
    }

    fn run(
        &mut self,
        run: &Run,
        image: Option<String>,
        ends: &Endings<'_>,
        seen: &mut BTreeSet<RunKey>,
    ) -> Result<Fate, Objection> {
        let Some(completed_at) = run.completed_at else {
            return Err(("completed_at", "the run is not over; it can be taken once it is".to_owned()));
        };
        let mut changes = Vec::new();
        let started_at = run.started_at.unwrap_or(completed_at);
        if run.started_at.is_none() {
            changes.push(("started_at", "it has none; the run begins when it ended".to_owned()));
        }
        let (mac, serial) = (run.mac, run.serial.as_ref());
        let known = if mac.is_none() && serial.is_none() {
            let name = run.hostname.as_ref().and_then(|hostname| self.tables.naming.name(hostname));
            match name.map(|name| name.state) {
                Some(NameState::Assigned(machine)) => Some(machine),
                _ => return Err(("mac_address", "neither MAC nor serial nor name says whose run it was".to_owned())),
            }
        } else {
            self.resolve(mac, serial)?
        };
        let machine = known.unwrap_or_else(|| self.tables.machines.next_id());
        let address = run.address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        if run.address.is_none() {
            changes.push(("ip_address", format!("it has none; it is {address}")));
        }
        let deployment = Deployment {
            id: self.tables.next_deployment_id(),
            machine,
            hostname: run.hostname.clone(),
            address,
            product: run.product.clone(),
            venue: run.venue.clone(),
            image,
            installer: None,
            status: run.status.clone(),
            started_at,
            completed_at: Some(completed_at),
            error_message: run.error_message.clone(),
        };
        if !seen.insert(key_of(&deployment)) {
            return Ok(Fate::Known);
        }
        self.remember(known, mac, serial.cloned(), started_at);
        self.settle(machine, ends.of_machine(mac, serial));
        self.commit(Change::Deployment(deployment));
        Ok(Fate::Taken(changes))
    }

    /// A machine of which we know no more than that it exists is where its last run left it. A finished one must not be
    /// installed anew because it happens to boot from the network.
    fn settle(&mut self, id: MachineId, end: Option<(Stage, Timestamp)>) {
        let Some((stage, stage_since)) = end else { return };
        let Some(machine) = self.tables.machines.get(id) else { return };
        if machine.stage == Stage::Waiting && machine.order == Order::Install {
            let order = if stage == Stage::Done { Order::Disk } else { machine.order };
            let machine = Machine { stage, stage_since, order, ..machine.clone() };
            self.commit(Change::Machine(machine));
        }
    }

    /// Takes over a row about an image; says whether it was refused. `look` reads the file: what was measured of it, or a
    /// sentence why it cannot be had. It is asked only if everything else fits.
    pub fn image(
        &mut self,
        row: i64,
        image: &MasterImage,
        look: impl FnOnce(Option<&Measured>) -> Result<Measured, Objection>,
    ) -> bool {
        let fate = self.try_image(image, look);
        let refused = fate.is_err();
        self.report.note(table::IMAGES, row, fate);
        refused
    }

    fn try_image(
        &mut self,
        image: &MasterImage,
        look: impl FnOnce(Option<&Measured>) -> Result<Measured, Objection>,
    ) -> Result<Fate, Objection> {
        let MasterImage { file, product, .. } = image;
        self.tables.naming.product(product).ok_or_else(|| unknown(product))?;
        if !RelativePath::clean(file).is_ok_and(|path| path.as_str() == file) {
            return Err(("filename", format!("'{file}' is no file below the image directory")));
        }
        if self.tables.editions.contains_key(&(product.clone(), file.clone())) {
            return Ok(Fate::Known);
        }
        let known = self.tables.measured.get(file).cloned();
        let measured = look(known.as_ref())?;
        let found = &measured.image;
        if let Some(size) = image.size.filter(|size| ![found.size, found.content.size].contains(size)) {
            return Err(("size_bytes", format!("{file} has {} bytes, not {size}", found.size)));
        }
        if image.checksum.is_some_and(|sum| ![found.digest, found.content.digest].contains(&sum)) {
            return Err(("checksum", format!("{file} has another content: its SHA-256 is {}", found.digest)));
        }
        let mut changes = Vec::new();
        let added_at = image.uploaded_at.unwrap_or(self.now);
        let mut active_since = image.active.then_some(added_at);
        if let Some(other) = self.tables.active_edition(product).filter(|_| image.active) {
            changes.push(("is_active", format!("{product} gets {} already; activate this one by hand", other.file)));
            active_since = None;
        }
        if known.as_ref() != Some(&measured) {
            self.commit(Change::Measured(measured));
        }
        self.commit(Change::Edition(Edition {
            version: image.version.clone(),
            description: image.description.clone(),
            active_since,
            ..Edition::new(product.clone(), file.clone(), added_at)
        }));
        Ok(Fate::Taken(changes))
    }
}

/// How the last run of every machine ended.
struct Endings<'a> {
    by_mac: BTreeMap<Mac, (Timestamp, &'a Run)>,
    by_board: BTreeMap<&'a str, (Timestamp, &'a Run)>,
}

impl Endings<'_> {
    fn of(runs: &[(i64, Run)]) -> Endings<'_> {
        let mut ends = Endings { by_mac: BTreeMap::new(), by_board: BTreeMap::new() };
        for (_, run) in runs {
            let Some(at) = run.completed_at.filter(|_| run.stage().is_some()) else { continue };
            let later = |known: Option<&(Timestamp, &Run)>| known.is_none_or(|(before, _)| *before <= at);
            if let Some(mac) = run.mac.filter(|mac| later(ends.by_mac.get(mac))) {
                ends.by_mac.insert(mac, (at, run));
            }
            if let Some(board) = run.serial.as_ref().map(Serial::board_key)
                && later(ends.by_board.get(board))
            {
                ends.by_board.insert(board, (at, run));
            }
        }
        ends
    }

    fn of_machine(&self, mac: Option<Mac>, serial: Option<&Serial>) -> Option<(Stage, Timestamp)> {
        let by_mac = mac.and_then(|mac| self.by_mac.get(&mac));
        let by_board = serial.and_then(|serial| self.by_board.get(serial.board_key()));
        let (at, run) = by_mac.into_iter().chain(by_board).max_by_key(|(at, _)| *at)?;
        Some((run.stage()?, *at))
    }
}

fn unknown(product: &ProductName) -> Objection {
    ("product_type", format!("no product {product} is configured"))
}
