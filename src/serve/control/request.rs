//! What can be asked of the running server, and how it replies: the words of the control socket. The management API asks
//! the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Found;
use crate::refusal::Refusal;
use crate::serve::report::Asked;

/// What is asked of the running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Counts: machines by stage, leases, transfers, refusals.
    Status,
    /// Every machine.
    Machines,
    /// Every lease.
    Leases,
    /// What keeps the server from its work: a fresh look at everything.
    Doctor,
    /// What one machine gets now, and why.
    Explain {
        /// A MAC, an address, a serial or a name.
        machine: String,
    },
    /// What one machine gets now under a name.
    Render {
        /// A MAC, an address, a serial or a name.
        machine: String,
        /// A file name as the machine asks for it, or the name of a template.
        name: String,
    },
    /// Read the configuration again.
    Reload,
    /// Let a machine install again.
    Reinstall {
        /// As above.
        machine: String,
    },
    /// Keep a machine from booting anything.
    Hold {
        /// As above.
        machine: String,
    },
    /// Remove a machine and its leases.
    Forget {
        /// As above.
        machine: String,
        /// Its name goes back to the pool, instead of never being given again.
        release_name: bool,
        /// Even while it is being installed.
        force: bool,
    },
    /// What the installer of a machine wrote down.
    MachineLog {
        /// As above.
        machine: String,
    },
    /// What one machine asked for and was given, packet by packet.
    Trail {
        /// As above.
        machine: String,
    },
    /// The stages that one machine went through, and its deployments.
    History {
        /// As above.
        machine: String,
    },
    /// What was deployed in a period, in numbers.
    Report(Asked),
    /// Every venue.
    Venues,
    /// Add or change a venue.
    VenueAdd {
        /// Its code.
        code: String,
        /// Its name.
        name: String,
        /// Where it is.
        location: Option<String>,
        /// Whom to write to.
        contact_email: Option<String>,
    },
    /// The names that fit; `None` fits all.
    Names {
        /// Of this product.
        product: Option<String>,
        /// At this venue.
        venue: Option<String>,
        /// In this state.
        state: Option<String>,
    },
    /// Add numbers to a pool of names.
    NamesImport {
        /// Of which product.
        product: String,
        /// At which venue.
        venue: String,
        /// The numbers.
        numbers: Vec<u32>,
    },
    /// Take a name from its machine.
    NameRelease {
        /// Which.
        hostname: String,
        /// Even while the machine is being installed.
        force: bool,
    },
    /// Never give a name again.
    NameRetire {
        /// Which.
        hostname: String,
    },
    /// Let a retired name be given again.
    NameReinstate {
        /// Which.
        hostname: String,
    },
    /// The image directory, as an absolute path.
    ImageDirectory,
    /// Every image.
    Images,
    /// A file of the image directory is an image of a product.
    ImageAdd {
        /// Of which product.
        product: String,
        /// Its name there.
        file: String,
        /// What to call it.
        version: Option<String>,
        /// What was found in it while it was copied; `None` leaves that to the server.
        found: Option<Found>,
    },
    /// Give the machines of a product another image.
    ImageActivate {
        /// Which product.
        product: String,
        /// A file or a version.
        image: String,
        /// Even if it is deprecated.
        #[serde(default)]
        force: bool,
    },
    /// Say something of an image.
    ImageDescribe {
        /// Of which product.
        product: String,
        /// A file or a version.
        image: String,
        /// What to say; an empty text takes away what was said, `None` leaves it.
        description: Option<String>,
        /// What to call it; as above.
        version: Option<String>,
    },
    /// Advise against an image, or no longer.
    ImageDeprecate {
        /// Of which product.
        product: String,
        /// A file or a version.
        image: String,
        /// Whether it is advised against from now on.
        deprecated: bool,
    },
    /// Remove an image, and its file if it is no other product's.
    ImageRemove {
        /// Of which product.
        product: String,
        /// A file or a version.
        image: String,
    },
    /// What was deployed, the latest first; `None` fits all.
    Deployments {
        /// At most so many.
        limit: u64,
        /// After so many that are later.
        offset: u64,
        /// Of this product.
        product: Option<String>,
        /// At this venue.
        venue: Option<String>,
        /// Whose installer's last word was this.
        status: Option<String>,
        /// With this text anywhere; a MAC in any spelling.
        q: Option<String>,
    },
    /// One deployment: its stages, and what its installer wrote down.
    Deployment {
        /// Its number.
        id: u64,
    },
    /// Who changed what, the latest first; `None` fits all.
    Audit {
        /// At most so many.
        limit: u64,
        /// After so many that are later.
        offset: u64,
        /// By exactly this one.
        by: Option<String>,
        /// Of exactly this operation.
        operation: Option<String>,
        /// With this text anywhere.
        q: Option<String>,
    },
    /// Every batch.
    Batches,
    /// The batches that give names, in the order in which they do.
    ActiveBatches,
    /// One batch.
    Batch {
        /// Its number.
        id: u64,
    },
    /// Order units.
    BatchCreate {
        /// For where.
        venue: String,
        /// What.
        product: String,
        /// How many.
        count: i64,
        /// Higher goes first.
        priority: i64,
    },
    /// Let a batch give names.
    BatchStart {
        /// Its number.
        id: u64,
    },
    /// Hold a batch back.
    BatchPause {
        /// Its number.
        id: u64,
    },
    /// End a batch before its last unit.
    BatchCancel {
        /// Its number.
        id: u64,
    },
    /// Let a batch go before or after others.
    BatchPriority {
        /// Its number.
        id: u64,
        /// Higher goes first.
        priority: i64,
    },
    /// Every user of the management side.
    Users,
    /// Add a user.
    UserAdd {
        /// The name.
        name: String,
        /// What they may do.
        role: String,
        /// What they log in with.
        password: Password,
    },
    /// Give a user another role, another password, or both. Their sessions end.
    UserChange {
        /// Who.
        name: String,
        /// What they may do from now on.
        role: Option<String>,
        /// What they log in with from now on.
        password: Option<Password>,
    },
    /// Remove a user.
    UserRemove {
        /// Who.
        name: String,
    },
    /// Every API token.
    Tokens,
    /// Make an API token; it is in the reply, and nowhere else ever again.
    TokenAdd {
        /// What it is for.
        name: String,
        /// What its bearer may do.
        role: String,
        /// Only for these of what the role allows; none for all of it.
        #[serde(default)]
        scopes: Vec<String>,
        /// When it ends, in days from now; `None` is never.
        days: Option<u32>,
    },
    /// Remove an API token.
    TokenRemove {
        /// Its number.
        id: i64,
    },
}

/// A password, kept out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The reply to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Done; what was asked for.
    Ok(Value),
    /// Refused.
    Error {
        /// A stable word for programs: that of [`Refusal::kind`], or `internal`.
        code: String,
        /// A sentence for the operator.
        sentence: String,
    },
    /// The configuration is wrong; a sentence for each problem.
    Problems(Vec<String>),
}

impl Reply {
    /// What went wrong is neither the asker's fault nor a rule.
    pub fn internal(what: impl fmt::Display) -> Reply {
        Reply::Error { code: "internal".into(), sentence: what.to_string() }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply::Error { code: refusal.kind().into(), sentence: refusal.to_string() }
    }
}

impl From<Result<Value, Refusal>> for Reply {
    fn from(result: Result<Value, Refusal>) -> Reply {
        result.map_or_else(Reply::from, Reply::Ok)
    }
}
