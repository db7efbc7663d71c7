//! Machines with drives of every kind, as trees of sysfs.

use std::os::unix::fs::symlink;

use super::*;

/// A machine under construction.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().expect("a directory"));
        for name in ["sys/block", "sys/class/block", "proc/self", "dev"] {
            fs::create_dir_all(machine.root().join(name)).expect("directories");
        }
        machine
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    /// A block device at this place of `sys/devices`, with these files; `device` is the directory two above it.
    fn block(self, place: &str, gib: u64, files: &[(&str, &str)]) -> Machine {
        let path = self.root().join("sys/devices").join(place);
        let name = path.file_name().expect("a name").to_owned();
        fs::create_dir_all(&path).expect("directories");
        fs::write(path.join("size"), format!("{}\n", gib << 21)).expect("a file");
        if let Some(device) = place.split_once("/block/").map(|(device, _)| device) {
            symlink(self.root().join("sys/devices").join(device), path.join("device")).expect("a link");
        }
        for (file, text) in files {
            fs::create_dir_all(path.join(file).parent().expect("a parent")).expect("directories");
            fs::write(path.join(file), text).expect("a file");
        }
        symlink(&path, self.root().join("sys/class/block").join(&name)).expect("a link");
        if !path.join("partition").exists() {
            symlink(&path, self.root().join("sys/block").join(&name)).expect("a link");
        }
        self
    }

    fn file(self, name: &str, text: &str) -> Machine {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("a file");
        self
    }

    fn drives(&self) -> Vec<Drive> {
        inventory(self.root())
    }
}

const GIB: u64 = 1 << 30;

#[test]
fn every_kind_of_drive_is_described() {
    let machine = Machine::new()
        .block(
            "pci0/ata1/host0/target0/0:0:0:0/block/sda",
            466,
            &[
                ("device/vendor", "ATA     \n"),
                ("device/model", "Samsung SSD 870 \n"),
                ("device/vpd_pg80", "\0\u{7f}\0\u{14}     S62ANJ0R123456\0"),
                ("removable", "0\n"),
                ("ro", "0\n"),
            ],
        )
        .block(
            "pci0/usb2/2-1/2-1:1.0/host4/target4/4:0:0:0/block/sdb",
            29,
            &[("device/vendor", "SanDisk \n"), ("device/model", "Ultra Fit\n"), ("removable", "1\n")],
        )
        .file("sys/devices/pci0/usb2/2-1/idVendor", "0781\n")
        .file("sys/devices/pci0/usb2/2-1/serial", "4C530001\n")
        .block("pci0/virtio3/host6/target6/6:0:0:0/block/sdc", 1, &[("ro", "1\n")])
        .block(
            "pci0/nvme/nvme0/nvme0n1",
            256,
            &[("device/model", "WD_BLACK SN770 500GB     \n"), ("device/serial", "21513C800057        \n")],
        )
        .block(
            "soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0",
            32,
            &[("device/name", "SD32G\n"), ("device/serial", "0x12345678\n")],
        )
        .block("pci0/virtio1/block/vda", 8, &[("device/vendor", "0x1af4\n"), ("serial", "disk-7")]);
    let told: Vec<_> = machine
        .drives()
        .into_iter()
        .map(|d| (d.path, d.model, d.serial, d.size / GIB, d.transport.word(), d.removable, d.read_only))
        .collect();
    let expected = [
        ("/dev/mmcblk0", "SD32G", "0x12345678", 32, "mmc", false, false),
        ("/dev/nvme0n1", "WD_BLACK SN770 500GB", "21513C800057", 256, "nvme", false, false),
        ("/dev/sda", "Samsung SSD 870", "S62ANJ0R123456", 466, "ata", false, false),
        ("/dev/sdb", "SanDisk Ultra Fit", "4C530001", 29, "usb", true, false),
        ("/dev/sdc", "", "", 1, "scsi", false, true),
        ("/dev/vda", "virtio disk", "disk-7", 8, "virtio", false, false),
    ];
    let expected = expected.map(|(path, model, serial, gib, transport, removable, read_only)| {
        (path.to_owned(), model.to_owned(), serial.to_owned(), gib, transport, removable, read_only)
    });
    assert_eq!(told, expected);
}

#[test]
fn what_is_no_drive_is_left_out() {
    let mut machine = Machine::new();
    for name in ["loop0", "ram0", "zram0", "sr0", "dm-0", "md127", "mtdblock0", "nbd3"] {
        machine = machine.block(&format!("virtual/block/{name}"), 1, &[]);
    }
    machine = machine.block("soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0boot0", 1, &[]).block(
        "pci0/nvme/nvme0/nvme0c0n1",
        1,
        &[("hidden", "1\n")],
    );
    assert_eq!(machine.drives(), []);
}

#[test]
fn a_drive_that_this_system_runs_from_is_marked() {
    let machine = Machine::new()
        .block("pci0/ata1/host0/target0/0:0:0:0/block/sda", 466, &[])
        .block("pci0/ata1/host0/target0/0:0:0:0/block/sda/sda1", 1, &[("partition", "1\n")])
        .block("pci0/ata2/host1/target1/1:0:0:0/block/sdb", 466, &[])
        .block("pci0/ata2/host1/target1/1:0:0:0/block/sdb/sdb2", 1, &[("partition", "2\n")])
        .block("virtual/block/dm-0", 1, &[("slaves/sdb2/x", "")])
        .block("pci0/virtio1/block/vda", 8, &[])
        .block("pci0/nvme/nvme0/nvme0n1", 256, &[])
        .file("dev/dm-0", "")
        .file(
            "proc/self/mounts",
            "proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/mapper/vg-home /home ext4 rw 0 0\n",
        )
        .file("proc/swaps", "Filename\tType\tSize\n/dev/vda partition 1\n");
    fs::create_dir(machine.root().join("dev/mapper")).expect("a directory");
    symlink("../dm-0", machine.root().join("dev/mapper/vg-home")).expect("a link");
    let used: Vec<String> = machine.drives().into_iter().filter(|drive| drive.boot_medium).map(|d| d.path).collect();
    assert_eq!(used, ["/dev/sda", "/dev/sdb", "/dev/vda"]);
}

#[test]
fn a_file_can_stand_for_a_drive() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("disk.img");
    fs::write(&path, [0; 4096]).expect("a file");
    assert_eq!(file_as_drive(&path).map(|drive| drive.size), Some(4096));
    assert_eq!(file_as_drive(directory.path()), None);
    assert_eq!(file_as_drive(&directory.path().join("none")), None);
}
