//! A program that makes a UEFI leave the network and go on with its next boot device.
//!
//! A UEFI that gets an address and no boot file keeps asking for one: OVMF for 60 s, by PXE and then by HTTP again. One
//! that gets a program which returns an error starts the next device at once. It must be an error: after EFI_SUCCESS
//! the boot manager shows its menu (UEFI 2.10 §3.1.1). Built here, in a kilobyte, because it is four instructions.

use crate::machine::firmware::Firmware;

/// The names the programs are served by, for TFTP, and their machine code: return EFI_NOT_FOUND, 0x8000_0000_0000_000e.
const PROGRAMS: [Program; 2] = [
    // mov rax, imm64; ret
    Program { name: "leave/x64.efi", machine: 0x8664, code: &[0x48, 0xb8, 0x0e, 0, 0, 0, 0, 0, 0, 0x80, 0xc3] },
    // movz x0, #14; movk x0, #0x8000, lsl #48; ret
    Program {
        name: "leave/arm64.efi",
        machine: 0xaa64,
        code: &[0xc0, 0x01, 0x80, 0xd2, 0x00, 0x00, 0xf0, 0xf2, 0xc0, 0x03, 0x5f, 0xd6],
    },
];

struct Program {
    name: &'static str,
    /// `Machine` of the COFF header.
    machine: u16,
    code: &'static [u8],
}

/// The name of the program for this kind of client; none for what goes on by itself.
pub fn name(firmware: Firmware) -> Option<&'static str> {
    let program = match firmware {
        Firmware::UefiX64 | Firmware::UefiHttpX64 => &PROGRAMS[0],
        Firmware::UefiArm64 | Firmware::UefiHttpArm64 => &PROGRAMS[1],
        _ => return None,
    };
    Some(program.name)
}

/// The program of that name.
pub fn program(name: &str) -> Option<Vec<u8>> {
    PROGRAMS.iter().find(|program| program.name == name).map(Program::image)
}

/// Where the one section lies in the file and in memory, and how much of the file it takes.
const IN_FILE: u32 = 0x200;
const IN_MEMORY: u32 = 0x1000;

impl Program {
    /// The PE32+ image (Microsoft PE format): DOS header, COFF header, optional header, one section. It may be loaded
    /// anywhere, as it names no address.
    fn image(&self) -> Vec<u8> {
        let mut image = b"MZ".to_vec();
        image.resize(0x3c, 0);
        image.extend(0x40_u32.to_le_bytes());
        image.extend(b"PE\0\0");
        let mut half = |values: &[u16]| values.iter().for_each(|value| image.extend(value.to_le_bytes()));
        // Machine, sections, time stamp, symbols (2 words each), size of the optional header, executable with large
        // addresses; magic of PE32+, linker version.
        half(&[self.machine, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x0022, 0x020b, 0]);
        let mut word = |values: &[u32]| values.iter().for_each(|value| image.extend(value.to_le_bytes()));
        // Size of code, of data, of zeros; entry point, base of code; image base (2 words); alignments.
        word(&[IN_FILE, 0, 0, IN_MEMORY, IN_MEMORY, 0, 0, IN_MEMORY, IN_FILE]);
        // Versions and a reserved word, all 0; size of the image, of the headers; checksum; subsystem 10, EFI application.
        word(&[0, 0, 0, 0, 2 * IN_MEMORY, IN_FILE, 0, 10]);
        // Stack and heap (4 quads), loader flags; 16 data directories, all empty.
        word(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 16]);
        word(&[0; 32]);
        image.extend(b".text\0\0\0");
        let mut word = |values: &[u32]| values.iter().for_each(|value| image.extend(value.to_le_bytes()));
        // Size and place in memory, size and place in the file; no relocations; code, executable, readable.
        let size = u32::try_from(self.code.len()).expect("a few instructions");
        word(&[size, IN_MEMORY, IN_FILE, IN_FILE, 0, 0, 0, 0x6000_0020]);
        image.resize(IN_FILE as usize, 0);
        image.extend(self.code);
        image.resize(2 * IN_FILE as usize, 0);
        image
    }
}

#[cfg(test)]
mod tests;
