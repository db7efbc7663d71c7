//! The commands by which an operator changes something: machines, venues, names, images, batches.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::Ask;

/// What becomes of a machine.
#[derive(Debug, Subcommand)]
pub enum Machine {
    /// Install it again at its next network boot
    #[command(after_help = "Example:
  hatchery machine reinstall KXP2-SPAA-007")]
    Reinstall(OneMachine),
    /// Give it an address and nothing to boot
    #[command(after_help = "Example:
  hatchery machine hold dc:a6:32:01:36:c2")]
    Hold(OneMachine),
    /// Write something down about it; an empty text takes away what was written
    #[command(after_help = "Example:
  hatchery machine note dc:a6:32:01:36:c2 'left camera bracket is loose'")]
    Note(MachineNote),
    /// Show what its installer wrote down in its last deployment
    #[command(after_help = "The last 64 KiB are kept, also of an installation that failed.

Examples:
  hatchery machine log KXP2-SPAA-007
  hatchery machine log --json d9780558 | jq -r '.lines[] | select(.level == \"error\") | .text'")]
    Log(OneMachine),
    /// Show its deployments, and every stage that it went through
    #[command(after_help = "Examples:
  hatchery machine history KXP2-SPAA-007
  hatchery machine history --json d9780558 | jq '.deployments | length'")]
    History(OneMachine),
    /// Show what it asked for and was given, from its first packet to now
    #[command(
        after_help = "DHCP messages, files by TFTP and HTTP, stages and reports, each with the time since the one before. Steps are
kept in memory since the server runs; of what was before, the stages.

Examples:
  hatchery machine trail KXP2-SPAA-007
  hatchery machine trail --json d9780558 | jq -r '.steps[] | select(.kind == \"file\") | .what'"
    )]
    Trail(OneMachine),
    /// Remove it with its leases; its name is retired, unless it is released
    #[command(after_help = "What was deployed to it stays on record. If it boots again, it is a new machine.

Examples:
  hatchery machine forget dc:a6:32:01:36:c2
  hatchery machine forget --release-name KXP2-SPAA-007")]
    Forget(Forget),
}

/// Arguments of `machine note`.
#[derive(Debug, Args)]
pub struct MachineNote {
    #[command(flatten)]
    pub one: OneMachine,
    /// What to write down
    pub text: String,
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
    /// Remove a venue of which there are neither names nor batches
    #[command(after_help = "A venue that the configuration declares is there again after the next start.

Example:
  hatchery venue remove SPAA")]
    Remove(OneVenue),
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

/// A venue.
#[derive(Debug, Args)]
pub struct OneVenue {
    /// Its code
    pub code: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// What to do with names.
#[derive(Debug, Subcommand)]
pub enum Names {
    /// Add numbers to a venue's pool of names
    #[command(
        visible_alias = "add",
        after_help = "Numbers and ranges stand between commas, blanks or line ends. A .csv or .tsv file, and a list
whose first line is a heading, is read as a table: the column 'number' counts, else the first one. Of
a host name such as KXP2-SPAA-007 the number counts. If anything is not a number, nothing is imported.

Examples:
  hatchery names import --venue SPAA --product KXP2 1-40,77
  hatchery names add --venue SPAA --product KXP2 78
  hatchery names import --venue SPAA --product KXP2 --file karts.csv
  seq 100 120 | hatchery names import --venue SPAA --product KXP2 --file -"
    )]
    Import(NamesImport),
    /// Take names from their machines and give them back to the pool
    #[command(
        after_help = "The batch under which a name was given has that unit to make again. Of several names, all are released
or none.

Examples:
  hatchery names release KXP2-SPAA-007
  hatchery names release KXP2-SPAA-007 KXP2-SPAA-008"
    )]
    Release(NameRelease),
    /// Never give names again, all of these or none
    #[command(after_help = "Names that a batch has still to give are not retired.

Example:
  hatchery names retire KXP2-SPAA-013")]
    Retire(SomeNames),
    /// Let retired names be given again, all of these or none
    #[command(after_help = "Example:
  hatchery names reinstate KXP2-SPAA-013")]
    Reinstate(SomeNames),
    /// Give a machine its name before it asks for it
    #[command(
        after_help = "A machine that has a name keeps it. The name counts for an active batch of that product and venue.

Example:
  hatchery names assign --venue SPAA --product KXP2 --mac dc:a6:32:01:36:c2"
    )]
    Assign(NameAssign),
    /// Write something down about a name; an empty text takes away what was written
    #[command(after_help = "Example:
  hatchery names note KXP2-SPAA-013 'crashed in June, waits for parts'")]
    Note(NameNote),
    /// List names and who holds them
    #[command(after_help = "Examples:
  hatchery names list --venue SPAA
  hatchery names list --product KXP2 --state assigned --json")]
    List(NamesList),
}

/// Arguments of `names import`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["numbers", "file"])))]
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
    #[command(flatten)]
    pub some: SomeNames,
    /// Even while a machine is being installed
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `names assign`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).multiple(true).args(["mac", "serial"])))]
pub struct NameAssign {
    /// The venue's code
    #[arg(long, value_name = "CODE")]
    pub venue: String,
    /// The product
    #[arg(long, value_name = "PRODUCT")]
    pub product: String,
    /// The machine's hardware address
    #[arg(long, value_name = "MAC")]
    pub mac: Option<String>,
    /// The machine's serial
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
    #[command(flatten)]
    pub ask: Ask,
}

/// Arguments of `names note`.
#[derive(Debug, Args)]
pub struct NameNote {
    /// The host name
    pub name: String,
    /// What to write down
    pub text: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// One name or several.
#[derive(Debug, Args)]
pub struct SomeNames {
    /// The host names
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
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

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Copy an image into the server's image directory
    #[command(
        after_help = "The file appears there when all of it is there. Interrupted, nothing is left behind (exit code 130).
Compressed data that is cut off or damaged is refused. An image on which the product's machines would
find nothing to boot is added, with a warning.

Examples:
  hatchery image add ./kxp2-2026.11.img.xz --product KXP2 --version 2026.11
  hatchery image add ./kxp2-2026.11.img --product KXP2 --activate"
    )]
    Add(ImageAdd),
    /// List every image, and which are in use
    #[command(after_help = "Examples:
  hatchery image list
  hatchery image list --json | jq '.[] | select(.active)'")]
    List(Ask),
    /// Give the machines of a product another image from now on
    #[command(
        after_help = "It goes before the image that the configuration names. Downloads under way are finished with the
image they began. An image that is not there, or was not checked yet, is not activated.

Examples:
  hatchery image activate --product KXP2 2026.10
  hatchery image activate --product KXP2 kxp2_master.img"
    )]
    Activate(ImageActivate),
    /// Say what an image is, or call it by another version
    #[command(after_help = "What is not given stays as it is; an empty text takes it away.

Examples:
  hatchery image describe --product KXP2 2026.11 --description 'new boot loader, for boards from May on'
  hatchery image describe --product KXP2 kxp2-rc3.img.xz --version 2026.12")]
    Describe(ImageDescribe),
    /// Advise against an image: it is activated only with --force
    #[command(after_help = "Machines that get it now go on getting it.

Example:
  hatchery image deprecate --product KXP2 2026.10")]
    Deprecate(OneImage),
    /// Advise against an image no longer
    #[command(after_help = "Example:
  hatchery image undeprecate --product KXP2 2026.10")]
    Undeprecate(OneImage),
    /// Remove an image and its file
    #[command(
        after_help = "Refused while the product's machines get it, while one of them is being written with it or downloads it,
and while the configuration names it. The file stays if it is another product's image, too.

Example:
  hatchery image remove --product KXP2 2026.09"
    )]
    Remove(OneImage),
}

/// Arguments of `image add`.
#[derive(Debug, Args)]
pub struct ImageAdd {
    /// The image: a disk image or an ISO file, as it is or compressed by gzip, xz or zstd
    pub file: PathBuf,
    /// The product
    #[arg(long, value_name = "PRODUCT")]
    pub product: String,
    /// What to call it
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// Give it to the product's machines as soon as it is checked
    #[arg(long)]
    pub activate: bool,
    /// Make a hard link instead of a copy; the file must not be written to any more
    #[arg(long)]
    pub link: bool,
    #[command(flatten)]
    pub ask: Ask,
}

/// Arguments of `image activate`.
#[derive(Debug, Args)]
pub struct ImageActivate {
    #[command(flatten)]
    pub one: OneImage,
    /// Even if it is deprecated
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `image describe`.
#[derive(Debug, Args)]
pub struct ImageDescribe {
    #[command(flatten)]
    pub one: OneImage,
    /// What to say of it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// What to call it
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
}

/// An image of a product.
#[derive(Debug, Args)]
pub struct OneImage {
    /// Its file name or its version
    pub image: String,
    /// The product
    #[arg(long, value_name = "PRODUCT")]
    pub product: String,
    #[command(flatten)]
    pub ask: Ask,
}

/// What to do with batches.
#[derive(Debug, Subcommand)]
pub enum Batch {
    /// Order units
    #[command(after_help = "Examples:
  hatchery batch create --venue SPAA --product KXP2 --count 20
  hatchery batch create --venue SPAA --product KXP2 --count 2 --priority 10 --json | jq .id")]
    Create(BatchCreate),
    /// Show a batch and the names that were given under it
    #[command(after_help = "Examples:
  hatchery batch show 1
  hatchery batch show 1 --json | jq -r '.names[].hostname'")]
    Show(OneBatch),
    /// Let a batch give names
    #[command(after_help = "Example:
  hatchery batch start 1")]
    Start(OneBatch),
    /// Hold a batch back
    #[command(after_help = "Example:
  hatchery batch pause 1")]
    Pause(OneBatch),
    /// End a batch before its last unit
    #[command(after_help = "Example:
  hatchery batch cancel 1")]
    Cancel(OneBatch),
    /// Let a batch go before or after others
    #[command(after_help = "Example:
  hatchery batch priority 1 10")]
    Priority(BatchPriority),
    /// List every batch
    #[command(after_help = "Examples:
  hatchery batch list
  hatchery batch list --json | jq '.[] | select(.status == \"active\")'")]
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
