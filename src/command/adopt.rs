//! `hatchery adopt …`: what another system remembers goes into the journal of the stopped server, in one transaction.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::image::bring;
use super::interrupt::Interrupt;
use super::{INTERRUPTED, WRONG_INPUT, print};
use crate::cli::{Adopt, AdoptHow, AdoptLeases, AdoptOriginal};
use crate::clock;
use crate::config::Config;
use crate::fleet::adopt::original::{MasterImage, Original};
use crate::fleet::adopt::{Adoption, Counts, Objection, Report};
use crate::fleet::{Change, Deployment, Measured, Tables};
use crate::naming::Venue;
use crate::serve::images;
use crate::store::{Records, Store, original};

/// Does what was asked.
pub fn run(args: &Adopt) -> anyhow::Result<ExitCode> {
    match args {
        Adopt::Original(args) => original(args),
        Adopt::Leases(args) => leases(args),
    }
}

fn original(args: &AdoptOriginal) -> anyhow::Result<ExitCode> {
    let Some(mut place) = Place::open(&args.how)? else { return Ok(ExitCode::from(WRONG_INPUT)) };
    let interrupt = Interrupt::listen()?;
    let deployments = Records::new(&place.config.paths.journal()).deployments()?;
    let mut report = Report::default();
    let bar = progress("read");
    let rows = original::read(&args.db, &mut report, |read, total| {
        bar.set_length(total);
        bar.set_position(read);
    })?;
    bar.finish_and_clear();
    let config = &place.config;
    let mut adoption = Adoption::new(&config.site, place.tables.clone(), clock::now().timestamp);
    adoption.report = report;
    take_rows(&mut adoption, &rows, config, &deployments);
    let ours = config.paths.images.clone();
    let directory = args.images.as_deref().unwrap_or(&ours);
    for (row, image) in &rows.images {
        let target = ours.join(&image.file);
        let was_there = target.exists();
        let look = |known: Option<&Measured>| look(image, known, directory, &ours, args.how.dry_run, &interrupt);
        // What was copied and turned out to be something else is not ours.
        if adoption.image(*row, image, look) && !was_there && target.exists() {
            fs::remove_file(&target).with_context(|| format!("cannot remove {}", target.display()))?;
        }
        if interrupt.came() {
            eprintln!("hatchery: interrupted; nothing was taken over");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    let (changes, report) = adoption.finish();
    place.commit(&changes)?;
    show(&args.how, &report)
}

fn take_rows(adoption: &mut Adoption<'_>, rows: &Original, config: &Config, deployments: &[Deployment]) {
    let declared: Vec<Venue> = config.venues.iter().map(|each| each.venue.clone()).collect();
    let bar = progress("taken over");
    bar.set_length(rows.runs.len() as u64);
    adoption.original(rows, &declared, deployments, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
}

fn leases(args: &AdoptLeases) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let Some(mut place) = Place::open(&args.how)? else { return Ok(ExitCode::from(WRONG_INPUT)) };
    let mut adoption = Adoption::new(&place.config.site, place.tables.clone(), clock::now().timestamp);
    adoption.leases(&text);
    let (changes, report) = adoption.finish();
    place.commit(&changes)?;
    show(&args.how, &report)
}

/// The journal and what it remembers; nobody else has it open.
struct Place {
    config: Config,
    tables: Tables,
    /// `None` if nothing is to be written and there is none yet.
    store: Option<Store>,
    dry_run: bool,
}

impl Place {
    /// `None` if the configuration is wrong, which was said.
    fn open(how: &AdoptHow) -> anyhow::Result<Option<Place>> {
        let config = match Config::load(&how.config.config) {
            Ok(config) => config,
            Err(problems) => {
                eprintln!("{problems}");
                return Ok(None);
            }
        };
        let journal = config.paths.journal();
        let mut store = None;
        if !how.dry_run || journal.exists() {
            let data = &config.paths.data;
            fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
            store = Some(Store::open(&journal).context("stop the server first: it alone writes to its journal")?);
        }
        let rows = store.as_mut().map(Store::load).transpose()?.unwrap_or_default();
        let tables = Tables::load(&config.site, &config.products, rows);
        Ok(Some(Place { config, tables, store, dry_run: how.dry_run }))
    }

    fn commit(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        if let Some(store) = self.store.as_mut().filter(|_| !self.dry_run && !changes.is_empty()) {
            store.commit(changes)?;
            store.checkpoint()?;
        }
        Ok(())
    }
}

/// What is in an image file: known, or measured, or measured while it is copied into our image directory.
fn look(
    image: &MasterImage,
    known: Option<&Measured>,
    directory: &Path,
    ours: &Path,
    dry_run: bool,
    interrupt: &Interrupt,
) -> Result<Measured, Objection> {
    let target = ours.join(&image.file);
    let there = fs::metadata(&target).ok().filter(fs::Metadata::is_file);
    if let (Some(known), Some(there)) = (known, &there)
        && images::identity(there) == (known.image.size, known.modified_nanos, known.inode)
    {
        return Ok(known.clone());
    }
    let source = if there.is_some() { target.clone() } else { directory.join(&image.file) };
    if !source.is_file() {
        return Err(("filename", format!("there is no file {}", source.display())));
    }
    let target = if dry_run { source.clone() } else { target };
    let cannot = |error: std::io::Error| ("filename", format!("{}: {error}", source.display()));
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(cannot)?;
    }
    let found = bring(&source, &target, false, interrupt).map_err(cannot)?;
    found.measured(&image.file).ok_or_else(|| ("filename", format!("{} cannot be told", source.display())))
}

fn progress(what: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {{human_pos}} of {{human_len}} rows {what}");
    let style = ProgressStyle::with_template(&template).expect("the template is ours");
    ProgressBar::new(0).with_style(style)
}

fn show(how: &AdoptHow, report: &Report) -> anyhow::Result<ExitCode> {
    if how.json {
        let counts = |(table, counts): (&&str, &Counts)| {
            let counts = json!({
                "changed": counts.changed,
                "known": counts.known,
                "refused": counts.refused,
                "taken": counts.taken,
            });
            ((*table).to_owned(), counts)
        };
        let remarks = report.remarks.iter().map(|remark| {
            json!({
                "field": remark.field,
                "reason": remark.reason,
                "refused": remark.refused,
                "row": remark.row,
                "table": remark.table,
            })
        });
        let report = json!({
            "dry_run": how.dry_run,
            "nothing_new": report.is_nothing_new(),
            "remarks": remarks.collect::<Vec<_>>(),
            "tables": report.counts.iter().map(counts).collect::<serde_json::Map<_, _>>(),
        });
        print(&format!("{report}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for remark in &report.remarks {
        let fate = if remark.refused { "refused" } else { "changed" };
        text += &format!("{fate}: {} {}, {}: {}\n", remark.table, remark.row, remark.field, remark.reason);
    }
    for (table, counts) in &report.counts {
        let (taken, changed, known, refused) = (counts.taken, counts.changed, counts.known, counts.refused);
        text += &format!("{table}: {taken} taken ({changed} with changes), {known} here already, {refused} refused\n");
    }
    text += match (report.is_nothing_new(), how.dry_run) {
        (true, _) => "nothing new\n",
        (false, true) => "dry run: nothing was written\n",
        (false, false) => "done\n",
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
