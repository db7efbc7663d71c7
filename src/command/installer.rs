//! `hatchery installer …`: the netboot environment of the installer, built and looked at.

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::ask::table;
use super::assets::{Scratch, place};
use super::interrupt::Interrupt;
use super::{INTERRUPTED, print};
use crate::cli::{BootDirectory, BuildPc, BuildPi, Installer, InstallerArch, InstallerBuild, InstallerList};
use crate::config::Config;
use crate::environment::pc::{self, Pc};
use crate::environment::pi::{self, Pi};
use crate::environment::{Arch, BuildError, Built, Watch, installer_binary, output};

/// The template that has to fit the tree of Raspberry Pis.
const CONFIG_TXT: &str = "pi/config.txt";

/// Does what was asked.
pub fn run(args: &Installer) -> anyhow::Result<ExitCode> {
    match args {
        Installer::Build(InstallerBuild::Pi(args)) => {
            build(&args.place, |config, boot, watch| build_pi(args, config, boot, watch))
        }
        Installer::Build(InstallerBuild::Pc(args)) => build(&args.place, |_, boot, watch| build_pc(args, boot, watch)),
        Installer::List(args) => list(args),
    }
}

fn build(
    args: &BootDirectory,
    work: impl FnOnce(&Config, &Path, &dyn Watch) -> Result<Built, BuildError>,
) -> anyhow::Result<ExitCode> {
    let (config, boot) = match place(args) {
        Ok(place) => place,
        Err(code) => return Ok(code),
    };
    let bar = Bar::new(Interrupt::listen()?);
    let built = work(&config, &boot, &bar);
    bar.clear();
    match built {
        Ok(built) if args.json => print(&format!("{}\n", of_built(&built)))?,
        Ok(built) => {
            print(&summary(&built))?;
            remarks(&built).iter().for_each(|remark| eprintln!("note: {remark}"));
        }
        Err(error) if error.is_interrupt() => {
            eprintln!("hatchery: interrupted; nothing was changed in {}", boot.display());
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => {
            let text = with_causes(&error);
            if args.json {
                print(&format!("{}\n", json!({ "error": text })))?;
            }
            eprintln!("hatchery: {text}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn build_pi(args: &BuildPi, config: &Config, boot: &Path, watch: &dyn Watch) -> Result<Built, BuildError> {
    let installer = installer_binary::read(Arch::Arm64, args.installer.as_deref(), own().as_deref())?;
    let template = config.template(CONFIG_TXT);
    let template = template.map_err(|source| BuildError::Io { what: CONFIG_TXT.to_owned(), source })?;
    let config = template.as_deref().unwrap_or_default();
    pi::build(Pi { image: &args.image, installer, boot, config }, watch)
}

fn build_pc(args: &BuildPc, boot: &Path, watch: &dyn Watch) -> Result<Built, BuildError> {
    let arch = match args.arch {
        InstallerArch::X86_64 => Arch::X86_64,
        InstallerArch::Arm64 => Arch::Arm64,
    };
    let installer = installer_binary::read(arch, args.installer.as_deref(), own().as_deref())?;
    let mut packages = args.kernel.clone();
    let mut scratch = None;
    if args.fetch {
        let scratch = scratch.insert(Scratch::new().map_err(|error| BuildError::Unfit(format!("{error:#}")))?);
        packages.extend(pc::fetch(arch, scratch.path(), watch)?);
    }
    pc::build(Pc { arch, packages: &packages, installer, boot }, watch)
}

fn own() -> Option<std::path::PathBuf> {
    std::env::current_exe().ok()
}

fn with_causes(error: &BuildError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(each) = cause {
        // Some errors repeat their cause in their own text.
        let each_text = each.to_string();
        if !text.contains(&each_text) {
            text = format!("{text}: {each_text}");
        }
        cause = each.source();
    }
    text
}

fn of_built(built: &Built) -> Value {
    let kernels: Vec<Value> = built
        .kernels
        .iter()
        .map(|kernel| {
            json!({ "version": kernel.version, "modules": kernel.modules, "firmware_missing": kernel.firmware_missing })
        })
        .collect();
    let lacking: serde_json::Map<String, Value> =
        built.lacking.iter().map(|(model, files)| ((*model).to_owned(), json!(files))).collect();
    json!({
        "path": built.path, "files": built.files, "bytes": built.bytes, "kernels": kernels, "lacking": lacking,
        "warnings": built.warnings,
    })
}

fn summary(built: &Built) -> String {
    let mut text = format!("{}: {} files, {} MiB\n", built.path.display(), built.files, built.bytes >> 20);
    for kernel in &built.kernels {
        text.push_str(&format!("kernel {}: {} modules\n", kernel.version, kernel.modules));
    }
    text
}

/// What is worth knowing, for people.
fn remarks(built: &Built) -> Vec<String> {
    let mut remarks = built.warnings.clone();
    for (model, files) in &built.lacking {
        remarks.push(format!("a {model} cannot boot from it: there is no {}", files.join(", no ")));
    }
    for kernel in built.kernels.iter().filter(|kernel| !kernel.firmware_missing.is_empty()) {
        let count = kernel.firmware_missing.len();
        remarks.push(format!(
            "{count} firmware files that drivers of {} may ask for are not there; --json names them",
            kernel.version
        ));
    }
    remarks
}

fn list(args: &InstallerList) -> anyhow::Result<ExitCode> {
    let (_, boot) = match place(&args.place) {
        Ok(place) => place,
        Err(code) => return Ok(code),
    };
    let mut rows = Vec::new();
    let mut whole = true;
    for name in [pi::TREE.to_owned(), pc::directory(Arch::X86_64), pc::directory(Arch::Arm64)] {
        let directory = boot.join(&name);
        let Some(record) = output::read_record(&directory) else { continue };
        let changed = output::changed(&directory, &record);
        whole &= changed.is_empty();
        let standing = if changed.is_empty() { "whole".to_owned() } else { format!("changed: {}", changed.join(", ")) };
        let kernels = record["from"]["kernels"].as_array().cloned().unwrap_or_default();
        let kernels: Vec<&str> = kernels.iter().filter_map(Value::as_str).collect();
        rows.push(
            json!({ "name": name, "kernels": kernels.join(" "), "made_by": record["made_by"], "standing": standing }),
        );
    }
    let rows = Value::Array(rows);
    if args.place.json {
        print(&format!("{rows}\n"))?;
    } else {
        let none = format!("nothing was built in {}; hatchery installer build does it", boot.display());
        print(&table(&rows, &["name", "kernels", "made_by", "standing"], &none))?;
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A progress bar, and the signals that end the work. Hidden where standard error is no terminal.
struct Bar {
    bar: RefCell<ProgressBar>,
    interrupt: Interrupt,
}

impl Bar {
    fn new(interrupt: Interrupt) -> Bar {
        Bar { bar: RefCell::new(ProgressBar::hidden()), interrupt }
    }

    fn clear(&self) {
        self.bar.borrow().finish_and_clear();
    }
}

impl Watch for Bar {
    fn step(&self, what: &str, total: Option<u64>) {
        self.clear();
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{msg} {bar:30} {binary_bytes} of {binary_total_bytes}"),
            None => (ProgressBar::new_spinner(), "{spinner} {msg} {binary_bytes}"),
        };
        let style = ProgressStyle::with_template(template).expect("the template is ours");
        self.bar.replace(bar.with_style(style).with_message(what.to_owned()));
        self.bar.borrow().tick();
    }

    fn advance(&self, bytes: u64) {
        self.bar.borrow().inc(bytes);
    }

    fn stopped(&self) -> bool {
        self.interrupt.came()
    }
}
