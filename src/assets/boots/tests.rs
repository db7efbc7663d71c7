use std::fs;

use super::*;

fn profile(firmware: &[Firmware], boot_file: &str, answers: &[(&str, &str)]) -> Profile {
    Profile {
        name: "p".into(),
        firmware: firmware.to_vec(),
        boot_file: Some(boot_file.into()),
        answers: answers.iter().map(|(name, template)| ((*name).into(), (*template).into())).collect(),
        ..Profile::default()
    }
}

fn of(profiles: &[Profile], boot: &Path, firmware: Firmware) -> Vec<String> {
    let all = look(profiles, boot);
    let found = all.into_iter().find(|each| each.firmware == firmware).expect("every kind is there");
    found.files.into_iter().map(|file| format!("{}: {}", file.name, file.there.words())).collect()
}

#[test]
fn a_loader_is_followed_to_the_kernel() {
    let directory = tempfile::tempdir().expect("a directory");
    let boot = directory.path();
    fs::create_dir_all(boot.join("installer/arm64")).expect("a directory");
    fs::create_dir_all(boot.join("grub/arm64")).expect("a directory");
    for name in ["installer/arm64/vmlinuz", "grub/arm64/grub.efi"] {
        fs::write(boot.join(name), "").expect("a file");
    }
    let mut u_boot = profile(&[Firmware::UBoot], "grub.efi", &[("grub/grub.cfg", "grub/grub.cfg")]);
    u_boot.tree = Some("grub/arm64".into());
    let profiles = [u_boot, profile(&[Firmware::Ipxe], "boot.ipxe", &[("boot.ipxe", "ipxe/boot.ipxe")])];
    let expected = [
        "grub.efi: there",
        "grub/grub.cfg: rendered from grub/grub.cfg",
        "installer/arm64/vmlinuz: there",
        "installer/arm64/initrd.img: missing",
    ];
    assert_eq!(of(&profiles, boot, Firmware::UBoot), expected);
    assert_eq!(of(&profiles, boot, Firmware::Ipxe)[..1], ["boot.ipxe: rendered from ipxe/boot.ipxe"]);
    assert!(of(&profiles, boot, Firmware::BiosPxe).is_empty(), "no profile serves it");
}

#[test]
fn profiles_for_classes_alone_serve_no_kind() {
    let mut kiosk = profile(&[Firmware::Ipxe], "kiosk.ipxe", &[]);
    kiosk.classes = vec!["kiosk".into()];
    let all = look(&[kiosk], Path::new("/nowhere"));
    assert!(all.iter().all(|each| each.profile.is_none() && !each.is_whole()));
}
