use super::*;
use crate::config::builtin;
use crate::config::tests::{check, config};

#[test]
fn the_default_profiles_boot_every_firmware_we_know_a_loader_for() {
    let config = config("");
    let boots = |firmware: Firmware| {
        let profile = config.profiles.iter().find(|profile| profile.firmware.contains(&firmware))?;
        Some((profile.name.as_str(), profile.boot_file_for(firmware)))
    };
    assert_eq!(boots(Firmware::RaspberryPi4), Some(("raspberry-pi", None)));
    assert_eq!(boots(Firmware::RaspberryPi5), Some(("raspberry-pi", None)));
    assert_eq!(boots(Firmware::BiosPxe), Some(("pc", Some("ipxe/undionly.kpxe"))));
    assert_eq!(boots(Firmware::UefiX64), Some(("pc", Some("ipxe/x86_64/snponly.efi"))));
    assert_eq!(boots(Firmware::UefiHttpX64), Some(("pc", Some("ipxe/x86_64/snponly.efi"))));
    assert_eq!(boots(Firmware::UefiArm64), Some(("pc", Some("grub/arm64/grub.efi"))));
    assert_eq!(boots(Firmware::UefiHttpArm64), Some(("pc", Some("grub/arm64/grub.efi"))));
    assert_eq!(boots(Firmware::Ipxe), Some(("ipxe", Some("boot.ipxe"))));
    assert_eq!(boots(Firmware::UBoot), Some(("u-boot", Some("grub.efi"))));
    assert_eq!(boots(Firmware::Plain), None);
    assert!(config.profiles.iter().all(|profile| profile.product.is_none() && profile.venue.is_none()));
    let templates = config.profiles.iter().flat_map(|profile| profile.answers.values());
    assert!(templates.clone().all(|name| builtin::template(name).is_some()), "{:?}", templates.collect::<Vec<_>>());
}

#[test]
fn profiles() {
    let profile = |text: &str| format!("[[profile]]\nname = \"p\"\n{text}\n");
    let pi = |text: &str| profile(&format!("firmware = [\"raspberry-pi-5\"]\n{text}"));
    check("[[profile]]\nfirmware = []", "3:1: profile.name: the name is missing; write name = \"raspberry-pi\"");
    check(
        &profile(""),
        "3:1: profile.firmware: the firmware is missing; write firmware = [\"raspberry-pi-5\"], or [] for reservations only",
    );
    check(
        &profile("firmware = [\"pi5\"]"),
        "5:13: profile.firmware: unknown firmware \"pi5\"; one of raspberry-pi-3, raspberry-pi-4, raspberry-pi-5, bios, uefi-x64, \
         uefi-arm64, uefi-http-x64, uefi-http-arm64, ipxe, u-boot, plain, unknown",
    );
    check(
        &profile("firmware = [\"uefi-x64\", \"ipxe\"]\nboot_files = { ipxe = \"a\" }"),
        "5:13: profile.firmware: uefi-x64 needs a boot file; add boot_file = \"…\", or boot_files for this firmware",
    );
    check(
        &profile("firmware = [\"plain\"]"),
        "5:13: profile.firmware: plain clients boot nothing; leave it out: they get an address in any case; or give the \
         profile answers for them",
    );
    check(
        &profile("firmware = [\"raspberry-pi-5\", \"raspberry-pi-5\"]"),
        "5:31: profile.firmware: raspberry-pi-5 stands there twice",
    );
    check(&format!("{}{}", pi(""), pi("")), "8:8: profile.name: the profile \"p\" stands already on line 4");
    check(
        &pi("failed = \"reinstall\""),
        "6:10: profile.failed: \"reinstall\" is not \"install\", \"disk\" or \"hold\"; write it like \"disk\"",
    );
    check(&pi("product = \"RXP\""), "6:11: profile.product: unknown product \"RXP\"; did you mean \"RXP2\"?");
    check(&pi("venue = \"SPAA\""), "6:9: profile.venue: unknown venue \"SPAA\"; nothing is known here");
    check(
        &pi("tree = \"/pi\""),
        "6:8: profile.tree: \"/pi\" is not a directory below the boot directory; write it like \"pi\"",
    );
    check(
        &pi("boot_files = { raspberry-pi-5 = \"a\" }"),
        "6:16: profile.boot_files.raspberry-pi-5: raspberry-pi-5 takes no boot file; it asks for its files by fixed names; set tree and answers",
    );
    check(
        &pi("[profile.answers]\n\"boot/a\" = \"t\""),
        "7:1: profile.answers.\"boot/a\": nobody asks for \"boot/a\"; names are those of TFTP; /boot/ comes in front of them in HTTP only",
    );
    check(
        &pi("[profile.answers]\na = \"../t\""),
        "7:1: profile.answers.a: \"../t\" is not a template's name; write it like \"pi/config.txt\"",
    );
}

#[test]
fn variables_of_a_profile_go_before_those_of_all() {
    let config = config(
        "[vars]\na = \"all\"\nb = \"all\"\n\
         [[profile]]\nname = \"p\"\nfirmware = []\nvars = { b = \"own\", c = \"two\\nlines\" }\n\
         [[profile]]\nname = \"q\"\nfirmware = []\n",
    );
    let vars = |index: usize| config.profiles[index].vars.0.iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>();
    assert_eq!(vars(0), ["a=all", "b=own", "c=two\nlines"]);
    assert_eq!(vars(1), ["a=all", "b=all"]);
    let hint = "letters, digits and _, such as root_password_hash";
    check("[vars]\na-b = \"\"", &format!("4:1: vars.a-b: no template can name \"a-b\"; {hint}"));
    check("[vars]\na = 1", "4:1: vars.a: expected a string, found a whole number; put it in quotes");
}

#[test]
fn proxmox_installers_are_told_where_to_ask() {
    let url = |text: &str| {
        let options = &config(text).site.links[0].options;
        let option = options.iter().find(|option| option.number == 250);
        option.map(|option| String::from_utf8_lossy(&option.value).into_owned())
    };
    let profile = "[[profile]]\nname = \"p\"\nfirmware = []\nanswers = { \"answer.toml\" = \"proxmox/answer.toml\" }\n";
    assert_eq!(url(""), None);
    assert_eq!(url(profile).as_deref(), Some("http://192.168.151.1/answer"));
    assert_eq!(url(&format!("[http]\nports = [8080]\n{profile}")).as_deref(), Some("http://192.168.151.1:8080/answer"));
    let own = format!("[network.options]\n250 = {{ type = \"text\", value = \"http://x/\" }}\n{profile}");
    assert_eq!(url(&own).as_deref(), Some("http://x/"));
}

#[test]
fn ipxe_is_not_told_to_load_itself() {
    let profile = |text: &str| format!("[[profile]]\nname = \"pc\"\n{text}");
    check(
        &profile("firmware = [\"uefi-x64\", \"ipxe\"]\nboot_file = \"ipxe/x86_64/snponly.efi\""),
        "5:12: profile.firmware: iPXE would load itself for ever from ipxe/x86_64/snponly.efi; give it a script or a kernel: boot_files = { ipxe = \"boot.ipxe\" }",
    );
    for file in ["boot.ipxe", "ipxe/boot.php", "grubx64.efi", "installer/vmlinuz"] {
        config(&profile(&format!("firmware = [\"uefi-x64\", \"ipxe\"]\nboot_file = \"{file}\"")));
    }
}

#[test]
fn what_a_pi_finds_in_option_43() {
    let pi = |text: &str| format!("[[profile]]\nname = \"pi\"\nfirmware = [\"raspberry-pi-5\"]\n{text}");
    let menu = config(&pi("pi_menu = \"raw\"\npi_menu_entry = \"Kart\"")).profiles[0].pi_menu.clone();
    assert_eq!((menu.raw, menu.entry.as_str()), (true, "Kart"));
    check(
        &pi("pi_menu = \"row\""),
        "6:11: profile.pi_menu: \"row\" is not \"menu\" or \"raw\"; write it like \"menu\"",
    );
}
