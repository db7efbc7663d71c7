//! How each thing that happens is spelled: a word for its type, the machine it is about, and what it is.

use serde_json::{Value, json};

use crate::catalog::ImageState;
use crate::clock;
use crate::fleet::Notice;
use crate::fleet::board::Board;
use crate::ids::MachineId;
use crate::machine::stage::Stage;
use crate::serve::show;
use crate::serve::tap::Happening;
use crate::time::Timestamp;
use crate::transfer::Outcome;

/// The types of events there are.
pub const KINDS: [&str; 19] = [
    "ready",
    "reset",
    "machine",
    "forgotten",
    "stage",
    "reported",
    "progress",
    "transfer",
    "lease",
    "freed",
    "conflict",
    "named",
    "refused",
    "dhcp",
    "image",
    "images",
    "configured",
    "batch",
    "audit",
];

/// An event without its number.
#[derive(Debug)]
pub struct Spelled {
    /// Its type.
    pub kind: &'static str,
    /// What it is about.
    pub machine: Option<MachineId>,
    label: Option<String>,
    happened: Value,
}

impl Spelled {
    /// An event that is about no machine.
    pub fn plain(kind: &'static str, happened: Value) -> Spelled {
        Spelled { kind, machine: None, label: None, happened }
    }

    /// One line of JSON.
    pub fn text(&self, id: &str, at: Timestamp) -> String {
        let machine = self.machine.map(|machine| json!({ "id": machine.0, "label": self.label }));
        json!({ "at": clock::iso(at), "data": self.happened, "id": id, "machine": machine, "type": self.kind })
            .to_string()
    }
}

/// Spells it, with what the board knows of its machine.
pub fn spell(board: &Board, happening: &Happening) -> Spelled {
    let of = |kind, machine: Option<MachineId>, happened| {
        let view = machine.and_then(|id| board.machines().find(|view| view.machine.id == id));
        Spelled { kind, machine, label: view.map(|view| view.label()), happened }
    };
    let notice = match happening {
        Happening::Notice(notice) => notice,
        Happening::Batch(batch) => return Spelled::plain("batch", show::batch(batch)),
        Happening::Audited(entry) => {
            let what = json!({
                "by": entry.by.as_str(),
                "details": entry.details,
                "operation": entry.operation,
                "subject": entry.subject,
            });
            return Spelled::plain("audit", what);
        }
        Happening::Lost => return Spelled::plain("reset", json!({})),
    };
    match notice {
        Notice::DhcpAnswered { asked, answered, mac, address, firmware } => {
            let machine = board.machines().find(|view| mac.is_some() && view.machine.mac == *mac);
            let what = json!({
                "address": address.to_string(),
                "answered": answered,
                "asked": asked,
                "firmware": firmware,
                "mac": mac.map(|mac| mac.to_string()),
            });
            of("dhcp", machine.map(|view| view.machine.id), what)
        }
        Notice::Refused { what, who, refusal } => {
            let what = json!({ "code": refusal.kind(), "sentence": refusal.to_string(), "what": what, "who": who });
            Spelled::plain("refused", what)
        }
        Notice::Machine(view) => {
            let id = view.machine.id;
            Spelled {
                kind: "machine",
                machine: Some(id),
                label: Some(view.label()),
                happened: show::machine(board, view),
            }
        }
        Notice::Forgotten(id) => of("forgotten", Some(*id), json!({})),
        Notice::Lease(lease) => {
            let what = json!({
                "address": lease.address.to_string(),
                "client": lease.client.to_string(),
                "expires": clock::iso(lease.expires),
                "state": lease.state.word(),
            });
            of("lease", lease.machine, what)
        }
        Notice::Freed(address) => Spelled::plain("freed", json!({ "address": address.to_string() })),
        Notice::Conflict { address, mac, client, withdrawn } => {
            let what = json!({
                "address": address.to_string(),
                "client": client.to_string(),
                "mac": mac.to_string(),
                "withdrawn": withdrawn,
            });
            Spelled::plain("conflict", what)
        }
        Notice::Reported { machine, word, detail } => {
            of("reported", Some(*machine), json!({ "detail": detail, "word": word }))
        }
        Notice::Progress { machine, progress } => of("progress", Some(*machine), show::progress(progress)),
        Notice::Stage { machine, label, from, to } => {
            let cause = if let Stage::Failed(cause) = to { Some(cause) } else { None };
            Spelled {
                kind: "stage",
                machine: Some(*machine),
                label: Some(label.clone()),
                happened: json!({ "cause": cause, "from": from.word(), "to": to.word() }),
            }
        }
        Notice::Named { machine, hostname } => of("named", Some(*machine), json!({ "hostname": hostname.as_str() })),
        Notice::Transfer { transfer, machine, name, via, sent, size, outcome } => {
            let (word, why) = match outcome {
                None => ("running", None),
                Some(Outcome::Complete) => ("complete", None),
                Some(Outcome::Abandoned(why)) => ("abandoned", Some(why)),
                Some(Outcome::Broken(why)) => ("broken", Some(why)),
            };
            let what = json!({
                "name": &**name,
                "outcome": word,
                "sent": sent,
                "size": size,
                "transfer": transfer.0,
                "via": via.to_string(),
                "why": why,
            });
            of("transfer", *machine, what)
        }
        Notice::Configured { .. } => Spelled::plain("configured", json!({})),
        Notice::ImageFiles(_) => Spelled::plain("images", json!({})),
        Notice::Image { product, state } => {
            let (word, image) = match state {
                ImageState::Missing => ("missing", None),
                ImageState::Measuring => ("measuring", None),
                ImageState::Ready(image) => ("ready", Some(image)),
            };
            let what = json!({
                "file": image.map(|image| &image.file),
                "product_type": product.as_str(),
                "sha256": image.map(|image| image.digest.to_string()),
                "size": image.map(|image| image.size),
                "state": word,
            });
            Spelled::plain("image", what)
        }
    }
}
