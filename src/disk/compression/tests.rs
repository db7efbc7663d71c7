//! What the real tools write is read back, whole or with a reason why not.

use std::io::{self, Cursor, Read, Write};
use std::process::{Command, Stdio};

use super::*;

/// What `tool` makes of `input`.
fn made_by(tool: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(tool);
    let spawned = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{tool}: {error}; apt-get install gzip xz-utils zstd"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the tool ends");
    writer.join().expect("no panic").expect("the tool reads all");
    assert!(output.status.success(), "{tool} {args:?}");
    output.stdout
}

fn packed(compression: Compression, input: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => input.to_vec(),
        Compression::Gzip => made_by("gzip", &["-c"], input),
        Compression::Xz => made_by("xz", &["-c", "-1"], input),
        Compression::Zstd => made_by("zstd", &["-q", "-c"], input),
    }
}

fn unpacked(compression: Compression, data: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    decoder(compression, Cursor::new(data))?.read_to_end(&mut all)?;
    Ok(all)
}

/// Text and noise, longer than every buffer on the way.
fn content(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut byte = |at: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (at / 5000).is_multiple_of(2) { b'a' + (at % 17) as u8 } else { (state >> 24) as u8 }
    };
    (0..length).map(&mut byte).collect()
}

const PACKED: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

#[test]
fn what_the_tools_pack_is_recognised_and_unpacked() {
    for compression in Compression::ALL {
        for length in [1, 4096, 700_001] {
            let data = packed(compression, &content(length));
            assert_eq!(Compression::recognise(&data[..HEAD.min(data.len())]), compression);
            assert!(unpacked(compression, data).expect("unpacks") == content(length), "{compression:?} {length}");
        }
    }
    for compression in PACKED {
        assert!(unpacked(compression, packed(compression, &[])).expect("unpacks").is_empty(), "{compression:?}");
    }
}

#[test]
fn pieces_that_follow_one_another_are_one_content() {
    let (one, two) = (content(300_000), b"the end".to_vec());
    for compression in PACKED {
        let data = [packed(compression, &one), packed(compression, &two)].concat();
        assert!(unpacked(compression, data).expect("unpacks") == [&one[..], &two[..]].concat(), "{compression:?}");
    }
    // One stream of many blocks, as the parallel compressors make them.
    let data = made_by("xz", &["-c", "-1", "-T2", "--block-size=65536"], &one);
    assert!(unpacked(Compression::Xz, data).expect("unpacks") == one);
    // A skippable frame in front.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9][..], &packed(Compression::Zstd, &one)].concat();
    assert_eq!(Compression::recognise(&skipped), Compression::Zstd);
    assert!(unpacked(Compression::Zstd, skipped).expect("unpacks") == one);
}

#[test]
fn cut_off_data_is_said_to_be_cut_off() {
    for compression in PACKED {
        let data = packed(compression, &content(300_000));
        for kept in [HEAD, 100, data.len() / 2, data.len() - 1] {
            let error = unpacked(compression, data[..kept].to_vec()).expect_err("it is not whole");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{compression:?} of {kept}: {error}");
            assert!(error.to_string().contains("cut off"), "{error}");
        }
        // The second of two pieces.
        let two = [&data[..], &data[..data.len() / 3]].concat();
        let error = unpacked(compression, two).expect_err("it is not whole");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{compression:?}: {error}");
    }
}

#[test]
fn damaged_data_is_said_to_be_damaged() {
    for compression in PACKED {
        let data = made_by(compression_tool(compression), &["-c"], &content(300_000));
        for at in [data.len() / 4, data.len() / 2, data.len() - 3] {
            let mut data = data.clone();
            data[at] ^= 0x55;
            match unpacked(compression, data) {
                // Without a checksum of its own, a changed byte of a zstd frame may go unseen; the tool adds one.
                Ok(_) => panic!("{compression:?}: byte {at} was changed and nobody saw it"),
                Err(error) => {
                    let known = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
                    assert!(known, "{compression:?} at {at}: {error}");
                    assert!(error.to_string().contains(compression.word()), "{error}");
                }
            }
        }
        let rubbish = [&data[..], b"something else"].concat();
        let error = unpacked(compression, rubbish).expect_err("what follows is of another kind");
        assert!(error.to_string().contains("damaged") || error.to_string().contains("cut off"), "{error}");
    }
}

fn compression_tool(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "cat",
        Compression::Gzip => "gzip",
        Compression::Xz => "xz",
        Compression::Zstd => "zstd",
    }
}

#[test]
fn data_that_wants_too_much_memory_is_refused() {
    let data = made_by("xz", &["-c", "--lzma2=preset=0,dict=1536MiB"], b"little");
    let error = unpacked(Compression::Xz, data).expect_err("it asks for 1.5 GiB");
    assert!(error.to_string().contains("memory"), "{error}");
    let data = made_by("zstd", &["-q", "-c", "--ultra", "--long=31"], &content(10));
    // A small input of known size has a small window, whatever was asked for.
    match unpacked(Compression::Zstd, data) {
        Ok(all) => assert_eq!(all, content(10)),
        Err(error) => assert!(error.to_string().contains("memory"), "{error}"),
    }
}

#[test]
fn a_source_that_fails_is_not_blamed_on_the_data() {
    struct Broken(Cursor<Vec<u8>>);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up")),
                length => Ok(length),
            }
        }
    }
    for compression in PACKED {
        let data = packed(compression, &content(300_000));
        let half = Broken(Cursor::new(data[..data.len() / 2].to_vec()));
        let mut reader = decoder(compression, half).expect("a decoder");
        let error = io::copy(&mut reader, &mut io::sink()).expect_err("the source fails");
        assert_eq!(error.to_string(), "the server hung up", "{compression:?}");
    }
}
