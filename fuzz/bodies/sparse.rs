//! A disk image as few bytes: its size, and pieces with the place where each lies; zeros are between them.
//!
//! The first byte is the size in units of 4 KiB, below 0x80; then come pieces: 3 bytes of offset, 2 of length, big-endian,
//! and that many bytes. An image is as long as its last piece needs if that is more, up to 1 MiB.

/// No image is longer.
const MOST: usize = 1 << 20;

/// The image.
pub fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let Some((units, mut rest)) = bytes.split_first() else { return Vec::new() };
    let mut image = vec![0; usize::from(*units) * 4096];
    while let [a, b, c, d, e, more @ ..] = rest {
        let at = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let length = usize::from(u16::from_be_bytes([*d, *e])).min(more.len());
        let (piece, after) = more.split_at(length);
        rest = after;
        let end = at + piece.len();
        if end > MOST {
            continue;
        }
        image.resize(image.len().max(end), 0);
        image[at..end].copy_from_slice(piece);
    }
    image
}
