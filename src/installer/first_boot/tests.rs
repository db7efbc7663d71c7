//! Where the boot partition is mounted, and what cmdline.txt becomes.

use super::*;

#[test]
fn the_script_is_started_from_where_the_image_mounts_its_boot_partition() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let bullseye = "Raspberry Pi reference 2023-05-03\nGenerated using pi-gen";
    let bookworm = "Raspberry Pi reference 2023-10-10\nGenerated using pi-gen";
    let line = "console=tty1 root=PARTUUID=1-02 rootwait init=/usr/lib/raspberrypi-sys-mods/firstboot";
    assert_eq!(mount_point("[all]\n", line, &names(&["kernel8.img"]), Some(bullseye)), "/boot");
    assert_eq!(mount_point("[all]\n", line, &names(&["kernel8.img"]), None), "/boot");
    assert_eq!(mount_point("[all]\n", line, &names(&[]), Some(bookworm)), "/boot/firmware");
    assert_eq!(mount_point("auto_initramfs=1\n", line, &names(&[]), None), "/boot/firmware");
    assert_eq!(mount_point("", line, &names(&["INITRAMFS8"]), None), "/boot/firmware");
}

#[test]
fn the_command_line_keeps_its_words_and_stays_one_line() {
    let line = started_once("console=tty1 root=/dev/sda2 rootwait\n\n", "/boot");
    assert_eq!(
        line,
        "console=tty1 root=/dev/sda2 rootwait systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot \
         systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target\n"
    );
    assert_eq!(started_once(&line, "/boot"), line, "again is the same");
}
