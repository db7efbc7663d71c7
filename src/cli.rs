//! The command line: what can be typed, and what its help says. No behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Network boot appliance: blank machine in; named, imaged, tested, labelled unit out.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(after_help = "Examples:
  hatchery demo                      boot 20 simulated machines over real sockets; needs no root
  hatchery check -c hatchery.toml    look for problems in a configuration
  hatchery serve -c hatchery.toml    serve DHCP, TFTP and HTTP
  hatchery explain --mac dc:a6:32:01:36:c2
                                     what that machine gets now, and why

Exit codes: 0 done; 1 it did not work; 2 wrong arguments or configuration.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve DHCP, TFTP and HTTP on the networks of the configuration
    #[command(after_help = "Examples:
  hatchery serve
  hatchery serve -c ./hatchery.toml --log debug
  hatchery serve --log-format json")]
    Serve(Serve),
    /// Look for problems in a configuration; report all of them at once
    #[command(after_help = "Examples:
  hatchery check
  hatchery check -c ./hatchery.toml --json")]
    Check(Check),
    /// Boot simulated machines over real sockets, in network namespaces of its own
    #[command(after_help = "Examples:
  hatchery demo
  hatchery demo --clients 50 --image-mib 64
  hatchery demo --json | jq .done")]
    Demo(Demo),
    /// Boot simulated machines in a simulated world, with faults; one seed decides everything
    #[command(after_help = "Examples:
  hatchery sim --clients 20 --seed 7
  hatchery sim --clients 20 --seed 7 --story
  hatchery sim --clients 1000 --seed 1 --json")]
    Sim(Sim),
    /// Say what a machine gets now, and why
    #[command(after_help = "Examples:
  hatchery explain --mac dc:a6:32:01:36:c2
  hatchery explain --ip 192.168.151.100
  hatchery explain --serial 10000000d9780558 --json")]
    Explain(Explain),
    /// List the machines the server knows
    #[command(after_help = "Examples:
  hatchery machines
  hatchery machines --json | jq '.[] | select(.stage == \"failed\")'")]
    Machines(Ask),
    /// List the leases
    #[command(after_help = "Examples:
  hatchery leases
  hatchery leases --json")]
    Leases(Ask),
    /// Say how the server stands: machines by stage, leases, transfers, refusals
    #[command(after_help = "Examples:
  hatchery status
  hatchery status --json")]
    Status(Ask),
    /// Decide what becomes of one machine
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery machine reinstall KXP2-SPAA-007
  hatchery machine hold dc:a6:32:01:36:c2"
    )]
    Machine(Machine),
    /// Order units, and let batches give names
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery batch create --venue SPAA --product KXP2 --count 20
  hatchery batch start 1
  hatchery batch list --json"
    )]
    Batch(Batch),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file
    #[arg(short, long, default_value = "/etc/hatchery/hatchery.toml", value_name = "FILE")]
    pub config: PathBuf,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub config: ConfigFile,
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,hatchery::serve::dhcp=debug`
    #[arg(long, default_value = "info", env = "HATCHERY_LOG", value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// How many machines
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=150))]
    pub clients: u32,
    /// Size of the image, in MiB
    #[arg(long, default_value_t = 256, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub image_mib: u32,
    /// Print one JSON object at the end, and nothing else on standard output
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sim`.
#[derive(Debug, Args)]
pub struct Sim {
    /// How many machines
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20000))]
    pub clients: u32,
    /// The seed that decides everything
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// Print the story: a line for each packet
    #[arg(long)]
    pub story: bool,
    /// Write the UDP packets to a capture file; a broken promise writes one by itself
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How to reach the running server.
#[derive(Debug, Args)]
pub struct Ask {
    /// The server's control socket
    #[arg(long, default_value = "/run/hatchery/hatchery.sock", env = "HATCHERY_SOCKET", value_name = "FILE")]
    pub socket: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub machine: WhichMachine,
    #[command(flatten)]
    pub ask: Ask,
}

/// One machine, named in one way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhichMachine {
    /// Its hardware address, in any spelling
    #[arg(long, value_name = "MAC")]
    pub mac: Option<String>,
    /// The address it holds
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// Its serial number, or the last eight digits of a Raspberry Pi's
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
    /// Its host name
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
}

/// What becomes of a machine.
#[derive(Debug, Subcommand)]
pub enum Machine {
    /// Install it again at its next network boot
    Reinstall(OneMachine),
    /// Give it an address and nothing to boot
    Hold(OneMachine),
}

/// A machine, named in any way.
#[derive(Debug, Args)]
pub struct OneMachine {
    /// Its MAC, address, serial or host name
    pub machine: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// What to do with batches.
#[derive(Debug, Subcommand)]
pub enum Batch {
    /// Order units
    Create(BatchCreate),
    /// Let a batch give names
    Start(OneBatch),
    /// Hold a batch back
    Pause(OneBatch),
    /// List every batch
    List(Ask),
}

/// Arguments of `batch create`.
#[derive(Debug, Args)]
pub struct BatchCreate {
    /// The venue's code
    #[arg(long, value_name = "CODE")]
    pub venue: String,
    /// The product
    #[arg(long, value_name = "PRODUCT")]
    pub product: String,
    /// How many units
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub count: i64,
    /// Higher goes first
    #[arg(long, default_value_t = 0, value_name = "P", allow_negative_numbers = true)]
    pub priority: i64,
    #[command(flatten)]
    pub ask: Ask,
}

/// A batch.
#[derive(Debug, Args)]
pub struct OneBatch {
    /// Its number
    pub id: u64,
    #[command(flatten)]
    pub ask: Ask,
}
