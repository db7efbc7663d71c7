//! The small decisions; a whole image is built and read in `tests/environment.rs`.

use super::*;

#[test]
fn a_kernel_says_its_version() {
    let kernel = b"MZ..Linux version %s (x)..Linux version 6.12.25+rpt-rpi-2712 (serge@raspberrypi.com) (gcc)";
    assert_eq!(version(kernel).as_deref(), Some("6.12.25+rpt-rpi-2712"));
    for other in [&b"Linux version"[..], b"Linux version 6.12", b"Linux version ../../etc x", b""] {
        assert_eq!(version(other), None);
    }
}

#[test]
fn models_that_lack_something_are_named_with_it() {
    let of = |files: &[&str]| files.iter().map(|file| ((*file).to_owned(), Vec::new())).collect::<BTreeMap<_, _>>();
    let boot = of(&["kernel_2712.img", "bcm2712-rpi-5-b.dtb", "kernel8.img", "start4.elf", "fixup4.dat"]);
    let named = lacking(&boot);
    assert_eq!(named[1], ("Raspberry Pi 4", vec!["bcm2711-rpi-4-b.dtb".to_owned()]));
    assert_eq!(named.iter().map(|(model, _)| *model).collect::<Vec<_>>(), ["Raspberry Pi 3", "Raspberry Pi 4"]);
    assert_eq!(lacking(&of(&[])).len(), MODELS.len());
}

#[test]
fn a_template_that_names_something_else_is_noticed() {
    let files = [INITRAMFS, "kernel8.img", "kernel_2712.img"].map(|name| (name.to_owned(), 1));
    let ours =
        "kernel=kernel8.img\n  kernel=kernel_2712.img\ninitramfs initramfs.img followkernel\nkernel={{ vars.k }}\n";
    assert!(unfitting(ours, &files).is_empty());
    let theirs = unfitting("initramfs initrd.img followkernel\n# kernel=x\n", &files);
    assert_eq!(theirs, ["the template pi/config.txt names initrd.img, which the tree does not have"]);
}
