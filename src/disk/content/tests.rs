//! What is found in images of every compression, made with the real tools.

use std::fs::File;
use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::image::{Kind, Layout};

const MIB: u64 = 1 << 20;

/// Runs a tool of the host.
fn run(tool: &str, args: &[&str], input: &str) {
    let mut command = Command::new(tool);
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let packages = "apt-get install fdisk dosfstools mtools gzip xz-utils zstd";
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{tool}: {error}; {packages}"));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("the tool reads");
    assert!(child.wait().expect("the tool ends").success(), "{tool} {args:?}");
}

/// A Raspberry Pi image of 96 MiB: 40 MiB of FAT with `files`, then a Linux partition with noise at its end.
fn pi_image(directory: &Path, files: &[&str]) -> std::path::PathBuf {
    let path = directory.join("pi.img");
    let image = File::create(&path).expect("an image");
    image.set_len(96 * MIB).expect("a sparse file");
    run("sfdisk", &["--quiet", path.to_str().expect("UTF-8")], "label: dos\n4MiB,40MiB,c\n44MiB,52MiB,83\n");
    let at = format!("{}@@4M", path.display());
    let script = ["-i", at.as_str(), "-F", "-T", "81920", "-h", "64", "-s", "32", "::"];
    run("mformat", &script, "");
    let file = directory.join("file");
    // Enough to push the end of the directory away from its beginning.
    for index in 0..80 {
        std::fs::write(&file, vec![b'x'; 70_000]).expect("a file");
        let name = format!("::device-tree-number-{index}.dtb");
        run("mcopy", &["-i", &at, file.to_str().expect("UTF-8"), &name], "");
    }
    for name in files {
        run("mcopy", &["-i", &at, file.to_str().expect("UTF-8"), &format!("::{name}")], "");
    }
    image.write_all_at(b"the end", 96 * MIB - 7).expect("written");
    path
}

fn packed(path: &Path, compression: Compression) -> std::path::PathBuf {
    let (tool, end) = match compression {
        Compression::None => return path.to_owned(),
        Compression::Gzip => ("gzip", "gz"),
        Compression::Xz => ("xz", "xz"),
        Compression::Zstd => ("zstd", "zst"),
    };
    run(tool, &["-k", "-f", "-q", "-1", path.to_str().expect("UTF-8")], "");
    path.with_extension(format!("img.{end}"))
}

fn sha256(path: &Path) -> Digest {
    Digest(Sha256::digest(std::fs::read(path).expect("readable")).into())
}

#[test]
fn every_compression_of_an_image_is_the_same_content() {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = pi_image(scratch.path(), &["config.txt", "kernel8.img"]);
    let raw_digest = sha256(&path);
    for compression in Compression::ALL {
        let file = packed(&path, compression);
        let mut heard = 0;
        let found = measure(File::open(&file).expect("there"), |read| {
            assert!(read >= heard);
            heard = read;
            true
        });
        let found = found.expect("it is whole");
        let size = std::fs::metadata(&file).expect("there").len();
        assert_eq!((found.compression, found.size, found.digest), (compression, size, sha256(&file)));
        assert_eq!((found.raw_size, found.raw_digest), (96 * MIB, raw_digest));
        assert_eq!(heard, size, "{compression}: all of the file was read");
        // Behind the table; behind the files; up to the end.
        let last = found.zero_runs.last().expect("the root partition is empty");
        assert_eq!(last.offset + last.length, 96 * MIB - 4096);
        assert!(found.zero_runs.iter().all(|run| run.length >= ZERO_RUN_MIN), "{:?}", found.zero_runs);
        let layout = look(compression, found.raw_size, || File::open(&file)).expect("readable");
        let expected = Layout { kind: Kind::Disk, partitions: 2, fat: true, linux: true, pi: true, trouble: None };
        assert_eq!(layout, expected, "{compression}");
    }
}

#[test]
fn a_boot_partition_without_a_kernel_boots_no_pi() {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = pi_image(scratch.path(), &["config.txt"]);
    let layout = look(Compression::None, 96 * MIB, || File::open(&path)).expect("readable");
    assert!(layout.fat && layout.linux && !layout.pi, "{layout:?}");
    // Rubbish where the FAT should be is no error.
    File::options().write(true).open(&path).expect("there").write_all_at(&[0xff; 8192], 4 * MIB).expect("written");
    let layout = look(Compression::None, 96 * MIB, || File::open(&path)).expect("readable");
    assert!(layout.fat && !layout.pi, "{layout:?}");
}

#[test]
fn an_iso_is_known_by_its_descriptor() {
    let mut iso = vec![0; 40 * 2048];
    iso[16 * 2048..][..6].copy_from_slice(b"\x01CD001");
    let layout = look(Compression::None, iso.len() as u64, || Ok(Cursor::new(iso.clone()))).expect("readable");
    assert_eq!(layout.kind, Kind::Iso);
    let layout = look(Compression::None, 9, || Ok(Cursor::new(b"no image\n"))).expect("readable");
    assert_eq!(layout, Layout::default());
}

#[test]
fn the_longest_runs_of_zeros_are_kept() {
    struct Stripes(u64);
    // One MiB of zeros and one grain of something, over and over; every hundredth run is twice as long.
    impl Read for Stripes {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let grains = ZERO_RUN_MIN / GRAIN as u64;
            for (index, grain) in buffer.chunks_mut(GRAIN).enumerate() {
                let (stripe, at) = ((self.0 + index as u64) / (grains + 1), (self.0 + index as u64) % (grains + 1));
                grain.fill(u8::from(at == grains && stripe % 100 != 0));
            }
            self.0 += (buffer.len() / GRAIN) as u64;
            Ok(buffer.len())
        }
    }
    let mut zeros = Zeros::default();
    let mut buffer = vec![0; CHUNK];
    let mut stripes = Stripes(0);
    for _ in 0..ZERO_RUNS_MAX + 500 {
        stripes.read_exact(&mut buffer).expect("endless");
        zeros.take(&buffer);
    }
    let runs = zeros.finish();
    assert_eq!(runs.len(), ZERO_RUNS_MAX);
    assert!(runs.is_sorted_by_key(|run| run.offset));
    assert!(runs.iter().filter(|run| run.length > 2 * ZERO_RUN_MIN).count() > 40, "the long ones are among them");
    let mut short = Zeros::default();
    short.take(&vec![0; 1 << 19]);
    assert!(short.finish().is_empty());
}

#[test]
fn what_is_no_image_is_refused() {
    for (head, word) in [(&b"PK\x03\x04rest"[..], "ZIP"), (b"BZh91AY&SY", "bzip2"), (b"QFI\xfb\0\0\0\x03", "qemu-img")]
    {
        let error = measure(Cursor::new(head.to_vec()), |_| true).expect_err("no image");
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = measure(Cursor::new(vec![0; 5 << 20]), |read| read < 2 << 20).expect_err("told to stop");
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    let empty = measure(Cursor::new(Vec::new()), |_| true).expect("an empty file");
    assert_eq!((empty.size, empty.raw_size, empty.zero_runs.len()), (0, 0, 0));
}

#[test]
fn a_file_that_is_cut_off_is_no_image() {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = scratch.path().join("x.img");
    std::fs::write(
        &path,
        (0..2_000_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>(),
    )
    .expect("written");
    for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        let file = packed(&path, compression);
        let whole = std::fs::read(&file).expect("readable");
        let error = measure(Cursor::new(whole[..whole.len() - 100].to_vec()), |_| true).expect_err("cut off");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("cut off"), "{error}");
    }
}
