//! Damages DHCP messages as no client does.

use hatchery::wire::dhcp::code;

/// One to four changes where they hurt: header bytes, option codes and lengths, the end of the frame.
pub fn mutate(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..=4) {
        let options = 240.min(bytes.len());
        match rng.u8(..8) {
            0 => bytes.truncate(rng.usize(..=bytes.len())),
            1 if options > 0 => bytes[rng.usize(..options)] = rng.u8(..),
            2 => bytes.extend((0..rng.usize(..300)).map(|_| rng.u8(..))),
            3 => {
                // Overload: options from the `file` and `sname` fields.
                let overload = [code::OVERLOAD, 1, rng.u8(..=4)];
                bytes.splice(options..options, overload);
            }
            _ if bytes.len() > options => {
                let index = rng.usize(options..bytes.len());
                bytes[index] = if rng.bool() { rng.u8(..) } else { bytes[index].wrapping_add(1) };
            }
            _ => bytes.push(rng.u8(..)),
        }
    }
}
