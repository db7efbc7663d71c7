//! `hatchery serve`: a checked configuration becomes a running server.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::WRONG_INPUT;
use crate::answer::Answers;
use crate::cli::{LogFormat, Serve};
use crate::config::{Certificate, Config, Management, Paths};
use crate::confine::{self, Needs};
use crate::fleet::command::Declaration;
use crate::serve::log::tail::Tail;
use crate::serve::manage::tls::Origin;
use crate::serve::reload::Reread;
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
    take_descriptors();
    for problem in config.check_files() {
        tracing::warn!("{problem}");
    }
    for problem in config.check_answers() {
        tracing::warn!("answer template {problem}");
    }
    let answers = compile(&config)?;
    let file = args.config.config.clone();
    let confined = confine::enter(&config.confinement, &needs(&config, &file))?;
    let settings = settings(config, answers);
    let reread = Reread::new(move || reread(&file));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().on_thread_start(confine::thread_started);
    let runtime = runtime.build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve::run_reloadable(settings, Some(reread), Some(confined), stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What a server with this configuration, read from `file`, has to do with.
fn needs(config: &Config, file: &Path) -> Needs {
    let Paths { data, boot, images, templates, socket } = config.paths.clone();
    let Management { listen, tls, .. } = &config.management;
    let certificate = match tls {
        Some(Certificate::Files { certificate, key }) => vec![certificate.clone(), key.clone()],
        Some(Certificate::SelfMade) | None => Vec::new(),
    };
    let ports = config.http.ports.iter().copied().chain(listen.iter().map(SocketAddr::port)).collect();
    let files = certificate.into_iter().chain([file.to_owned()]).collect();
    Needs { data, images, boot, templates, files, socket, ports }
}

/// As many descriptors as the system lets us have: a shell's usual 1024 are fewer than the connections and transfers
/// that the configuration allows.
fn take_descriptors() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

fn start_log(args: &Serve) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log).with_context(|| format!("'{}' is not a log filter", args.log))?;
    let log = tracing_subscriber::registry().with(filter).with(Tail);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    match args.log_format {
        LogFormat::Text => log.with(lines.with_ansi(false)).init(),
        LogFormat::Json => log.with(lines.json()).init(),
    }
    Ok(())
}

/// Compiles every template a profile names. One that is missing or broken is an error now, not at some machine's boot.
pub fn compile(config: &Config) -> anyhow::Result<Answers> {
    for name in config.profiles.iter().flat_map(|profile| profile.answers.values()) {
        let text = config.template(name).with_context(|| format!("cannot read the answer template {name}"))?;
        text.with_context(|| format!("there is no answer template {name}"))?;
    }
    let (answers, errors) = config.compile_answers();
    if errors.is_empty() {
        return Ok(answers);
    }
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::bail!("answer templates:\n{}", lines.join("\n"))
}

/// The configuration as it is now; every problem of the file, or of its templates.
fn reread(file: &Path) -> Result<Settings, Vec<String>> {
    let config = Config::load(file).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let answers = compile(&config).map_err(|error| vec![format!("{error:#}")])?;
    Ok(settings(config, answers))
}

/// What a server with this configuration is told.
pub fn settings(config: Config, answers: Answers) -> Settings {
    let paths = &config.paths;
    let venues = config.venues.into_iter().map(|each| Declaration { venue: each.venue, pools: each.pools }).collect();
    let tftp = config.tftp.enabled.then(|| tftp::Config {
        listen: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, config.tftp.port),
        interface: None,
        max_transfers: config.tftp.max_transfers as usize,
        max_per_client: config.tftp.max_per_client as usize,
        max_blksize: config.tftp.max_blksize,
        max_windowsize: config.tftp.max_windowsize,
        single_port: config.tftp.single_port,
    });
    let management = Some(config.management).filter(|management| !management.listen.is_empty());
    let management = management.map(|Management { listen, session, tls, names, open_metrics }| {
        let users = paths.data.join("access.db");
        let tls = tls.map(|tls| match tls {
            Certificate::Files { certificate, key } => Origin::Files { certificate, key },
            Certificate::SelfMade => Origin::SelfMade { directory: paths.data.clone() },
        });
        serve::manage::Settings { listen, session, users, tls, names, open_metrics }
    });
    let http = http::Limits {
        max_connections: config.limits.max_connections as usize,
        max_connections_per_client: config.limits.max_connections_per_client as usize,
        ..http::Limits::default()
    };
    Settings {
        journal: paths.journal(),
        retention: config.retention,
        boot: paths.boot.clone(),
        ignore_case: config.tftp.ignore_case,
        images: paths.images.clone(),
        socket: paths.socket.clone(),
        confinement: config.confinement,
        site: config.site,
        profiles: config.profiles,
        classes: config.classes,
        products: config.products,
        venues,
        answers,
        dhcp: config.dhcp.enabled,
        tftp,
        http_ports: config.http.ports,
        http,
        management,
    }
}
