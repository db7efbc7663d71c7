//! A machine as we remember it, and what a packet proves about which machine sent it.
//!
//! Owns identity: one board is one [`Machine`], whatever protocol it speaks. The invariant: no MAC and no board serial
//! belongs to two machines.

pub mod firmware;
pub mod hardware;
pub mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::ids::{MachineId, Serial, Uuid};
use crate::net::Mac;
use crate::time::Timestamp;
use crate::wire::dhcp::{Request, code};
use firmware::Firmware;
use hardware::Hardware;
use stage::Stage;

/// What is to happen when the machine asks the network for something to boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Boot what its profile says: the installer.
    #[default]
    Install,
    /// The same because an operator asked for it, whatever its profile says of machines like it.
    Reinstall,
    /// Boot its own disk: it is finished.
    Disk,
    /// Get an address and nothing else, until an operator decides.
    Hold,
}

impl Order {
    /// The word in journals and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Order::Install => "install",
            Order::Reinstall => "reinstall",
            Order::Disk => "disk",
            Order::Hold => "hold",
        }
    }

    /// The order of a word.
    pub fn from_word(word: &str) -> Option<Order> {
        [Order::Install, Order::Reinstall, Order::Disk, Order::Hold].into_iter().find(|each| each.word() == word)
    }

    /// Whether the machine is to be installed.
    pub fn installs(self) -> bool {
        matches!(self, Order::Install | Order::Reinstall)
    }
}

/// A thing that network-boots here, as we remember it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Ours, given once.
    pub id: MachineId,
    /// The hardware address it boots by.
    pub mac: Option<Mac>,
    /// The board's serial number, in the longest form any packet has shown.
    pub serial: Option<Serial>,
    /// The UUID of option 97. Recorded, never used to identify: whole product runs share one.
    pub uuid: Option<Uuid>,
    /// The last firmware that asked for something to boot.
    pub firmware: Firmware,
    /// Where it is.
    pub stage: Stage,
    /// Since when.
    pub stage_since: Timestamp,
    /// What is to happen at its next network boot.
    pub order: Order,
    /// How often an operator asked for a new installation. What an installer says that was told a smaller number is
    /// about a disk that is to be written again.
    pub reinstalls: u64,
    /// When we first remembered it.
    pub first_seen: Timestamp,
    /// What its installer last said of it.
    pub hardware: Option<Arc<Hardware>>,
    /// What an operator wrote down about it.
    pub notes: Option<Arc<str>>,
}

impl Machine {
    /// A machine that just showed up with `evidence`.
    pub fn new(id: MachineId, evidence: &Evidence, now: Timestamp) -> Machine {
        let mut machine = Machine {
            id,
            mac: None,
            serial: None,
            uuid: None,
            firmware: Firmware::Plain,
            stage: Stage::Waiting,
            stage_since: now,
            order: Order::Install,
            reinstalls: 0,
            first_seen: now,
            hardware: None,
            notes: None,
        };
        machine.learn(evidence);
        machine
    }

    /// What it is called without its name: its serial, else its MAC.
    pub fn label(&self) -> String {
        let serial = self.serial.as_ref().map(ToString::to_string);
        serial.or_else(|| self.mac.as_ref().map(ToString::to_string)).unwrap_or_else(|| format!("machine {}", self.id))
    }

    /// Adds what `evidence` proves and we did not know; says whether anything changed.
    pub fn learn(&mut self, evidence: &Evidence) -> bool {
        let before = self.clone();
        self.mac = self.mac.or(evidence.mac);
        self.uuid = evidence.uuid.or(self.uuid);
        if evidence.firmware.is_some_and(Firmware::netboots) {
            self.firmware = evidence.firmware.unwrap_or(self.firmware);
        }
        if let Some(serial) = &evidence.serial {
            let longer = self.serial.as_ref().is_none_or(|known| serial.as_str().len() > known.as_str().len());
            if longer && self.serial.as_ref().is_none_or(|known| known.same_board(serial)) {
                self.serial = Some(serial.clone());
            }
        }
        *self != before
    }

    /// Whether `serial` says that this is another board.
    fn contradicts(&self, serial: Option<&Serial>) -> bool {
        matches!((&self.serial, serial), (Some(ours), Some(theirs)) if !ours.same_board(theirs))
    }
}

/// What one packet proves, or claims, about its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The hardware address of the frame's `chaddr` unless it is zero, or one claimed in a report.
    pub mac: Option<Mac>,
    /// A serial number, short or long form.
    pub serial: Option<Serial>,
    /// Option 97.
    pub uuid: Option<Uuid>,
    /// What kind of client wrote the packet.
    pub firmware: Option<Firmware>,
}

impl Evidence {
    /// What a DHCP message proves.
    pub fn from_dhcp(request: &Request) -> Evidence {
        let firmware = Firmware::recognise(request);
        let guid: Option<[u8; 16]> = request
            .option(code::CLIENT_UUID)
            .and_then(|value| value.strip_prefix(&[0]))
            .and_then(|guid| guid.try_into().ok())
            // 16 zero bytes are legal in the field and identify nothing.
            .filter(|guid| *guid != [0; 16]);
        let serial = guid.filter(|_| firmware.is_raspberry_pi()).and_then(|guid| {
            // The Pi puts the low 32 bits of its serial last, little-endian; a Pi 3B ROM fills in 0x44 instead.
            let low = u32::from_le_bytes([guid[12], guid[13], guid[14], guid[15]]);
            (low != 0x4444_4444).then(|| Serial::from_low32(low)).flatten()
        });
        // A client that is known by option 61 alone has a chaddr of zeros, the same as every other such client.
        let mac = request.mac().filter(|mac| mac.0 != [0; 6]);
        Evidence { mac, serial, uuid: guid.map(Uuid), firmware: Some(firmware) }
    }
}

/// Every machine, findable by what identifies it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    by_id: BTreeMap<MachineId, Machine>,
    by_mac: BTreeMap<Mac, MachineId>,
    by_board: BTreeSet<(String, MachineId)>,
    last: MachineId,
}

impl FromIterator<Machine> for Machines {
    /// What [`Machines::put`] makes of them one after the other.
    fn from_iter<I: IntoIterator<Item = Machine>>(machines: I) -> Machines {
        let machines: Vec<Machine> = machines.into_iter().collect();
        let by_mac = machines.iter().filter_map(|machine| Some((machine.mac?, machine.id))).collect();
        let board = |machine: &Machine| Some((machine.serial.as_ref()?.board_key().to_owned(), machine.id));
        Machines {
            by_mac,
            by_board: machines.iter().filter_map(board).collect(),
            last: machines.iter().map(|machine| machine.id).max().unwrap_or_default(),
            by_id: machines.into_iter().map(|machine| (machine.id, machine)).collect(),
        }
    }
}

impl Machines {
    /// The machine of that id.
    pub fn get(&self, id: MachineId) -> Option<&Machine> {
        self.by_id.get(&id)
    }

    /// All machines by id.
    pub fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.by_id.values()
    }

    /// The machines whose ids are in the range, by id.
    pub fn range(&self, ids: Range<MachineId>) -> impl Iterator<Item = &Machine> {
        self.by_id.range(ids).map(|(_, machine)| machine)
    }

    /// The machine with that hardware address.
    pub fn by_mac(&self, mac: Mac) -> Option<&Machine> {
        self.by_mac.get(&mac).and_then(|id| self.get(*id))
    }

    /// The machine with that serial, in short or long form. Two long serials may end alike: the equal one goes first.
    pub fn by_serial(&self, serial: &Serial) -> Option<&Machine> {
        let key = serial.board_key();
        let (first, last) = ((key.to_owned(), MachineId(0)), (key.to_owned(), MachineId(u64::MAX)));
        let alike = || self.by_board.range(first.clone()..=last.clone()).filter_map(|(_, id)| self.get(*id));
        let equal = alike().find(|machine| machine.serial.as_ref() == Some(serial));
        equal.or_else(|| alike().find(|machine| machine.serial.as_ref().is_some_and(|known| known.same_board(serial))))
    }

    /// The id for a machine not seen before; that of a forgotten machine does not come again.
    pub fn next_id(&self) -> MachineId {
        MachineId(self.last.0 + 1)
    }

    /// Adds the machine or replaces the row of the same id.
    pub fn put(&mut self, machine: Machine) {
        if let Some(mac) = machine.mac {
            self.by_mac.insert(mac, machine.id);
        }
        if let Some(serial) = &machine.serial {
            // The short form of a serial has the key of the long one, so learning the long one moves nothing.
            self.by_board.insert((serial.board_key().to_owned(), machine.id));
        }
        self.last = self.last.max(machine.id);
        self.by_id.insert(machine.id, machine);
    }

    /// Removes a machine.
    pub fn forget(&mut self, id: MachineId) {
        self.last = self.last.max(id);
        let Some(machine) = self.by_id.remove(&id) else { return };
        if let Some(mac) = machine.mac.filter(|mac| self.by_mac.get(mac) == Some(&id)) {
            self.by_mac.remove(&mac);
        }
        if let Some(serial) = &machine.serial {
            self.by_board.remove(&(serial.board_key().to_owned(), id));
        }
    }

    /// What `evidence` may teach machine `id`: a serial that another machine holds is not believed of this one.
    pub fn believable(&self, evidence: &Evidence, id: MachineId) -> Evidence {
        let taken =
            evidence.serial.as_ref().and_then(|serial| self.by_serial(serial)).is_some_and(|other| other.id != id);
        Evidence { serial: evidence.serial.clone().filter(|_| !taken), ..evidence.clone() }
    }

    /// Which machine the evidence is about. `holder` is the machine whose lease the packet's source address is.
    ///
    /// The hardware address decides where there is one. Without it the lease of the asking address does, unless the
    /// serial says that another board is speaking (one address may front several boards on a bench). A serial
    /// identifies a board that booted by another network port before.
    pub fn resolve(&self, evidence: &Evidence, holder: Option<MachineId>) -> Option<MachineId> {
        if let Some(machine) = evidence.mac.and_then(|mac| self.by_mac(mac)) {
            return Some(machine.id);
        }
        let serial = evidence.serial.as_ref();
        let holder = holder.and_then(|id| self.get(id)).filter(|_| evidence.mac.is_none());
        if let Some(machine) = holder.filter(|machine| !machine.contradicts(serial)) {
            return Some(machine.id);
        }
        serial.and_then(|serial| self.by_serial(serial)).map(|machine| machine.id)
    }
}

#[cfg(test)]
mod tests;
