//! Images of few bytes, and images with tables of known entries, as what an operator uploads: measured, looked into, and
//! changed as the installer does.
//!
//! What compressed data says is read to its end or refused; partitions lie within the disk and not in one another; a
//! table that was changed is read again, and has what it had; a FAT file system is listed, read and written, or refused.

use std::io::{Cursor, ErrorKind};
use std::sync::Arc;

use hatchery::disk::content::{self, Measure};
use hatchery::disk::fat::Fat;
use hatchery::disk::partitions::{self, Kind, Table, grow};
use hatchery::image::{Compression, ZERO_RUN_MIN};

use crate::script::Script;
use crate::sparse;

/// MiB of content that are looked at, where a few bytes stand for very many.
const MEASURED_MAX: usize = 8;

/// What a drive has more than the image that is written to it.
const ROOM: usize = 2 << 20;

const SECTOR: usize = 512;

/// Whether there is a partition table, or compressed data that is whole.
pub fn run(bytes: &[u8]) -> bool {
    let image: Arc<[u8]> = match Script::of(bytes) {
        Some(mut script) => built(&mut script).into(),
        None => sparse::unpacked(bytes).into(),
    };
    let size = image.len() as u64;
    let table = match partitions::read(&mut Cursor::new(&*image), size) {
        Ok(table) => table,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            None
        }
    };
    if let Some(table) = &table {
        check(table, size);
        grows(&image, table);
        reads_files(&image, table);
    }
    let measured = measures(&image);
    let whole = measured.as_ref().is_some_and(|measured| measured.compression != Compression::None);
    if let Some(Measure { compression, raw_size, .. }) = measured {
        let layout = content::look(compression, raw_size, || Ok(Cursor::new(image.clone())));
        let layout = layout.expect("what was read once is read again");
        if let Some(table) = table.filter(|_| compression == Compression::None && layout.partitions > 0) {
            assert_eq!(layout.partitions as usize, table.partitions.len());
        }
        return whole || layout.partitions > 0;
    }
    table.is_some()
}

fn check(table: &Table, size: u64) {
    let mut by_start: Vec<_> = table.partitions.iter().collect();
    by_start.sort_by_key(|each| each.start);
    assert!(by_start.iter().all(|each| each.length > 0 && each.start > 0 && each.end() <= size), "{table:?}");
    assert!(by_start.windows(2).all(|pair| pair[0].end() <= pair[1].start), "{table:?}");
    let mut numbers: Vec<u32> = table.partitions.iter().map(|each| each.number).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), table.partitions.len());
}

/// The whole content, if it is sound and not too long.
fn measures(image: &Arc<[u8]>) -> Option<Measure> {
    let mut left = MEASURED_MAX;
    let measured = content::measure(Cursor::new(image.clone()), |_| {
        left = left.saturating_sub(1);
        left > 0
    });
    match measured {
        Ok(measured) => {
            assert_eq!(measured.size, image.len() as u64);
            let mut end = 0;
            for run in &measured.zero_runs {
                assert!(run.offset >= end && run.length >= ZERO_RUN_MIN);
                end = run.offset + run.length;
            }
            assert!(end <= measured.raw_size);
            Some(measured)
        }
        Err(error) => {
            let kinds = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof, ErrorKind::Interrupted];
            assert!(kinds.contains(&error.kind()), "{error}");
            None
        }
    }
}

/// The image on a larger drive: the last partition grows, one more is added.
fn grows(image: &[u8], table: &Table) {
    let mut drive = Cursor::new(image.to_vec());
    drive.get_mut().resize(image.len() + ROOM, 0);
    let size = drive.get_ref().len() as u64;
    let added = grow::append(&mut drive, 1 << 20, "CIDATA");
    let gained = grow::grow_last(&mut drive, added.as_ref().ok().map(|added| added.number));
    if added.is_err() && gained.is_err() {
        return;
    }
    let after = partitions::read(&mut drive, size).expect("our own table is sound").expect("our own table is there");
    check(&after, size);
    assert_eq!(after.partitions.len(), table.partitions.len() + usize::from(added.is_ok()));
    for old in &table.partitions {
        let new = after.partitions.iter().find(|each| each.number == old.number).expect("it keeps its number");
        assert!(new.start == old.start && new.length >= old.length, "{old:?} became {new:?}");
    }
}

/// The FAT file systems, as those look at them who boot from them, and write into them.
fn reads_files(image: &[u8], table: &Table) {
    for part in table.partitions.iter().filter(|each| matches!(each.kind, Kind::Fat | Kind::Esp)).take(2) {
        let mut disk = Cursor::new(image.to_vec());
        let Ok(mut fat) = Fat::open(&mut disk, part.start, part.length) else { continue };
        let names = fat.list("").unwrap_or_default();
        let held = fat.read("config.txt");
        if let Ok(Some(bytes)) = &held {
            assert!(bytes.len() as u64 <= part.length);
        }
        let wrote = fat.write("firstrun.sh", b"#!/bin/sh\n").is_ok();
        let closed = fat.close().is_ok();
        if wrote && closed && held.is_ok() && !names.is_empty() {
            let fat = Fat::open(&mut disk, part.start, part.length);
            // A damaged one may have two files in one place; then it is read as what it says.
            drop(fat.and_then(|fat| fat.read("firstrun.sh")));
        }
        assert_eq!(disk.get_ref().len(), image.len(), "nothing is written beyond the end");
    }
}

/// A disk with a table whose checksums are right, and entries that mostly make sense.
fn built(script: &mut Script<'_>) -> Vec<u8> {
    let sectors = 64 + script.below(256);
    let mut image = vec![0; sectors * SECTOR];
    if script.below(2) == 0 {
        mbr(script, &mut image)
    } else {
        gpt(script, &mut image)
    }
    if script.rarely() {
        let at = usize::from(script.word()) % image.len();
        image[at] = script.byte();
    }
    image
}

fn mbr(script: &mut Script<'_>, image: &mut [u8]) {
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    let mut at = 1;
    for entry in 0..=script.below(4) {
        let kind = script.choice(&[0x83, 0x0c, 0xef, 0x05, 0x82, 0x0e, 0x0f]);
        let start = at + script.below(8);
        let length = 1 + script.below(24);
        let length = if script.rarely() { 1 << script.below(32) } else { length };
        put_entry(image, 446 + entry * 16, kind, start, length);
        // The link of an extended partition: a logical one, and perhaps another link.
        let link = start * SECTOR;
        if matches!(kind, 0x05 | 0x0f) && link + SECTOR <= image.len() && start > 0 {
            image[link + 510..link + 512].copy_from_slice(&[0x55, 0xaa]);
            put_entry(image, link + 446, 0x83, 1 + script.below(3), 1 + script.below(3));
            if script.rarely() {
                put_entry(image, link + 462, 0x05, script.below(4), 1);
            }
        }
        at = if script.rarely() { script.below(64) } else { start + length.min(256) };
        if entry == 3 {
            break;
        }
    }
}

fn put_entry(image: &mut [u8], at: usize, kind: u8, start: usize, length: usize) {
    image[at + 4] = kind;
    image[at + 8..at + 12].copy_from_slice(&(start as u32).to_le_bytes());
    image[at + 12..at + 16].copy_from_slice(&(length as u32).to_le_bytes());
}

/// "Basic data", the EFI system partition, and a Linux file system, as they lie on a disk.
const KINDS: [[u8; 16]; 3] = [
    [0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7],
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b],
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4],
];

fn gpt(script: &mut Script<'_>, image: &mut [u8]) {
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    put_entry(image, 446, 0xee, 1, image.len() / SECTOR - 1);
    let first = if script.rarely() { script.below(64) as u64 } else { 2 };
    let count = if script.rarely() { u32::from(script.word()) } else { script.choice(&[128, 4, 8, 16]) };
    let width = if script.rarely() { 1 << script.below(12) } else { script.choice(&[128, 128, 256]) };
    let mut at = 34 + script.below(4) as u64;
    let entries = (first as usize).saturating_mul(SECTOR);
    for entry in 0..script.below(4) {
        let place = entries + entry * width as usize;
        let Some(bytes) = image.get_mut(place..place + 128) else { break };
        let last = at + script.below(16) as u64;
        bytes[..16].copy_from_slice(&script.choice(&KINDS));
        bytes[16] = entry as u8 + 1;
        bytes[32..40].copy_from_slice(&(if script.rarely() { u64::MAX >> script.below(64) } else { at }).to_le_bytes());
        bytes[40..48].copy_from_slice(&last.to_le_bytes());
        bytes[56..58].copy_from_slice(&[script.byte(), 0]);
        at = last + 1 + script.below(4) as u64;
    }
    let covered = entries.saturating_add((count as usize).saturating_mul(width as usize));
    let sum = crc32(image.get(entries..covered).unwrap_or_default());
    let last = (image.len() / SECTOR - 1) as u64;
    let header = &mut image[SECTOR..SECTOR + 92];
    header[..8].copy_from_slice(b"EFI PART");
    header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
    for (place, number) in [
        (24, 1),
        (32, if script.rarely() { script.byte().into() } else { last }),
        (40, 34),
        (48, last - 33),
        (72, first),
    ] {
        header[place..place + 8].copy_from_slice(&number.to_le_bytes());
    }
    for (place, number) in [(80, count), (84, width), (88, sum)] {
        header[place..place + 4].copy_from_slice(&number.to_le_bytes());
    }
    let sum = crc32(header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
