//! Tables that the real tools made are read; nonsense is refused with a reason.

use std::fs::File;
use std::io::{Cursor, Write};
use std::process::{Command, Stdio};

use super::*;

const MIB: u64 = 1 << 20;

/// A blank disk of `size` bytes after `tool` had it, with `script` on its standard input; at most its first 8 MiB.
fn disk(size: u64, tool: &str, args: &[&str], script: &str) -> Vec<u8> {
    let scratch = tempfile::NamedTempFile::new().expect("a scratch file");
    scratch.as_file().set_len(size).expect("a sparse file");
    let mut command = Command::new(tool);
    let command = command.args(args).arg(scratch.path()).stdin(Stdio::piped()).stdout(Stdio::null());
    let spawned = command.stderr(Stdio::null()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{tool}: {error}; apt-get install fdisk gdisk parted"));
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("the script");
    assert!(child.wait().expect("the tool ends").success(), "{tool} {args:?}");
    let mut head = Vec::new();
    File::open(scratch.path()).expect("there").take(8 * MIB).read_to_end(&mut head).expect("readable");
    head
}

fn sfdisk(size: u64, script: &str) -> Vec<u8> {
    disk(size, "sfdisk", &["--quiet"], script)
}

fn table(bytes: &[u8], size: u64) -> Table {
    read(&mut Cursor::new(bytes), size).expect("a good table").expect("a table")
}

/// Number, start and length in MiB, kind.
fn rows(table: &Table) -> Vec<(u32, u64, u64, Kind)> {
    table.partitions.iter().map(|p| (p.number, p.start / MIB, p.length / MIB, p.kind)).collect()
}

fn reason(bytes: &[u8], size: u64) -> String {
    let error = read(&mut Cursor::new(bytes), size).expect_err("nonsense");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    error.to_string()
}

#[test]
fn the_mbr_of_a_raspberry_pi_image_is_read() {
    let size = 2048 * MIB;
    let bytes = sfdisk(size, "label: dos\n4MiB,512MiB,c\n516MiB,1000MiB,83\n");
    let table = table(&bytes, size);
    assert_eq!((table.scheme, table.sector), (Scheme::Mbr, 512));
    assert_eq!(rows(&table), [(1, 4, 512, Kind::Fat), (2, 516, 1000, Kind::Linux)]);
}

#[test]
fn logical_partitions_are_numbered_from_five() {
    let size = 1024 * MIB;
    // Their links lie all over the disk: tables with 8 MiB extended partitions fit into what `disk` reads.
    let script = "label: dos\nstart=16MiB,size=100MiB,type=ef\nstart=1MiB,size=6MiB,type=5\n\
                  start=2MiB,size=1MiB,type=83\nstart=4MiB,size=1MiB,type=82\nstart=6MiB,size=1MiB,type=b\n";
    let table = table(&sfdisk(size, script), size);
    let logical = [(5, 2, 1, Kind::Linux), (6, 4, 1, Kind::Other), (7, 6, 1, Kind::Fat)];
    assert_eq!(rows(&table), [&[(1, 16, 100, Kind::Esp)][..], &logical].concat());
}

#[test]
fn a_gpt_of_sfdisk_sgdisk_and_parted_is_read() {
    let size = 4096 * MIB;
    let esp_and_root = [(1, 1, 512, Kind::Esp), (2, 513, 1024, Kind::Linux)];

    let sfdisk = sfdisk(size, "label: gpt\n1MiB,512MiB,U,,\n513MiB,1024MiB,L\n");
    assert_eq!(rows(&table(&sfdisk, size)), esp_and_root);

    let args = ["-n1:1M:+512M", "-t1:ef00", "-c1:EFI system", "-n2:513M:+1024M", "-c2:racine é"];
    let sgdisk = table(&disk(size, "sgdisk", &args, ""), size);
    assert_eq!((sgdisk.scheme, sgdisk.sector), (Scheme::Gpt, 512));
    assert_eq!(rows(&sgdisk), esp_and_root);
    assert_eq!(sgdisk.partitions[0].name, "EFI system");
    assert_eq!(sgdisk.partitions[1].name, "racine é");

    let made = {
        let scratch = tempfile::NamedTempFile::new().expect("a scratch file");
        scratch.as_file().set_len(size).expect("a sparse file");
        let script = "mklabel gpt mkpart boot fat32 1MiB 513MiB set 1 esp on mkpart root ext4 513MiB 1537MiB";
        let parted =
            Command::new("parted").arg("-s").arg(scratch.path()).args(script.split(' ')).stderr(Stdio::null()).status();
        assert!(parted.expect("apt-get install parted").success());
        let mut head = Vec::new();
        File::open(scratch.path()).expect("there").take(MIB).read_to_end(&mut head).expect("readable");
        head
    };
    assert_eq!(rows(&table(&made, size)), esp_and_root);
}

#[test]
fn sparse_numbers_and_discoverable_types_are_read() {
    let size = 1024 * MIB;
    let args =
        ["-n3:1M:+10M", "-t3:8304", "-n7:20M:+10M", "-t7:8200", "-n8:40M:+10M", "-t8:0700", "-n9:60M:+1M", "-t9:ef02"];
    let table = table(&disk(size, "sgdisk", &args, ""), size);
    let expected = [(3, 1, 10, Kind::Linux), (7, 20, 10, Kind::Other), (8, 40, 10, Kind::Fat), (9, 60, 1, Kind::Other)];
    assert_eq!(rows(&table), expected);
}

#[test]
fn the_gpt_of_a_hybrid_counts() {
    let size = 1024 * MIB;
    let args = ["-n1:1M:+100M", "-t1:0700", "-n2:101M:+500M", "--hybrid", "1"];
    let table = table(&disk(size, "sgdisk", &args, ""), size);
    assert_eq!(table.scheme, Scheme::Gpt);
    assert_eq!(rows(&table), [(1, 1, 100, Kind::Fat), (2, 101, 500, Kind::Linux)]);
}

/// A GPT in memory: `sgdisk` makes 4096-byte sectors only on a disk that has them.
fn gpt_disk(sector: usize, entries: &[(u64, u64)], entry_size: usize) -> Vec<u8> {
    let mut disk = vec![0; 8 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[446 + 4] = 0xee;
    disk[446 + 8..446 + 16].copy_from_slice(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let first = 2 * sector;
    for (index, (start, last)) in entries.iter().enumerate() {
        let entry = &mut disk[first + index * entry_size..][..128];
        entry[..16].copy_from_slice(&[
            0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
        ]);
        entry[32..40].copy_from_slice(&start.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
    }
    let entries_sum = crc32(&disk[first..first + 16 * entry_size]);
    let header = &mut disk[sector..sector + 92];
    header[..8].copy_from_slice(b"EFI PART");
    header[12..16].copy_from_slice(&92u32.to_le_bytes());
    header[72..80].copy_from_slice(&2u64.to_le_bytes());
    header[80..84].copy_from_slice(&16u32.to_le_bytes());
    header[84..88].copy_from_slice(&(entry_size as u32).to_le_bytes());
    header[88..92].copy_from_slice(&entries_sum.to_le_bytes());
    sign(&mut disk, sector);
    disk
}

fn sign(disk: &mut [u8], sector: usize) {
    disk[sector + 16..sector + 20].fill(0);
    let sum = crc32(&disk[sector..sector + 92]);
    disk[sector + 16..sector + 20].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn sectors_of_4096_bytes_are_counted() {
    let disk = gpt_disk(4096, &[(256, 511), (512, 1023)], 128);
    let table = table(&disk, 8 * MIB);
    assert_eq!(table.sector, 4096);
    assert_eq!(rows(&table), [(1, 1, 1, Kind::Linux), (2, 2, 2, Kind::Linux)]);
    // Larger entries are allowed.
    assert_eq!(
        read(&mut Cursor::new(gpt_disk(512, &[(2048, 4095)], 256)), 8 * MIB).expect("good").map(|t| rows(&t)),
        Some(vec![(1, 1, 1, Kind::Linux)])
    );
}

#[test]
fn what_has_no_table_has_none() {
    assert_eq!(read(&mut Cursor::new([]), 0).expect("no error"), None);
    assert_eq!(read(&mut Cursor::new([7; 100]), 100).expect("no error"), None);
    assert_eq!(read(&mut Cursor::new(vec![0; 1 << 20]), MIB).expect("no error"), None);
    // An empty table, and a FAT volume without a table.
    assert_eq!(read(&mut Cursor::new(sfdisk(64 * MIB, "label: dos\n")), 64 * MIB).expect("no error"), None);
    let fat = disk(64 * MIB, "mkfs.vfat", &["-F", "32"], "");
    assert_eq!(read(&mut Cursor::new(fat), 64 * MIB).expect("no error"), None);
}

#[test]
fn nonsense_is_refused_with_the_reason() {
    let size = 64 * MIB;
    let good = sfdisk(size, "label: dos\n1MiB,10MiB,c\n20MiB,10MiB,83\n");
    assert_eq!(table(&good, size).partitions.len(), 2);
    assert!(reason(&good, 25 * MIB).contains("cut off"), "the image ends within partition 2");
    let mut overlapping = good.clone();
    overlapping[462 + 8..462 + 12].copy_from_slice(&(5u32 << 11).to_le_bytes());
    assert!(reason(&overlapping, size).contains("partitions 1 and 2 overlap"));
    let mut status = good.clone();
    status[446] = 0x33;
    assert!(reason(&status, size).contains("0x33"));
    let mut empty = good.clone();
    empty[446 + 12..446 + 16].fill(0);
    assert!(reason(&empty, size).contains("partition 1 has no length"));
    // An extended partition that points nowhere, and one whose chain is a circle.
    let mut nowhere = good.clone();
    nowhere[462 + 4] = 5;
    nowhere[462 + 8..462 + 12].copy_from_slice(&6144u32.to_le_bytes());
    assert!(reason(&nowhere, size).contains("has no table at sector"));
    let mut circle = nowhere;
    circle[462 + 8..462 + 12].copy_from_slice(&4096u32.to_le_bytes());
    circle[2 * MIB as usize + 510..][..2].copy_from_slice(&[0x55, 0xaa]);
    circle[2 * MIB as usize + 462 + 4] = 5;
    assert!(reason(&circle, size).contains("has no end"));
    // A protective MBR alone.
    let mut protective = good;
    protective[446 + 4] = 0xee;
    assert!(reason(&protective, size).contains("there is none"));
}

#[test]
fn a_damaged_gpt_is_refused_with_the_reason() {
    let good = gpt_disk(512, &[(2048, 4095)], 128);
    assert_eq!(table(&good, 8 * MIB).partitions.len(), 1);
    let changed = |at: usize, to: &[u8], signed: bool| {
        let mut disk = good.clone();
        disk[at..at + to.len()].copy_from_slice(to);
        if signed {
            sign(&mut disk, 512);
        }
        reason(&disk, 8 * MIB)
    };
    assert!(changed(512 + 40, &[9], false).contains("header of the GPT is damaged"));
    assert!(changed(512 + 12, &u32::MAX.to_le_bytes(), false).contains("header of the GPT is damaged"));
    assert!(changed(1024 + 32, &[9], false).contains("entries of the GPT are damaged"));
    assert!(changed(512 + 80, &u32::MAX.to_le_bytes(), true).contains("4294967295 entries"));
    assert!(changed(512 + 84, &3u32.to_le_bytes(), true).contains("of 3 bytes"));
    assert!(changed(512 + 72, &u64::MAX.to_le_bytes(), true).contains("beyond the end"));
    for (start, last) in [(5000, 4000), (0, 10), (u64::MAX / 512, u64::MAX - 1), (4, u64::MAX)] {
        let text = reason(&gpt_disk(512, &[(start, last)], 128), 8 * MIB);
        assert!(text.contains("partition 1"), "{start} to {last}: {text}");
    }
    assert!(reason(&gpt_disk(512, &[(2048, 4095), (4000, 5000)], 128), 8 * MIB).contains("overlap"));
}

/// Every single changed byte of the first sectors: an answer or a reason, never a panic.
#[test]
fn no_changed_byte_makes_it_fall_over() {
    let size = 64 * MIB;
    let mbr = sfdisk(size, "label: dos\n1MiB,1MiB,c\n3MiB,4MiB,5\n4MiB,1MiB,83\n");
    for good in [mbr, gpt_disk(512, &[(2048, 4095), (5000, 6000)], 128)] {
        for at in 440..1300 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut disk = Cursor::new(&good[..]);
                let mut changed = Changed { disk: &mut disk, at: at as u64, value };
                if let Ok(Some(table)) = read(&mut changed, size) {
                    assert!(table.partitions.iter().all(|partition| partition.length > 0 && partition.end() <= size));
                }
            }
        }
    }
}

/// A disk with one byte changed.
struct Changed<'a, 'b> {
    disk: &'a mut Cursor<&'b [u8]>,
    at: u64,
    value: u8,
}

impl Read for Changed<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.disk.position();
        let length = self.disk.read(buffer)?;
        if let Some(byte) = self.at.checked_sub(position).and_then(|at| buffer[..length].get_mut(at as usize)) {
            *byte = self.value;
        }
        Ok(length)
    }
}

impl Seek for Changed<'_, '_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.disk.seek(to)
    }
}
