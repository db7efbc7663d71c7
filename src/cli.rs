//! The command line: what can be typed, and what its help says. No behaviour.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

/// Network boot appliance: blank machine in; named, imaged, tested, labelled unit out.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(after_help = "Examples:
  hatchery demo                      boot 20 simulated machines over real sockets; needs no root
  hatchery check -c hatchery.toml    look for problems in a configuration
  hatchery serve -c hatchery.toml    serve DHCP, TFTP and HTTP
  hatchery explain --mac dc:a6:32:01:36:c2
                                     what that machine gets now, and why

Exit codes:
  0    done
  1    it did not work, or the server refused it
  2    wrong arguments or configuration
  3    no server answers
  130  interrupted")]
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
    /// Print an answer file as a machine gets it now
    #[command(after_help = "Examples:
  hatchery render config.txt --mac dc:a6:32:01:36:c2
  hatchery render proxmox/answer.toml --hostname KXP2-SPAA-007
  hatchery render nocloud/user-data --fixture -c ./hatchery.toml")]
    Render(Render),
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
    /// Say what keeps the server from its work, and what to do about it
    #[command(after_help = "Asks the running server. Where none runs, it checks what can be checked without one:
configuration, files, interfaces, addresses, ports.

Examples:
  hatchery doctor
  hatchery doctor -c ./hatchery.toml
  hatchery doctor --json | jq '.[] | select(.level == \"red\")'

Exit codes: 0 nothing is red; 1 something is.")]
    Doctor(Doctor),
    /// Let the running server take over a changed configuration
    #[command(
        after_help = "The whole file is checked first; if anything is wrong with it, every problem is reported and the old
configuration stays in force (exit code 2). Leases, names and transfers are not touched. Interfaces,
addresses, ports, paths and connection limits take a restart. SIGHUP does the same; its result is in the log.

Examples:
  hatchery check && hatchery reload
  hatchery reload --json"
    )]
    Reload(Ask),
    /// Decide what becomes of one machine
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery machine reinstall KXP2-SPAA-007
  hatchery machine hold dc:a6:32:01:36:c2
  hatchery machine forget --release-name 10000000d9780558"
    )]
    Machine(Machine),
    /// Places to which machines go
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery venue add SPAA --name 'Spa-Francorchamps' --location 'Stavelot, Belgium' --contact crew@example.com
  hatchery venue list --json"
    )]
    Venue(Venue),
    /// Host names: fill a venue's pool, see who holds what, take one back
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery names import --venue SPAA --product KXP2 1-40,77
  hatchery names import --venue SPAA --product KXP2 --file karts.csv
  hatchery names list --venue SPAA --state available
  hatchery names release KXP2-SPAA-007"
    )]
    Names(Names),
    /// Order units, and let batches give names
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery batch create --venue SPAA --product KXP2 --count 20
  hatchery batch start 1
  hatchery batch priority 1 10
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

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub config: ConfigFile,
    /// The server's control socket, if not the one of the configuration
    #[arg(long, env = "HATCHERY_SOCKET", value_name = "FILE")]
    pub socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["mac", "ip", "serial", "hostname", "fixture"])))]
pub struct Render {
    /// The file name as the machine asks for it, or the name of a template
    pub name: String,
    #[command(flatten)]
    pub machine: WhichMachine,
    /// Render for an invented machine, from the configuration alone; needs no server
    #[arg(long)]
    pub fixture: bool,
    /// The configuration file of --fixture
    #[arg(short, long, default_value = "/etc/hatchery/hatchery.toml", value_name = "FILE", requires = "fixture")]
    pub config: PathBuf,
    #[command(flatten)]
    pub ask: Ask,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["mac", "ip", "serial", "hostname"])))]
pub struct Explain {
    #[command(flatten)]
    pub machine: WhichMachine,
    #[command(flatten)]
    pub ask: Ask,
}

/// One machine, named in one way.
#[derive(Debug, Args)]
#[group(skip)]
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

impl WhichMachine {
    /// What it is named by.
    pub fn text(&self) -> Option<String> {
        [&self.mac, &self.ip, &self.serial, &self.hostname].into_iter().flatten().next().cloned()
    }
}

/// What becomes of a machine.
#[derive(Debug, Subcommand)]
pub enum Machine {
    /// Install it again at its next network boot
    Reinstall(OneMachine),
    /// Give it an address and nothing to boot
    Hold(OneMachine),
    /// Remove it with its leases; its name is retired, unless it is released
    #[command(after_help = "What was deployed to it stays on record. If it boots again, it is a new machine.

Examples:
  hatchery machine forget dc:a6:32:01:36:c2
  hatchery machine forget --release-name KXP2-SPAA-007")]
    Forget(Forget),
}

/// Arguments of `machine forget`.
#[derive(Debug, Args)]
pub struct Forget {
    #[command(flatten)]
    pub one: OneMachine,
    /// Give its name back to the pool
    #[arg(long)]
    pub release_name: bool,
    /// Even while it is being installed
    #[arg(long)]
    pub force: bool,
}

/// What to do with venues.
#[derive(Debug, Subcommand)]
pub enum Venue {
    /// Add a venue, or change the one of that code
    #[command(after_help = "A venue that the configuration declares is as the configuration says after the next start.

Example:
  hatchery venue add SPAA --name 'Spa-Francorchamps' --location 'Stavelot, Belgium' --contact crew@example.com")]
    Add(VenueAdd),
    /// List every venue, and how many names it has left
    #[command(after_help = "Examples:
  hatchery venue list
  hatchery venue list --json | jq '.[] | {code, left: .names.KXP2.available}'")]
    List(Ask),
}

/// Arguments of `venue add`.
#[derive(Debug, Args)]
pub struct VenueAdd {
    /// Its code: four letters or digits
    pub code: String,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Where it is
    #[arg(long, value_name = "PLACE")]
    pub location: Option<String>,
    /// Whom to write to
    #[arg(long, value_name = "EMAIL")]
    pub contact: Option<String>,
    #[command(flatten)]
    pub ask: Ask,
}

/// What to do with names.
#[derive(Debug, Subcommand)]
pub enum Names {
    /// Add numbers to a venue's pool of names
    #[command(
        after_help = "Numbers and ranges stand between commas, blanks or line ends. A .csv or .tsv file, and a list
whose first line is a heading, is read as a table: its first column counts. If anything is not a
number, nothing is imported.

Examples:
  hatchery names import --venue SPAA --product KXP2 1-40,77
  hatchery names import --venue SPAA --product KXP2 --file karts.csv
  seq 100 120 | hatchery names import --venue SPAA --product KXP2 --file -"
    )]
    Import(NamesImport),
    /// Take a name from its machine and give it back to the pool
    #[command(after_help = "The batch under which it was given has that unit to make again.

Example:
  hatchery names release KXP2-SPAA-007")]
    Release(NameRelease),
    /// Never give a name again
    #[command(after_help = "Example:
  hatchery names retire KXP2-SPAA-013")]
    Retire(OneName),
    /// Let a retired name be given again
    #[command(after_help = "Example:
  hatchery names reinstate KXP2-SPAA-013")]
    Reinstate(OneName),
    /// List names and who holds them
    #[command(after_help = "Examples:
  hatchery names list --venue SPAA
  hatchery names list --product KXP2 --state assigned --json")]
    List(NamesList),
}

/// Arguments of `names import`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["numbers", "file"])))]
pub struct NamesImport {
    /// Numbers and ranges: 1-40,77
    pub numbers: Vec<String>,
    /// Read them from a file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The venue's code
    #[arg(long, value_name = "CODE")]
    pub venue: String,
    /// The product
    #[arg(long, value_name = "PRODUCT")]
    pub product: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// Arguments of `names release`.
#[derive(Debug, Args)]
pub struct NameRelease {
    /// The host name
    pub name: String,
    /// Even while its machine is being installed
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub ask: Ask,
}

/// A name.
#[derive(Debug, Args)]
pub struct OneName {
    /// The host name
    pub name: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// Arguments of `names list`.
#[derive(Debug, Args)]
pub struct NamesList {
    /// Of this product only
    #[arg(long, value_name = "PRODUCT")]
    pub product: Option<String>,
    /// At this venue only
    #[arg(long, value_name = "CODE")]
    pub venue: Option<String>,
    /// In this state only: available, assigned or retired
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    #[command(flatten)]
    pub ask: Ask,
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
    /// End a batch before its last unit
    Cancel(OneBatch),
    /// Let a batch go before or after others
    Priority(BatchPriority),
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

/// Arguments of `batch priority`.
#[derive(Debug, Args)]
pub struct BatchPriority {
    #[command(flatten)]
    pub one: OneBatch,
    /// Higher goes first
    #[arg(allow_negative_numbers = true)]
    pub priority: i64,
}

/// A batch.
#[derive(Debug, Args)]
pub struct OneBatch {
    /// Its number
    pub id: u64,
    #[command(flatten)]
    pub ask: Ask,
}
