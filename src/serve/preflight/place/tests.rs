use std::collections::BTreeMap;

use super::super::Level;
use super::*;
use crate::machine::firmware::Firmware;

fn profile(boot_file: Option<&str>, tree: Option<&str>) -> Profile {
    Profile {
        name: "pc".into(),
        tree: tree.map(str::to_owned),
        boot_file: boot_file.map(str::to_owned),
        answers: BTreeMap::from([("boot.ipxe".to_owned(), "t".to_owned())]),
        ..Profile::default()
    }
}

fn answers(text: &str) -> Answers {
    Answers::compile(&BTreeMap::from([("t".to_owned(), text.to_owned())])).0
}

fn place(directory: &Path) -> Place {
    let site = Site::new(Vec::new());
    Place {
        site: Arc::new(site),
        profiles: Vec::new(),
        images: directory.to_owned(),
        image_files: BTreeMap::new(),
        boot: directory.to_owned(),
        journal: directory.join("hatchery.db"),
        templates: Finding::green("templates", ""),
        indexes: Vec::new(),
        receive_buffer: None,
    }
}

#[test]
fn a_boot_file_is_found_where_it_is_served_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = place(directory.path());
    let level = |boot_file, tree| place.boot_files(&profile(boot_file, tree)).level;
    std::fs::create_dir(directory.path().join("pi")).expect("a tree");
    std::fs::write(directory.path().join("pi/kernel.img"), "").expect("a file");
    std::fs::write(directory.path().join("top.efi"), "").expect("a file");
    assert_eq!(level(Some("kernel.img"), Some("pi")), Level::Green, "in the tree");
    assert_eq!(level(Some("top.efi"), Some("pi")), Level::Green, "beside the tree");
    assert_eq!(level(Some("kernel.img"), None), Level::Amber, "not in the boot directory");
    assert_eq!(level(Some("boot.ipxe"), None), Level::Green, "rendered");
    assert_eq!(level(Some("http://192.168.151.9/x.efi"), None), Level::Green, "served by others");
    assert_eq!(level(Some("../secret"), None), Level::Amber, "never served");
    assert_eq!(level(None, Some("pi5")), Level::Amber, "no such tree");
}

#[test]
fn a_file_that_an_old_eeprom_cannot_load_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = place(directory.path());
    std::fs::create_dir_all(directory.path().join("pi/overlays")).expect("a tree");
    let file = std::fs::File::create(directory.path().join("pi/overlays/initramfs.img")).expect("a file");
    let pi = Profile { firmware: vec![Firmware::RaspberryPi4], ..profile(None, Some("pi")) };
    for (size, level) in [(32 << 20, Level::Green), ((32 << 20) + 1, Level::Amber)] {
        file.set_len(size).expect("a sparse file");
        let finding = place.boot_files(&pi);
        assert_eq!(finding.level, level, "{finding:?}");
        assert_eq!(place.boot_files(&profile(None, Some("pi"))).level, Level::Green, "no Raspberry Pi reads it");
    }
    assert!(place.boot_files(&pi).what.contains("initramfs.img has 32 MiB"));
}

#[test]
fn a_missing_image_says_where_to_put_which_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let product = ProductName::parse("KXP2").expect("a product");
    let path = directory.path().join("kxp2_master.img");
    let finding = image(&product, &path);
    assert_eq!(finding.level, Level::Amber);
    assert_eq!(
        finding.hint,
        format!(
            "hatchery image add FILE --product KXP2 --activate, or put kxp2_master.img into {}",
            directory.path().display()
        )
    );
    std::fs::write(&path, "").expect("a file");
    assert_eq!(image(&product, &path).level, Level::Green);
}

#[test]
fn a_template_that_names_something_unknown_is_red_and_named() {
    let profiles = [profile(None, None)];
    assert_eq!(templates(&profiles, &answers("{{ hostname }}")).level, Level::Green);
    let finding = templates(&profiles, &answers("{{ hostnam }}"));
    assert_eq!(finding.level, Level::Red);
    assert!(finding.what.contains("t:1"), "{finding:?}");
}

#[test]
fn a_journal_without_a_directory_is_red() {
    let directory = tempfile::tempdir().expect("a directory");
    let levels = |path: &Path| place(path).journal().iter().map(|finding| finding.level).collect::<Vec<_>>();
    assert_eq!(levels(&directory.path().join("missing")), [Level::Red]);
    assert_eq!(levels(directory.path())[0], Level::Green);
}

#[test]
fn a_disk_that_is_nearly_full_is_red() {
    let directory = Path::new("data");
    assert_eq!(room_finding(ROOM_MIN, directory).level, Level::Green);
    let finding = room_finding(ROOM_MIN - 1, directory);
    assert_eq!(finding.level, Level::Red);
    assert_eq!(finding.what, "less than 100 MB are free in data");
}

#[test]
fn a_kernel_with_small_buffers_is_told_with_the_command_that_enlarges_them() {
    assert_eq!(buffers_finding(dhcp::RECEIVE_BUFFER).level, Level::Green);
    let finding = buffers_finding(dhcp::RECEIVE_BUFFER - 1);
    assert_eq!(finding.level, Level::Amber);
    assert_eq!(finding.hint, format!("sysctl -w net.core.rmem_max={}", dhcp::RECEIVE_BUFFER));
}

#[test]
fn a_clock_from_before_hatchery_is_told() {
    assert!(clock_finding(Timestamp::default()).is_some_and(|finding| finding.level == Level::Amber));
    assert_eq!(clock_finding(EPOCH), None);
}

#[test]
fn sockets_on_port_67_are_found_by_their_inode() {
    let text = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  338: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 19467 2 0000000000000000 0
  338: 0100A8C0:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20001 2 0000000000000000 0
";
    assert_eq!(on_port_67(text).collect::<Vec<_>>(), [19467]);
}

#[test]
fn the_image_that_an_operator_activated_is_looked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let product = ProductName::parse("KXP2").expect("a name");
    let image_files = BTreeMap::from([(product.clone(), "kxp2_master.img".to_owned())]);
    let place = Place { image_files, ..place(directory.path()) };
    let level = |active: &BTreeMap<ProductName, String>| {
        let findings = place.look(active);
        findings.into_iter().find(|finding| finding.check == "image KXP2").map(|finding| finding.level)
    };
    std::fs::write(directory.path().join("server.img"), "").expect("a file");
    let active = BTreeMap::from([(product.clone(), "server.img".to_owned())]);
    assert_eq!((level(&BTreeMap::new()), level(&active)), (Some(Level::Amber), Some(Level::Green)));
    std::fs::write(directory.path().join("kxp2_master.img"), "").expect("a file");
    std::fs::remove_file(directory.path().join("server.img")).expect("removed");
    assert_eq!((level(&BTreeMap::new()), level(&active)), (Some(Level::Green), Some(Level::Amber)));
}
