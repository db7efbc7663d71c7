//! An image with the layout of Raspberry Pi OS: a FAT partition with what the firmware loads, an ext4 partition with the
//! root file system, merged /usr, compressed modules of two kernels and one nobody boots.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::tools::{as_str, run};

/// The kernel of a Pi 3 and 4, and that of a Pi 5.
pub const V8: &str = "6.12.47+rpt-rpi-v8";
pub const V2712: &str = "6.12.47+rpt-rpi-2712";

/// Programs that this takes.
pub const NEEDS: [&str; 5] = ["gcc", "mcopy", "mke2fs", "mkfs.vfat", "sfdisk"];

const MIB: u64 = 1 << 20;
const BOOT_START: u64 = 4 * MIB;
const BOOT_SIZE: u64 = 48 * MIB;
const ROOT_START: u64 = BOOT_START + BOOT_SIZE;
const ROOT_SIZE: u64 = 32 * MIB;

/// Path below `kernel`, and what it says of itself.
const MODULES: [(&str, &[&str]); 9] = [
    ("drivers/net/usb/r8152.ko", &["depends=mii", "alias=usb:v0BDAp8153d*", "firmware=rtl_nic/rtl8153a-4.fw"]),
    ("drivers/net/mii.ko", &["depends="]),
    (
        "drivers/net/usb/lan78xx.ko",
        &["depends=", "softdep=pre: microchip", "alias=usb:v0424p7800d*", "firmware=none.fw"],
    ),
    ("drivers/net/phy/microchip.ko", &["depends="]),
    ("drivers/usb/storage/usb-storage.ko", &["depends=scsi_mod", "alias=usb:v*p*d*ic08isc06ip50in*"]),
    ("drivers/usb/storage/uas.ko", &["depends=usb-storage,scsi_mod"]),
    ("drivers/nvme/host/nvme.ko", &["depends=nvme-core", "alias=pci:v*d*sv*sd*bc01sc08i02*"]),
    ("drivers/nvme/host/nvme-core.ko", &["depends="]),
    ("sound/core/snd.ko", &["depends=soundcore"]),
];

/// What is in the FAT partition, with the bytes of each.
pub fn boot_files() -> Vec<(String, Vec<u8>)> {
    let kernel = |version: &str, seed: u32| {
        let mut plain = noise(seed, 3 << 20);
        plain.splice(1000..1000, format!("Linux version {version} (builder@example) ").into_bytes());
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).expect("memory");
        packed.finish().expect("memory")
    };
    let mut files = vec![
        ("kernel8.img".to_owned(), kernel(V8, 1)),
        ("kernel_2712.img".to_owned(), kernel(V2712, 2)),
        ("initramfs8".to_owned(), noise(3, 5000)),
        ("config.txt".to_owned(), b"arm_64bit=1\n".to_vec()),
        ("cmdline.txt".to_owned(), b"root=PARTUUID=1-2\n".to_vec()),
        ("LICENCE.broadcom".to_owned(), b"terms\n".to_vec()),
        ("overlays/README".to_owned(), b"overlays\n".to_vec()),
    ];
    let names = ["start.elf", "fixup.dat", "start4.elf", "fixup4.dat", "bootcode.bin", "start4x.elf"].into_iter();
    let trees = ["bcm2710-rpi-3-b.dtb", "bcm2711-rpi-4-b.dtb", "bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb"];
    let overlays = ["overlays/overlay_map.dtb", "overlays/disable-bt.dtbo", "overlays/a-long-name-of-an-overlay.dtbo"];
    for (seed, name) in (10..).zip(names.chain(trees).chain(overlays)) {
        files.push((name.to_owned(), noise(seed, 1000 + 3777 * seed as usize)));
    }
    files
}

/// The same bytes for the same seed.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut generator = fastrand::Rng::with_seed(u64::from(seed));
    std::iter::repeat_with(|| generator.u8(..)).take(length).collect()
}

/// Makes the image in `directory`, without the files whose name `omitted` accepts.
pub fn make(directory: &Path, omitted: impl Fn(&str) -> bool) -> PathBuf {
    let boot = directory.join("boot");
    for (name, bytes) in boot_files().iter().filter(|(name, _)| !omitted(name)) {
        let path = boot.join(name);
        fs::create_dir_all(path.parent().expect("in a directory")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }
    let root = directory.join("root");
    make_root(&root, &directory.join("object"), &omitted);

    let image = directory.join("raspios.img");
    let file = File::create(&image).expect("a file");
    file.set_len(ROOT_START + ROOT_SIZE).expect("room");
    let table = format!(
        "label: dos\nlabel-id: 0x12345678\nstart={}, size={}, type=c\nstart={}, size={}, type=83\n",
        BOOT_START / 512,
        BOOT_SIZE / 512,
        ROOT_START / 512,
        ROOT_SIZE / 512
    );
    fs::write(directory.join("table"), table).expect("a file");
    let script = "sfdisk --quiet --no-reread --no-tell-kernel \"$1\" < \"$2\"";
    run("sh", &["-c", script, "sh", as_str(&image), as_str(&directory.join("table"))]);

    let fat = directory.join("boot.fat");
    File::create(&fat).expect("a file").set_len(BOOT_SIZE).expect("room");
    run("mkfs.vfat", &["-F", "32", "-n", "bootfs", as_str(&fat)]);
    run("sh", &["-c", "cd \"$2\" && mcopy -s -i \"$1\" * ::", "sh", as_str(&fat), as_str(&boot)]);
    let mut whole = File::options().write(true).open(&image).expect("our file");
    whole.seek(SeekFrom::Start(BOOT_START)).expect("a seek in a file");
    io::copy(&mut File::open(&fat).expect("our file"), &mut whole).expect("room");

    let offset = format!("offset={ROOT_START}");
    let blocks = format!("{}k", ROOT_SIZE >> 10);
    run(
        "mke2fs",
        &["-q", "-F", "-t", "ext4", "-L", "rootfs", "-d", as_str(&root), "-E", &offset, as_str(&image), &blocks],
    );
    image
}

fn make_root(root: &Path, object: &Path, omitted: &impl Fn(&str) -> bool) {
    fs::create_dir_all(root.join("usr/lib/firmware/rtl_nic")).expect("a directory");
    symlink("usr/lib", root.join("lib")).expect("a link");
    fs::write(root.join("usr/lib/firmware/rtl_nic/rtl8153a-4.fw"), b"microcode").expect("a file");
    fs::write(root.join("usr/lib/firmware/rtl_nic/other.fw"), b"for others").expect("a file");
    let compiled: Vec<(&str, Vec<u8>)> = MODULES.map(|(path, info)| (path, xz(&module(object, info)))).into();
    for version in [V8, V2712, "6.12.47+rpt-rpi-v7l"] {
        let directory = root.join("usr/lib/modules").join(version);
        fs::create_dir_all(&directory).expect("a directory");
        for (path, bytes) in compiled.iter().filter(|(path, _)| !omitted(path)) {
            let path = directory.join("kernel").join(format!("{path}.xz"));
            fs::create_dir_all(path.parent().expect("in a directory")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
        fs::write(directory.join("modules.builtin"), "kernel/drivers/scsi/scsi_mod.ko\n").expect("a file");
        fs::write(directory.join("modules.dep"), "not read\n").expect("a file");
        symlink(format!("/usr/src/linux-headers-{version}"), directory.join("build")).expect("a link");
    }
}

/// An object with a `.modinfo` section, as the compiler makes it.
fn module(object: &Path, info: &[&str]) -> Vec<u8> {
    let source = object.with_extension("s");
    let lines: String = info.iter().map(|line| format!(".asciz \"{line}\"\n")).collect();
    fs::write(&source, format!(".section .modinfo,\"a\"\n.asciz \"license=GPL\"\n{lines}")).expect("a file");
    run("gcc", &["-c", "-o", as_str(object), as_str(&source)]);
    fs::read(object).expect("our file")
}

/// Compressed with xz.
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// The smallest file that is a static program for arm64; nothing here runs it.
pub fn installer(directory: &Path) -> PathBuf {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64, 0);
    header[16] = 2;
    header[18] = 183;
    let path = directory.join("hatchery-installer");
    fs::write(&path, header).expect("a file");
    path
}
