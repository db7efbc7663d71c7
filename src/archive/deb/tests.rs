//! Packages made here, whole and broken.

use std::io::{Cursor, Write};

use super::*;

const CONTROL: &str = "Package: linux-image-6\nVersion: 6.1-2\nDescription: a kernel\n Version: of no account\n\
                       architecture: amd64\n";

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // As it stands, leading "./" and upward steps too.
        header.as_gnu_mut().expect("it is one").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, text.as_bytes()).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (name, content) in members {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, content.len()).expect("memory");
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

fn package() -> Vec<u8> {
    let data = tar(&[("./boot/vmlinuz-6", "kernel"), ("./usr/lib/modules/6/x.ko", "module")]);
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", &xz(&tar(&[("./md5sums", ""), ("./control", CONTROL)]))),
        ("data.tar.xz", &xz(&data)),
    ])
}

fn files(bytes: Vec<u8>) -> Result<Vec<(String, String)>, DebError> {
    let mut seen = Vec::new();
    Package::new(Cursor::new(bytes))?.visit(|entry| {
        let mut text = String::new();
        entry.content.read_to_string(&mut text)?;
        assert_eq!((entry.kind, entry.size, entry.mode), (Kind::File, text.len() as u64, 0o644));
        seen.push((entry.path.to_owned(), text));
        Ok(())
    })?;
    Ok(seen)
}

#[test]
fn a_package_says_what_it_is_and_shows_its_files() {
    let read = Package::new(Cursor::new(package())).expect("a package");
    let control = Control { package: "linux-image-6".into(), version: "6.1-2".into(), architecture: "amd64".into() };
    assert_eq!(read.control(), &control);
    let expected = [("boot/vmlinuz-6", "kernel"), ("usr/lib/modules/6/x.ko", "module")];
    assert_eq!(files(package()).expect("files"), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
}

#[test]
fn every_compression_of_the_format_is_read() {
    let (control, data) = (tar(&[("control", CONTROL)]), tar(&[("a", "1")]));
    let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory");
    for (suffix, control, data) in [
        ("", control.clone(), data.clone()),
        (".gz", gz(&control), gz(&data)),
        (".xz", xz(&control), xz(&data)),
        (".zst", zst(&control), zst(&data)),
    ] {
        let names = (format!("control.tar{suffix}"), format!("data.tar{suffix}/"));
        let bytes = ar(&[("debian-binary/", b"2.0\n"), (&names.0, &control), ("_gpg", b"x"), (&names.1, &data)]);
        assert_eq!(files(bytes).expect(suffix), [("a".to_owned(), "1".to_owned())]);
    }
}

#[test]
fn what_is_no_package_says_so() {
    for bytes in [&b""[..], b"!<arch>", b"!<arch>\n", b"PK\x03\x04 and so on", &ar(&[("other", b"2.0\n")])] {
        let error = Package::new(Cursor::new(bytes.to_vec())).expect_err("no package");
        assert!(matches!(error, DebError::NoPackage), "{error}");
    }
    let error = Package::new(Cursor::new(ar(&[("debian-binary", b"3.0\n")]))).expect_err("another format");
    assert_eq!(error.to_string(), "its format is version 3.0, we read 2");
    let lzma = ar(&[("debian-binary", b"2.0\n"), ("control.tar.lzma", b"")]);
    assert_eq!(Package::new(Cursor::new(lzma)).expect_err("lzma").to_string(), "we cannot unpack control.tar.lzma");
}

#[test]
fn a_package_cut_anywhere_is_an_error() {
    let whole = package();
    for length in 0..whole.len() - 1 {
        let cut = files(whole[..length].to_vec());
        assert!(cut.is_err(), "{length} of {} bytes gave {cut:?}", whole.len());
    }
}

#[test]
fn a_changed_byte_never_panics() {
    let whole = package();
    for at in 0..whole.len() {
        for bits in [0xff, 0x01, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bits;
            // Some places, such as times, may hold anything.
            let _ = files(changed);
        }
    }
}

#[test]
fn paths_lead_nowhere_else() {
    let control = tar(&[("control", CONTROL)]);
    let with =
        |path: &str| ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &tar(&[(path, "x")]))]);
    assert_eq!(files(with("/etc//./x")).expect("a file")[0].0, "etc/x");
    for path in ["../x", "./a/../../x", "a/.."] {
        let error = files(with(path)).expect_err(path);
        assert!(error.to_string().contains("leads out of it"), "{error}");
    }
}

#[test]
fn a_control_part_that_lacks_something_is_named() {
    for (text, why) in [
        ("Package: x\nVersion: 1\n", "has no Architecture"),
        ("Package:\nVersion: 1\nArchitecture: all\n", "has no Package"),
        ("", "has no Package"),
    ] {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(&[("control", text)]))]);
        let error = Package::new(Cursor::new(bytes)).expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    }
    let empty = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(&[("postinst", "")]))]);
    assert!(Package::new(Cursor::new(empty)).expect_err("none").to_string().contains("no control file"));
}
