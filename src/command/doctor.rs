//! `hatchery doctor`: what keeps the server from its work, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{print, serve};
use crate::cli::Doctor;
use crate::config::{Config, Problem, Problems};
use crate::serve::control::{self, Reply, Request};
use crate::serve::preflight::place::Place;
use crate::serve::preflight::{Finding, Level, ports};
use crate::store::Records;

/// Where the server's control socket is if no configuration says otherwise.
const SOCKET: &str = "/run/hatchery/hatchery.sock";

/// Asks the running server, or looks at what needs none.
pub fn run(args: &Doctor) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config);
    let of_config = || config.as_ref().map_or_else(|_| PathBuf::from(SOCKET), |config| config.paths.socket.clone());
    let socket = args.socket.clone().unwrap_or_else(of_config);
    let findings = match control::ask(&socket, &Request::Doctor) {
        Ok(Reply::Ok(findings)) => serde_json::from_value(findings).context("the server speaks another version")?,
        Ok(Reply::Error { sentence, .. }) => anyhow::bail!(sentence),
        Ok(Reply::Problems(problems)) => anyhow::bail!(problems.join("\n")),
        Err(error) if is_silent(&error) => without_server(config, &socket)?,
        Err(error) => return Err(error).with_context(|| format!("cannot ask the server at {}", socket.display())),
    };
    if args.json {
        print(&format!("{}\n", serde_json::to_string(&findings)?))?;
    } else {
        print(&findings.iter().map(line).collect::<String>())?;
    }
    let red = findings.iter().any(|finding| finding.level == Level::Red);
    Ok(if red { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether an error means that no server runs.
fn is_silent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory)
}

fn without_server(config: Result<Config, Problems>, socket: &Path) -> anyhow::Result<Vec<Finding>> {
    let what = format!("no server answers on {}; this is what can be told without one", socket.display());
    let mut findings = vec![Finding::amber("server", what, "start it: hatchery serve")];
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            findings.extend(problems.iter().map(|problem| of_problem(problem, Level::Red)));
            return Ok(findings);
        }
    };
    findings.push(Finding::green("configuration", "the configuration is well formed"));
    findings.extend(config.check_files().iter().map(|problem| of_problem(problem, Level::Amber)));
    let answers = match serve::compile(&config) {
        Ok(answers) => answers,
        Err(error) => {
            findings.push(Finding::red("templates", format!("{error:#}"), "correct the template"));
            return Ok(findings);
        }
    };
    let settings = serve::settings(config, answers);
    // A journal that cannot be read is what the look at it says, too.
    let active = Records::new(&settings.journal).active_images().unwrap_or_default();
    findings.extend(Place::new(&settings).look(&active));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    findings.extend(runtime.block_on(async { ports::look(&settings) }));
    Ok(findings)
}

fn of_problem(problem: &Problem, level: Level) -> Finding {
    let hint = problem.hint.clone().unwrap_or_else(|| "`hatchery check` shows the place".into());
    let what = Problem { hint: None, ..problem.clone() }.to_string();
    Finding { check: format!("configuration {}", problem.key), level, what, hint }
}

/// A finding for people: a mark and a sentence, and below it what to do.
fn line(finding: &Finding) -> String {
    let Finding { level, what, hint, .. } = finding;
    let mark = match level {
        Level::Green => '✓',
        Level::Amber => '!',
        Level::Red => '✗',
    };
    let hint = if hint.is_empty() { String::new() } else { format!("  → {hint}\n") };
    format!("{mark} {what}\n{hint}")
}
