use super::*;

fn half(image: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([image[at], image[at + 1]])
}

fn word(image: &[u8], at: usize) -> u32 {
    u32::from(half(image, at)) | u32::from(half(image, at + 2)) << 16
}

#[test]
fn the_programs_are_sound_images() {
    for (firmware, machine) in [(Firmware::UefiX64, 0x8664), (Firmware::UefiHttpArm64, 0xaa64)] {
        let image = program(name(firmware).expect("a program")).expect("an image");
        let pe = word(&image, 0x3c) as usize;
        assert_eq!((&image[..2], &image[pe..pe + 4]), (&b"MZ"[..], &b"PE\0\0"[..]));
        assert_eq!((half(&image, pe + 4), half(&image, pe + 6)), (machine, 1), "machine, sections");
        let optional = pe + 24;
        assert_eq!(half(&image, optional), 0x20b);
        assert_eq!(half(&image, optional + 68), 10, "subsystem");
        assert_eq!(word(&image, optional + 108), 16, "data directories");
        // The section header follows the optional header, whose size the COFF header says.
        let section = optional + usize::from(half(&image, pe + 20));
        assert_eq!(&image[section..section + 5], b".text");
        let (entry, start) = (word(&image, optional + 16), word(&image, section + 12));
        assert_eq!(entry, start, "it starts at its first instruction");
        let (size, place) = (word(&image, section + 16) as usize, word(&image, section + 20) as usize);
        assert_eq!(place + size, image.len());
        assert_ne!(image[place], 0);
        assert!(section + 40 <= place, "the headers end before the code");
    }
}

#[test]
fn only_a_uefi_needs_to_be_told() {
    let told: Vec<Firmware> = Firmware::ALL.into_iter().filter(|kind| name(*kind).is_some()).collect();
    assert_eq!(told, [Firmware::UefiX64, Firmware::UefiArm64, Firmware::UefiHttpX64, Firmware::UefiHttpArm64]);
    assert_eq!(program("leave/mips.efi"), None);
}
