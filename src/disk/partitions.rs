//! Partition tables, MBR and GPT, read from anything that can be read and sought.
//!
//! Looks at the beginning of a disk only, so that a disk image may come out of a decoder. Changes nothing; [`grow`] does. What makes no
//! sense is refused with the reason; the amount of memory does not depend on what the table says.
//!
//! Sources: UEFI specification 2.10 chapter 5; the MBR as Linux and `sfdisk` read it.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;

pub mod grow;

/// Sectors that an MBR counts in, and those of almost every image, in bytes.
const SECTOR: u64 = 512;

/// Sectors of "4K native" disks, which a GPT for them counts in.
const SECTOR_4K: u64 = 4096;

/// The most entries a GPT may have; 128 are usual, `sgdisk` makes more only when told to.
const GPT_ENTRIES_MAX: u32 = 1024;

/// The largest entry of a GPT, in bytes; all known ones have 128.
const GPT_ENTRY_MAX: u32 = 512;

/// The most logical partitions an extended one may hold; Linux stops at 256 partitions.
const LOGICAL_MAX: u32 = 128;

/// Which kind of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Four entries in the first sector, with a chain of logical partitions.
    Mbr,
    /// GUID partition table.
    Gpt,
}

/// What a partition is for, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A FAT file system, or "basic data", which may be one.
    Fat,
    /// An EFI system partition: FAT, and looked at by UEFI firmware.
    Esp,
    /// A Linux file system.
    Linux,
    /// Anything else: swap, LVM, a BIOS boot partition, …
    Other,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As Linux numbers it: from 1; logical ones from 5.
    pub number: u32,
    /// Where it begins, in bytes.
    pub start: u64,
    /// How long it is, in bytes; never 0.
    pub length: u64,
    /// What it is for.
    pub kind: Kind,
    /// Its name in a GPT; empty in an MBR.
    pub name: String,
}

impl Partition {
    /// Where it ends: the first byte behind it.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which kind.
    pub scheme: Scheme,
    /// What it counts in, in bytes: 512 or 4096.
    pub sector: u64,
    /// The partitions by number. An extended partition is not among them, its logical ones are.
    pub partitions: Vec<Partition>,
}

/// The table of a disk of `size` bytes; `None` if it has none (empty, or a file system without a table).
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] and a sentence for a table that makes no sense: partitions that overlap or lie beyond
/// `size`, checksums that are wrong. Else what `disk` fails with.
pub fn read(disk: &mut (impl Read + Seek), size: u64) -> io::Result<Option<Table>> {
    let Some(mbr) = sector(disk, 0, SECTOR, size)? else { return Ok(None) };
    if mbr[510..] != [0x55, 0xaa] || is_file_system(&mbr) {
        return Ok(None);
    }
    let entries: Vec<Entry> = mbr[446..510].chunks_exact(16).map(Entry::read).collect();
    if entries.iter().all(|entry| entry.kind == 0) {
        return Ok(None);
    }
    if let Some(entry) = entries.iter().find(|entry| !matches!(entry.status, 0 | 0x80)) {
        return Err(nonsense(format!(
            "the MBR has an entry with the status {:#04x}, which no table has",
            entry.status
        )));
    }
    // A protective entry says that the GPT counts; without one, what looks like a GPT is a leftover.
    let table = if entries.iter().any(|entry| entry.kind == 0xee) {
        gpt(disk, size)?
    } else {
        Table { scheme: Scheme::Mbr, sector: SECTOR, partitions: mbr_partitions(disk, &entries, size)? }
    };
    check(&table.partitions, size)?;
    Ok(Some(table))
}

fn nonsense(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// `length` bytes at `offset`; `None` if the disk is too small for them.
fn sector(disk: &mut (impl Read + Seek), offset: u64, length: u64, size: u64) -> io::Result<Option<Vec<u8>>> {
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).expect("callers ask for little")];
    disk.seek(SeekFrom::Start(offset))?;
    disk.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// A FAT, exFAT or NTFS volume begins with a jump and its name, and ends its first sector as an MBR does.
fn is_file_system(sector: &[u8]) -> bool {
    let jumps = matches!(sector[0], 0xeb | 0xe9);
    let names: [&[u8]; 4] = [&sector[54..57], &sector[82..85], &sector[3..7], &sector[3..8]];
    jumps && (names[0] == b"FAT" || names[1] == b"FAT" || names[2] == b"NTFS" || names[3] == b"EXFAT")
}

/// No partition beyond the disk, none into another.
fn check(partitions: &[Partition], size: u64) -> io::Result<()> {
    if let Some(partition) = partitions.iter().find(|partition| partition.end() > size) {
        let (number, end) = (partition.number, partition.end());
        let text = format!("partition {number} ends at byte {end}, and there are only {size} bytes: it is cut off");
        return Err(nonsense(text));
    }
    let mut by_start: Vec<&Partition> = partitions.iter().collect();
    by_start.sort_by_key(|partition| partition.start);
    match by_start.windows(2).find(|pair| pair[0].end() > pair[1].start) {
        Some(pair) => Err(nonsense(format!("partitions {} and {} overlap", pair[0].number, pair[1].number))),
        None => Ok(()),
    }
}

/// One of the four entries of an MBR, counting in sectors.
struct Entry {
    status: u8,
    kind: u8,
    start: u64,
    sectors: u64,
}

impl Entry {
    fn read(bytes: &[u8]) -> Entry {
        Entry {
            status: bytes[0],
            kind: bytes[4],
            start: u64::from(le32(bytes, 8)),
            sectors: u64::from(le32(bytes, 12)),
        }
    }

    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    /// `base` is the sector that it counts from.
    fn partition(&self, number: u32, base: u64) -> io::Result<Partition> {
        if self.sectors == 0 || base + self.start == 0 {
            return Err(nonsense(format!("partition {number} has no length, or begins where the table lies")));
        }
        let kind = match self.kind {
            // With 0x10 added: hidden.
            0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e | 0x11 | 0x14 | 0x16 | 0x1b | 0x1c | 0x1e => Kind::Fat,
            0xef => Kind::Esp,
            0x83 => Kind::Linux,
            _ => Kind::Other,
        };
        let (start, length) = ((base + self.start) * SECTOR, self.sectors * SECTOR);
        Ok(Partition { number, start, length, kind, name: String::new() })
    }
}

fn mbr_partitions(disk: &mut (impl Read + Seek), entries: &[Entry], size: u64) -> io::Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    for (entry, number) in entries.iter().zip(1..).filter(|(entry, _)| entry.kind != 0 && !entry.is_extended()) {
        partitions.push(entry.partition(number, 0)?);
    }
    // Each link of the chain has a logical partition, counted from itself, and the next link, counted from the first.
    let mut number = 5;
    for extended in entries.iter().filter(|entry| entry.is_extended()) {
        let mut link = extended.start;
        let mut links = 0;
        loop {
            links += 1;
            if links > LOGICAL_MAX {
                return Err(nonsense("the chain of logical partitions has no end".to_owned()));
            }
            let bytes = sector(disk, link * SECTOR, SECTOR, size)?
                .filter(|bytes| bytes[510..] == [0x55, 0xaa])
                .ok_or_else(|| nonsense(format!("the extended partition has no table at sector {link}")))?;
            let [logical, next] = [Entry::read(&bytes[446..462]), Entry::read(&bytes[462..478])];
            if logical.kind != 0 && logical.sectors != 0 {
                partitions.push(logical.partition(number, link)?);
                number += 1;
            }
            if !next.is_extended() {
                break;
            }
            link = extended.start + next.start;
        }
    }
    Ok(partitions)
}

fn gpt(disk: &mut (impl Read + Seek), size: u64) -> io::Result<Table> {
    for sector_size in [SECTOR, SECTOR_4K] {
        let header = sector(disk, sector_size, SECTOR, size)?;
        if let Some(header) = header.filter(|header| header.starts_with(b"EFI PART")) {
            let partitions = gpt_partitions(disk, &header, sector_size, size)?;
            return Ok(Table { scheme: Scheme::Gpt, sector: sector_size, partitions });
        }
    }
    Err(nonsense("the MBR points to a GPT, and there is none".to_owned()))
}

fn gpt_partitions(
    disk: &mut (impl Read + Seek),
    header: &[u8],
    sector_size: u64,
    size: u64,
) -> io::Result<Vec<Partition>> {
    let length = usize::try_from(le32(header, 12)).unwrap_or(usize::MAX);
    let mut covered = header.get(..length).filter(|header| header.len() >= 92).map(<[u8]>::to_vec);
    let checksum = covered.as_mut().map(|covered| {
        covered[16..20].fill(0);
        crc32(covered)
    });
    if checksum != Some(le32(header, 16)) {
        return Err(nonsense("the header of the GPT is damaged: its checksum is wrong".to_owned()));
    }
    let (first, count, entry_size) = (le64(header, 72), le32(header, 80), le32(header, 84));
    if count > GPT_ENTRIES_MAX || !(128..=GPT_ENTRY_MAX).contains(&entry_size) || !entry_size.is_power_of_two() {
        return Err(nonsense(format!("the GPT says that it has {count} entries of {entry_size} bytes")));
    }
    let entries = first.checked_mul(sector_size);
    let entries = entries.map(|offset| sector(disk, offset, u64::from(count * entry_size), size)).transpose()?;
    let entries = entries.flatten().ok_or_else(|| nonsense("the entries of the GPT lie beyond the end".to_owned()))?;
    if crc32(&entries) != le32(header, 88) {
        return Err(nonsense("the entries of the GPT are damaged: their checksum is wrong".to_owned()));
    }
    let entry_size = usize::try_from(entry_size).expect("at most 512");
    let mut partitions = Vec::new();
    for (entry, number) in entries.chunks_exact(entry_size).zip(1..).filter(|(entry, _)| entry[..16] != [0; 16]) {
        let (start, last) = (le64(entry, 32), le64(entry, 40));
        let length = last.checked_sub(start).and_then(|sectors| sectors.checked_add(1)?.checked_mul(sector_size));
        let bounds = start
            .checked_mul(sector_size)
            .zip(length)
            .filter(|(start, length)| *start > 0 && start.checked_add(*length).is_some());
        let Some((start, length)) = bounds else {
            return Err(nonsense(format!("partition {number} goes from sector {start} to {last}")));
        };
        partitions.push(Partition {
            number,
            start,
            length,
            kind: gpt_kind(&entry[..16]),
            name: gpt_name(&entry[56..128]),
        });
    }
    Ok(partitions)
}

/// The type GUIDs as they lie on the disk: the first three fields little-endian.
fn gpt_kind(guid: &[u8]) -> Kind {
    const ESP: u128 = 0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b;
    const BASIC_DATA: u128 = 0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7;
    const LINUX: u128 = 0x0fc63daf_8483_4772_8e79_3d69d8477de4;
    // Of the Discoverable Partitions Specification: root and /usr of x86-64 and arm64, /home, /srv, /var, /boot.
    const DISCOVERABLE: [u128; 8] = [
        0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709,
        0xb921b045_1df0_41c3_af44_4c6f280d3fae,
        0x8484680c_9521_48c6_9c11_b0720656f69e,
        0xb0e01050_ee5f_4390_949a_9101b17104e9,
        0x933ac7e1_2eb4_4f13_b844_0e14e2aef915,
        0x3b8f8425_20e0_4f3b_907f_1a25a76f98e8,
        0x4d21b016_b534_45c2_a9fb_5c16e091fd2d,
        0xbc13c2ff_59e6_4262_a352_b275fd6f7172,
    ];
    let mut bytes = <[u8; 16]>::try_from(guid).expect("a GUID has 16 bytes");
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    match u128::from_be_bytes(bytes) {
        ESP => Kind::Esp,
        BASIC_DATA => Kind::Fat,
        LINUX => Kind::Linux,
        other if DISCOVERABLE.contains(&other) => Kind::Linux,
        _ => Kind::Other,
    }
}

fn gpt_name(utf16: &[u8]) -> String {
    let units = utf16.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units.take_while(|unit| *unit != 0)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests;
