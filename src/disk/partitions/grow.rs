//! Changes a partition table for the disk that it was put on: the last partition grows to the end, one more is added.
//!
//! Everything else stays as it is: numbers, identifiers, boot code. A GPT gets its copy at the new end and both
//! checksums (UEFI 2.10 §5.3); the `gpt` crate would number the partitions anew, and cloud images count on theirs.
//! File systems are not touched.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{Partition, SECTOR, Scheme, Table, crc32, le32, le64, nonsense, read, sector};

/// Partitions begin and end at multiples of this, as `sfdisk` and `parted` have it.
const ALIGN: u64 = 1 << 20;

/// The first sector that an MBR cannot name.
const MBR_END: u64 = 1 << 32;

/// Grows the last partition up to the end of the disk, or up to partition `before`, which lies behind it. Returns how many
/// bytes it gained.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] and a sentence: no table, no partition, one within an extended partition.
pub fn grow_last(disk: &mut (impl Read + Write + Seek), before: Option<u32>) -> io::Result<u64> {
    let (table, size) = table(disk)?;
    let (behind, others): (Vec<_>, Vec<_>) = table.partitions.iter().partition(|one| Some(one.number) == before);
    let last = others.into_iter().max_by_key(|one| one.start);
    let last = last.ok_or_else(|| nonsense("there is no partition".to_owned()))?;
    if table.scheme == Scheme::Mbr && last.number > 4 {
        let text = format!("partition {} lies within an extended partition", last.number);
        return Err(nonsense(text));
    }
    let mut editor = Editor::open(disk, &table, size)?;
    if last.end() > editor.end() {
        // It fills the disk; a copy of the table would lie on its last sectors.
        return Ok(0);
    }
    let limit = behind.first().map_or(editor.end(), |one| one.start) / ALIGN * ALIGN;
    if limit > last.end() {
        editor.set(last.number, last.start, limit, None)?;
    }
    editor.save(disk)?;
    Ok(limit.saturating_sub(last.end()))
}

/// Adds a partition of `length` bytes for a FAT file system at the end of the disk.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] and a sentence: no table, no free entry, no room behind the last partition.
pub fn append(disk: &mut (impl Read + Write + Seek), length: u64, name: &str) -> io::Result<Partition> {
    let (table, size) = table(disk)?;
    let mut editor = Editor::open(disk, &table, size)?;
    let used = table.partitions.iter().map(Partition::end).max().unwrap_or(ALIGN);
    let start = editor.end().saturating_sub(length) / ALIGN * ALIGN;
    if start < used {
        return Err(nonsense(format!("the drive has no {length} bytes to spare behind the image's last partition")));
    }
    let number = editor.free().ok_or_else(|| nonsense("the partition table has no free entry".to_owned()))?;
    editor.set(number, start, start + length, Some(name))?;
    editor.save(disk)?;
    Ok(Partition { number, start, length, kind: super::Kind::Fat, name: name.to_owned() })
}

fn table(disk: &mut (impl Read + Seek)) -> io::Result<(Table, u64)> {
    let size = disk.seek(SeekFrom::End(0))?;
    let table = read(disk, size)?.ok_or_else(|| nonsense("the image has no partition table".to_owned()))?;
    Ok((table, size))
}

/// A table that is being changed.
struct Editor {
    sector: u64,
    /// Sectors of the disk.
    sectors: u64,
    mbr: Vec<u8>,
    gpt: Option<Gpt>,
}

struct Gpt {
    header: Vec<u8>,
    entries: Vec<u8>,
}

impl Editor {
    fn open(disk: &mut (impl Read + Seek), table: &Table, size: u64) -> io::Result<Self> {
        let missing = || nonsense("the partition table cannot be read".to_owned());
        let mbr = sector(disk, 0, SECTOR, size)?.ok_or_else(missing)?;
        let gpt = match table.scheme {
            Scheme::Mbr => None,
            Scheme::Gpt => {
                let header = sector(disk, table.sector, table.sector, size)?.ok_or_else(missing)?;
                // `read` has checked all of these.
                let length = u64::from(le32(&header, 80)) * u64::from(le32(&header, 84));
                let start = le64(&header, 72) * table.sector;
                let entries = sector(disk, start, length, size)?.ok_or_else(missing)?;
                // Anywhere else, what is written for the larger disk could lie on them (UEFI 2.10 §5.3.1).
                let first = table.partitions.iter().map(|one| one.start).min().unwrap_or(ALIGN);
                if start < 2 * table.sector || start + length > first {
                    return Err(nonsense("the entries of the GPT do not lie before its partitions".to_owned()));
                }
                Some(Gpt { header, entries })
            }
        };
        Ok(Self { sector: table.sector, sectors: size / table.sector, mbr, gpt })
    }

    /// Where the last partition may end, in bytes.
    fn end(&self) -> u64 {
        let sectors = match &self.gpt {
            Some(gpt) => self.sectors.saturating_sub(1 + gpt.entry_sectors(self.sector)),
            None => self.sectors.min(MBR_END),
        };
        sectors * self.sector
    }

    /// The number that a new partition gets: behind all others, or the first that is free.
    fn free(&self) -> Option<u32> {
        let used: Vec<bool> = match &self.gpt {
            Some(gpt) => gpt.entries.chunks_exact(gpt.entry_size()).map(|entry| entry[..16] != [0; 16]).collect(),
            None => self.mbr[446..510].chunks_exact(16).map(|entry| entry[4] != 0).collect(),
        };
        let behind = used.iter().rposition(|used| *used).map_or(0, |last| last + 1);
        let index = if behind < used.len() { Some(behind) } else { used.iter().position(|used| !used) };
        index.and_then(|index| u32::try_from(index + 1).ok())
    }

    /// Sets the bounds of a partition; with a name, makes it.
    fn set(&mut self, number: u32, start: u64, end: u64, name: Option<&str>) -> io::Result<()> {
        let (first, last) = (start / self.sector, end / self.sector - 1);
        let index = usize::try_from(number - 1).expect("a small number");
        if let Some(gpt) = &mut self.gpt {
            let size = gpt.entry_size();
            // Unique enough: one more partition of this disk, whose own identifier the image chose.
            let mut unique = <[u8; 16]>::try_from(&gpt.header[56..72]).expect("a GUID has 16 bytes");
            unique[15] ^= 0x5a;
            unique[14] = unique[14].wrapping_add(number.to_le_bytes()[0]);
            let entry = &mut gpt.entries[index * size..][..size];
            if let Some(name) = name {
                entry.fill(0);
                entry[..16].copy_from_slice(&BASIC_DATA);
                entry[16..32].copy_from_slice(&unique);
                for (place, unit) in entry[56..126].chunks_exact_mut(2).zip(name.encode_utf16()) {
                    place.copy_from_slice(&unit.to_le_bytes());
                }
            }
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
            return Ok(());
        }
        let beyond = |_| nonsense("an MBR cannot name sectors beyond 2 TiB".to_owned());
        let (first, count) = (u32::try_from(first).map_err(beyond)?, u32::try_from(last + 1 - first).map_err(beyond)?);
        let entry = &mut self.mbr[446 + index * 16..][..16];
        if name.is_some() {
            // No cylinders any more; FAT16, counted in sectors.
            entry.copy_from_slice(&[0, 0xfe, 0xff, 0xff, 0x0e, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..16].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    fn save(&mut self, disk: &mut (impl Read + Write + Seek)) -> io::Result<()> {
        let end = self.end();
        if let Some(gpt) = &mut self.gpt {
            gpt.save(disk, self.sector, self.sectors, end)?;
            for entry in self.mbr[446..510].chunks_exact_mut(16).filter(|entry| entry[4] == 0xee) {
                let first = u64::from(le32(entry, 8));
                let count = u32::try_from(self.sectors - first.min(self.sectors)).unwrap_or(u32::MAX);
                entry[12..16].copy_from_slice(&count.to_le_bytes());
            }
        }
        write_at(disk, 0, &self.mbr)
    }
}

impl Gpt {
    fn entry_size(&self) -> usize {
        usize::try_from(le32(&self.header, 84)).expect("at most 512")
    }

    fn entry_sectors(&self, sector: u64) -> u64 {
        (self.entries.len() as u64).div_ceil(sector)
    }

    /// Writes the table and its copy, which ends the disk; a copy that the image brought elsewhere goes away.
    fn save(&mut self, disk: &mut (impl Read + Write + Seek), sector: u64, sectors: u64, end: u64) -> io::Result<()> {
        let last = sectors - 1;
        let old_copy = le64(&self.header, 32);
        if old_copy > 1 && old_copy < last {
            let mut bytes = vec![0; usize::try_from(sector).expect("a sector")];
            disk.seek(SeekFrom::Start(old_copy * sector))?;
            disk.read_exact(&mut bytes)?;
            if bytes.starts_with(b"EFI PART") {
                write_at(disk, old_copy * sector, &vec![0; bytes.len()])?;
            }
        }
        self.put(24, 1);
        self.put(32, last);
        self.put(48, end / sector - 1);
        let checksum = crc32(&self.entries);
        self.header[88..92].copy_from_slice(&checksum.to_le_bytes());
        self.sum();
        let entries = le64(&self.header, 72);
        write_at(disk, sector, &self.header)?;
        write_at(disk, entries * sector, &self.entries)?;

        self.put(24, last);
        self.put(32, 1);
        self.put(72, end / sector);
        self.sum();
        write_at(disk, end, &self.entries)?;
        write_at(disk, last * sector, &self.header)
    }

    fn put(&mut self, at: usize, number: u64) {
        self.header[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }

    fn sum(&mut self) {
        self.header[16..20].fill(0);
        let length = usize::try_from(le32(&self.header, 12)).expect("at most a sector");
        let checksum = crc32(&self.header[..length]);
        self.header[16..20].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// The type of a partition with "basic data", EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, as it lies on a disk.
const BASIC_DATA: [u8; 16] =
    [0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7];

fn write_at(disk: &mut (impl Write + Seek), at: u64, bytes: &[u8]) -> io::Result<()> {
    disk.seek(SeekFrom::Start(at))?;
    disk.write_all(bytes)
}
