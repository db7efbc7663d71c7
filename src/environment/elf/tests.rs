//! ELF files made by hand, whole and cut.

use super::*;

/// A file of one segment and one named section.
pub(in crate::environment) fn made(kind: u16, machine: u16, segment: u32, name: &str, content: &[u8]) -> Vec<u8> {
    let names = format!("\0.shstrtab\0{name}\0");
    let segments = 64;
    let sections = segments + SEGMENT;
    let names_at = sections + 3 * SECTION;
    let content_at = names_at + names.len();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(content_at, 0);
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(16, &kind.to_le_bytes());
    put(18, &machine.to_le_bytes());
    put(32, &(segments as u64).to_le_bytes());
    put(40, &(sections as u64).to_le_bytes());
    put(56, &1_u16.to_le_bytes());
    put(60, &3_u16.to_le_bytes());
    put(62, &1_u16.to_le_bytes());
    put(segments, &segment.to_le_bytes());
    for (index, called, start, length) in [(1, 1_u32, names_at, names.len()), (2, 11, content_at, content.len())] {
        put(sections + index * SECTION, &called.to_le_bytes());
        put(sections + index * SECTION + 24, &(start as u64).to_le_bytes());
        put(sections + index * SECTION + 32, &(length as u64).to_le_bytes());
    }
    put(names_at, names.as_bytes());
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn kind_machine_linker_and_sections_are_read() {
    let bytes = made(1, 62, 1, ".modinfo", b"name=x\0");
    let elf = Elf::parse(&bytes).expect("an ELF file");
    assert_eq!((elf.kind, elf.machine, elf.is_dynamic()), (Kind::Object, 62, false));
    assert_eq!(elf.section(".modinfo"), Some(&b"name=x\0"[..]));
    assert_eq!(elf.section(".mod"), None);
    let bytes = made(3, 183, PT_INTERP, ".interp", b"/lib/ld.so\0");
    let elf = Elf::parse(&bytes).expect("an ELF file");
    assert_eq!((elf.kind, elf.machine, elf.is_dynamic()), (Kind::Program, 183, true));
}

#[test]
fn cut_and_changed_files_never_panic() {
    let whole = made(1, 62, 1, ".modinfo", b"name=x\0");
    for length in 0..whole.len() {
        if let Some(elf) = Elf::parse(&whole[..length]) {
            assert_eq!(elf.section(".modinfo"), None, "{length}");
        }
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        if let Some(elf) = Elf::parse(&changed) {
            let _ = (elf.section(".modinfo"), elf.is_dynamic());
        }
    }
    assert!(Elf::parse(b"\x7fELF\x01\x01\x01").is_none());
}
