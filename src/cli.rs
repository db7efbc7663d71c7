//! The command line: what can be typed, and what its help says. No behaviour.

mod adopt;
mod assets;
mod backup;
mod deployment;
mod installer;
mod operate;
mod people;
mod report;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

pub use adopt::*;
pub use assets::*;
pub use backup::*;
pub use deployment::*;
pub use installer::*;
pub use operate::*;
pub use people::*;
pub use report::*;

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
  hatchery demo --rate 10 --keep --pages 8080     # watch it in a browser, at a card's pace
  hatchery demo --json | jq .done

The pages of the demo are at the link that it prints, for a browser on this machine, until it ends: with --keep at
Ctrl-C.")]
    Demo(Demo),
    /// Boot simulated machines over a real network interface, against the server that answers there
    #[command(
        after_help = "Each machine is a macvlan port of its own on the interface, in a network namespace that goes away with
the command, however it ends. It takes root, and another host than the server's: a macvlan never talks
to the interface below it. The machines are known to the server afterwards, and finished ones boot their
disk: run it again with another --first, or let the server forget them.

Examples:
  sudo hatchery load --interface eth1 --clients 20
  sudo hatchery load --interface eth1 --clients 100 --first 1000 --product RXP2 --venue SPAA --json

Exit codes: 0 every machine is done; 1 some are not; 2 wrong arguments; 130 interrupted."
    )]
    Load(Load),
    /// Boot simulated machines in a simulated world, with faults; one seed decides everything
    #[command(
        long_about = "Boot simulated machines in a simulated world, with faults; one seed decides everything.

Packets are lost, doubled and late; power, relay agents and networks fail; the server crashes, stands still, and cannot
write its journal; clocks are set; machines are moved, cloned, and lose their cards; operators give orders at any moment;
another DHCP server is plugged in; somebody invents machines, forges messages and claims every address. Every machine
must reach its end, and whatever the server promised is held against it. The same seed gives the same hash.",
        after_help = "Examples:
  hatchery sim --clients 20 --seed 7
  hatchery sim --clients 20 --seed 7 --story
  hatchery sim --clients 1000 --seed 1 --json"
    )]
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
    /// List the products: how each is named, and the image that its machines get
    #[command(after_help = "Products are made in the configuration.

Examples:
  hatchery products
  hatchery products --json | jq '.[] | select(.image_state != \"ready\")'")]
    Products(Ask),
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
    /// Say who changed what
    #[command(
        after_help = "Every change that an operator, a program or the configuration made, the latest first. Kept in the journal,
written together with the change itself.

Examples:
  hatchery audit
  hatchery audit --limit 5 --by anna
  hatchery audit --find KXP2-SPAA-007
  hatchery audit --json | jq '.items[] | select(.operation == \"machine forget\")'"
    )]
    Audit(Audit),
    /// Say what was deployed in a period: counts, success rate, how long it took, why it failed
    #[command(
        after_help = "Days are those of UTC, and --to names the last day that counts. A deployment counts on the day on which it
began. Median and 95th percentile are by the nearest rank: the smallest of the measured times that half,
or 95 of 100, did not exceed. The times are of deployments that ended well; the stages of machines that
were forgotten since are not known any more.

Examples:
  hatchery report
  hatchery report --from 2026-11-01 --to 2026-11-30
  hatchery report --from 2026-11-01 --product KXP2 --venue SPAA --csv > november.csv
  hatchery report --json | jq .total.success_rate"
    )]
    Report(Report),
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
    /// The images that machines get
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery image add ./kxp2-2026.11.img --product KXP2 --version 2026.11 --activate
  hatchery image list
  hatchery image activate --product KXP2 2026.10"
    )]
    Image(Image),
    /// The loaders that machines boot first: fetch them, verify them, see what each kind of machine would boot
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery assets fetch
  hatchery assets list
  hatchery assets verify"
    )]
    Assets(Assets),
    /// What machines boot into to be installed: build it from an OS image or a kernel package
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery installer build pi --image 2025-10-01-raspios-trixie-arm64-lite.img.xz
  hatchery installer build pc --arch x86_64 --fetch
  hatchery installer list"
    )]
    Installer(Installer),
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
    /// What was deployed, one by one
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery deployment list --status failed
  hatchery deployment show 117"
    )]
    Deployment(Deployment),
    /// Who may use the pages and the API
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery user add anna --role admin
  hatchery user list
  hatchery user password anna"
    )]
    User(User),
    /// What programs show to use the API
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery token add dashboard
  hatchery token list
  hatchery token remove 3"
    )]
    Token(Token),
    /// Take over what another system remembers
    #[command(
        subcommand,
        after_help = "Examples:
  hatchery adopt original --db deployment.db --dry-run
  hatchery adopt leases /var/lib/misc/dnsmasq.leases"
    )]
    Adopt(Adopt),
    /// Write everything that makes this server this server into one file
    #[command(
        after_help = "Configuration, journal (names, leases, batches, machines, history), users and tokens, answer templates,
the certificate the server made itself, and with --images the images. Works while the server runs: each
database is copied as it is at one moment. Boot files are not in it: `hatchery assets fetch` brings them.

Without --encrypt it is a plain .tar.zst that tar reads; keep it as safe as the server, password hashes are
in it. With --encrypt it takes a passphrase (argon2id, ChaCha20-Poly1305), which nobody can bring back.

Examples:
  sudo hatchery backup /media/stick/hatchery-2026-11-21.tar.zst
  sudo hatchery backup --encrypt --images /media/stick/hatchery.sealed
  sudo hatchery backup --passphrase-file /root/passphrase --force /srv/backup/hatchery.sealed
  hatchery backup --verify /media/stick/hatchery.sealed"
    )]
    Backup(Backup),
    /// Put a backup back in its places, on a clean machine or in place of what is there
    #[command(
        after_help = "The server must be stopped. Everything is read and checked first; if anything is wrong with the backup or
its passphrase, nothing is changed. What is there is replaced only with --force, and the old configuration,
journal and users are kept beside the new ones.

Examples:
  sudo hatchery restore /media/stick/hatchery-2026-11-21.tar.zst
  sudo hatchery restore --keep-config /media/stick/hatchery.sealed
  hatchery restore -c ./try/hatchery.toml hatchery.tar.zst"
    )]
    Restore(Restore),
    /// Print the completions of a shell
    #[command(after_help = "Examples:
  hatchery completions bash > /etc/bash_completion.d/hatchery
  hatchery completions zsh > ~/.zfunc/_hatchery
  hatchery completions fish > ~/.config/fish/completions/hatchery.fish")]
    Completions(Completions),
    /// Write the manual pages
    #[command(after_help = "Examples:
  hatchery man /usr/local/share/man/man1
  man -l ./hatchery-batch.1")]
    Man(Man),
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

/// Which part of a long list.
#[derive(Debug, Args)]
pub struct Part {
    /// How many, the latest first
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub limit: u64,
    /// Pass over so many later ones
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub offset: u64,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub ask: Ask,
    #[command(flatten)]
    pub part: Part,
    /// Only by this one: `anna`, `token order-desk`, `local uid 0`, `configuration`
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
    /// Only of this operation: `names release`
    #[arg(long, value_name = "WORDS")]
    pub operation: Option<String>,
    /// Only with this text anywhere
    #[arg(long, value_name = "TEXT")]
    pub find: Option<String>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The directory for the pages, one a command
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
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
    /// How fast each machine takes its image, in MB/s, as a card being written would; without it, as fast as it comes
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: Option<u32>,
    /// Port of 127.0.0.1 on which a browser finds the pages; 0 for a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    pub pages: u16,
    /// Leave server and pages running when all machines have ended, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Print one JSON object at the end, and nothing else on standard output
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The network interface to plug machines into
    #[arg(short, long, value_name = "IF")]
    pub interface: String,
    /// How many machines
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub clients: u32,
    /// The number of the first machine; the same number is the same machine every time
    #[arg(long, default_value_t = 1, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=16_000_000))]
    pub first: u32,
    /// What their installers say they are
    #[arg(long, default_value = "KXP2", value_name = "PRODUCT")]
    pub product: String,
    /// Where their installers say they go
    #[arg(long, value_name = "CODE")]
    pub venue: Option<String>,
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
        let serial = self.serial.as_ref().map(|serial| format!("serial {serial}"));
        let others = [&self.mac, &self.ip, &self.hostname].into_iter().flatten().next();
        serial.or_else(|| others.cloned())
    }
}
