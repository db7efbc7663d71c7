//! The little we need to know of ELF files: for which machine they are, whether they are static, one section.
//!
//! 64-bit, little-endian, as on both our architectures. Every offset is checked before it is followed.

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An object, such as a kernel module (`ET_REL`).
    Object,
    /// A program (`ET_EXEC`), or one that can lie anywhere (`ET_DYN`).
    Program,
    /// Anything else.
    Other,
}

/// An ELF file in memory.
pub(super) struct Elf<'a> {
    bytes: &'a [u8],
    pub(super) kind: Kind,
    /// `e_machine`.
    pub(super) machine: u16,
}

const SECTION: usize = 64;
const SEGMENT: usize = 56;
/// The type of the segment that names a dynamic linker.
const PT_INTERP: u32 = 3;

impl<'a> Elf<'a> {
    /// None if it is no ELF file of our kind.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Elf<'a>> {
        // Magic, 64 bits, little-endian, version 1.
        if !bytes.starts_with(b"\x7fELF\x02\x01\x01") || bytes.len() < 64 {
            return None;
        }
        let kind = match u16_at(bytes, 16)? {
            1 => Kind::Object,
            2 | 3 => Kind::Program,
            _ => Kind::Other,
        };
        Some(Elf { bytes, kind, machine: u16_at(bytes, 18)? })
    }

    /// Whether it asks for a dynamic linker.
    pub(super) fn is_dynamic(&self) -> bool {
        let (Some(start), Some(count)) = (offset_at(self.bytes, 32), u16_at(self.bytes, 56)) else { return false };
        (0..usize::from(count)).any(|index| {
            let at = start.checked_add(index * SEGMENT);
            at.and_then(|at| u32_at(self.bytes, at)) == Some(PT_INTERP)
        })
    }

    /// The bytes of the first section of that name.
    pub(super) fn section(&self, name: &str) -> Option<&'a [u8]> {
        let start = offset_at(self.bytes, 40)?;
        let (count, names) = (u16_at(self.bytes, 60)?, u16_at(self.bytes, 62)?);
        let header = |index: u16| {
            let at = start.checked_add(usize::from(index) * SECTION)?;
            self.bytes.get(at..at.checked_add(SECTION)?)
        };
        let content = |header: &[u8]| {
            let (start, length) = (offset_at(header, 24)?, offset_at(header, 32)?);
            self.bytes.get(start..start.checked_add(length)?)
        };
        let names = content(header(names)?)?;
        (0..count).filter_map(header).find_map(|header| {
            let called = names.get(usize::try_from(u32_at(header, 0)?).ok()?..)?;
            let matches = called.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
            matches.then(|| content(header)).flatten()
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn offset_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?)).ok()
}

#[cfg(test)]
pub(super) mod tests;
