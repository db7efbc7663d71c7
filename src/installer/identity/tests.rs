//! Machines as directories: a Raspberry Pi, a server with DMI, a board whose vendor forgot the serial number.

use super::*;

/// A machine with these files.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("directories");
        fs::write(path, text).expect("a file");
    }
    root
}

#[test]
fn a_raspberry_pi_is_known_by_its_device_tree() {
    let root = machine(&[
        ("proc/device-tree/serial-number", "10000000d9780558\0"),
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        ("proc/meminfo", "MemTotal:        8245436 kB\nMemFree:         7000000 kB\n"),
        ("sys/class/dmi/id/product_serial", "NOT ME\n"),
    ]);
    let expected = Identity {
        serial: Some("10000000d9780558".into()),
        model: "Raspberry Pi 5 Model B Rev 1.0".into(),
        ram_bytes: 8_245_436 * 1024,
    };
    assert_eq!(Identity::read(root.path()), expected);
}

#[test]
fn a_pc_is_known_by_its_dmi() {
    let root = machine(&[
        ("sys/class/dmi/id/product_serial", "CZJ2430ABC \n"),
        ("sys/class/dmi/id/sys_vendor", "HPE\n"),
        ("sys/class/dmi/id/product_name", "ProLiant MicroServer Gen10 Plus\n"),
    ]);
    let identity = Identity::read(root.path());
    assert_eq!(identity.serial.as_deref(), Some("czj2430abc"));
    assert_eq!(identity.model, "HPE ProLiant MicroServer Gen10 Plus");
}

#[test]
fn placeholders_are_no_serial_numbers() {
    for text in [
        "To Be Filled By O.E.M.",
        "Default string",
        "0",
        "0000000000",
        "None",
        "System Serial Number",
        "Not Specified",
        "................",
        "",
        "  ",
        "xxxxxxx",
        "Chassis Serial Number",
        "N\u{1}o",
    ] {
        let root = machine(&[("sys/class/dmi/id/product_serial", text), ("sys/class/dmi/id/board_serial", "BOARD7\n")]);
        assert_eq!(Identity::read(root.path()).serial.as_deref(), Some("board7"), "{text:?}");
    }
}

#[test]
fn a_machine_that_says_nothing_has_no_serial_and_no_model() {
    assert_eq!(Identity::read(machine(&[]).path()), Identity::default());
}

#[test]
fn the_warmest_sensor_counts_and_nonsense_does_not() {
    let root = machine(&[
        ("sys/class/thermal/thermal_zone0/temp", "48250\n"),
        ("sys/class/thermal/cooling_device0/temp", "99000\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "61000\n"),
        ("sys/class/hwmon/hwmon0/temp1_max", "100000\n"),
        ("sys/class/hwmon/hwmon1/temp1_input", "-128000\n"),
        ("sys/class/hwmon/hwmon1/temp2_input", "255000\n"),
    ]);
    assert_eq!(temperature(root.path()), Some(61.0));
    assert_eq!(temperature(machine(&[]).path()), None);
}
