//! Tar archives and the ar members around them, by hand: what a library would refuse to write can be written.

use crate::script::Script;

/// A file, or what is taken for one: its header and its bytes. The checksum is right.
pub fn member(name: &[u8], kind: u8, mode: &[u8; 8], target: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    let put = |header: &mut Vec<u8>, at: usize, most: usize, bytes: &[u8]| {
        let bytes = &bytes[..bytes.len().min(most)];
        header[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(&mut header, 0, 100, name);
    put(&mut header, 100, 8, mode);
    put(&mut header, 108, 16, b"0000000\x000000000\0");
    put(&mut header, 124, 12, format!("{:011o}\0", content.len()).as_bytes());
    put(&mut header, 136, 12, b"00000000000\0");
    header[156] = kind;
    put(&mut header, 157, 100, target);
    put(&mut header, 257, 8, b"ustar  \0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut header, 148, 8, format!("{sum:06o}\0 ").as_bytes());
    header.extend_from_slice(content);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

/// A member of some name and kind; rarely one that no archive of the field has.
pub fn some_member(script: &mut Script<'_>, names: &[&str]) -> Vec<u8> {
    let name = if script.rarely() {
        script.choice(&["../x", "/x", "a/../../b", "", ".", "\u{fe}"])
    } else {
        script.choice(names)
    };
    let kind = if script.rarely() { script.byte() } else { script.choice(b"0000512L") };
    let mode = if script.rarely() { b"9999999\0" } else { b"0000644\0" };
    let target = script.choice(&["x", "./boot/x", "../../x", ""]);
    let mut bytes = member(name.as_bytes(), kind, mode, target.as_bytes(), script.slice(64));
    if script.rarely() {
        let at = usize::from(script.word()) % bytes.len();
        bytes[at] = script.byte();
    }
    bytes
}

/// A Zstandard frame that holds `bytes` as they are (RFC 8878 §3.1.1).
pub fn stored(bytes: &[u8]) -> Vec<u8> {
    // No checksum, no length; a window of 1 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x50];
    let mut blocks = bytes.chunks(64 << 10).peekable();
    if blocks.peek().is_none() {
        frame.extend([1, 0, 0]);
    }
    while let Some(block) = blocks.next() {
        let head = (block.len() as u32) << 3 | u32::from(blocks.peek().is_none());
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}
