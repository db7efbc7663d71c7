//! `hatchery serve`: a checked configuration becomes a running server.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::WRONG_INPUT;
use crate::answer::Answers;
use crate::cli::{LogFormat, Serve};
use crate::config::Config;
use crate::fleet::command::Declaration;
use crate::serve::{self, Settings, http, tftp};

/// Serves until SIGINT or SIGTERM.
pub fn run(args: &Serve) -> anyhow::Result<ExitCode> {
    let config = match Config::load(&args.config.config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(WRONG_INPUT));
        }
    };
    start_log(args)?;
    for problem in config.check_files() {
        tracing::warn!("{problem}");
    }
    let answers = compile(&config)?;
    let settings = settings(config, answers)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve::run(settings, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn start_log(args: &Serve) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log).with_context(|| format!("'{}' is not a log filter", args.log))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match args.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Compiles every template a profile names. One that is broken is an error now, not at some machine's boot.
pub fn compile(config: &Config) -> anyhow::Result<Answers> {
    let mut templates = BTreeMap::new();
    for name in config.profiles.iter().flat_map(|profile| profile.answers.values()) {
        let text = config.template(name).with_context(|| format!("cannot read the answer template {name}"))?;
        let text = text.with_context(|| format!("there is no answer template {name}"))?;
        templates.insert(name.clone(), text.into_owned());
    }
    let (answers, errors) = Answers::compile(&templates);
    if errors.is_empty() {
        return Ok(answers);
    }
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::bail!("answer templates:\n{}", lines.join("\n"))
}

fn settings(config: Config, answers: Answers) -> anyhow::Result<Settings> {
    let paths = &config.paths;
    // The data directory and the served ones below it are ours to make; where the operator points elsewhere, a missing
    // directory is an error.
    for directory in [&paths.data, &paths.boot, &paths.images] {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let venues = config.venues.into_iter().map(|each| Declaration { venue: each.venue, pools: each.pools }).collect();
    let tftp = config.tftp.enabled.then(|| tftp::Config {
        listen: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, config.tftp.port),
        interface: None,
        max_transfers: config.tftp.max_transfers as usize,
        max_per_client: config.tftp.max_per_client as usize,
        max_blksize: config.tftp.max_blksize,
        max_windowsize: config.tftp.max_windowsize,
    });
    Ok(Settings {
        journal: paths.journal(),
        boot: paths.boot.clone(),
        images: paths.images.clone(),
        socket: paths.socket.clone(),
        site: config.site,
        profiles: config.profiles,
        classes: config.classes,
        products: config.products,
        venues,
        answers,
        dhcp: config.dhcp.enabled,
        tftp,
        http_ports: config.http.ports,
        http: http::Limits { max_connections: config.limits.max_connections as usize, ..http::Limits::default() },
    })
}
