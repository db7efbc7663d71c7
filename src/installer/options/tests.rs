//! Command lines as the shipped templates write them, and arguments with their faults.

use super::*;

fn run(arguments: &[&str]) -> Result<Asked, String> {
    Options::from_arguments(arguments.iter().map(|each| (*each).to_owned()))
}

#[test]
fn the_kernel_command_line_of_the_templates_is_understood() {
    let line = "console=serial0,115200 console=tty1 ip=dhcp hatchery.server=http://192.168.151.1/ \
        hatchery.serial=10000000abcdef01 hatchery.product=KXP2 hatchery.venue=SPAA quiet\n";
    let (options, complaints) = Options::from_kernel(line);
    let expected = Options {
        server: Some("http://192.168.151.1".to_owned()),
        serial: Some("10000000abcdef01".to_owned()),
        product: Some("KXP2".to_owned()),
        venue: Some("SPAA".to_owned()),
        ..Options::default()
    };
    assert_eq!((options, complaints), (expected, Vec::new()));
}

#[test]
fn the_boot_interface_is_known_in_both_spellings() {
    for text in ["BOOTIF=01-52-54-00-12-34-56", "BOOTIF=52:54:00:12:34:56", "BOOTIF=01-52-54-00-12-34-56 x=\"a b\""] {
        let (options, _) = Options::from_kernel(text);
        assert_eq!(options.boot_mac, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])), "{text}");
    }
    assert_eq!(Options::from_kernel("BOOTIF=nonsense").0.boot_mac, None);
}

#[test]
fn what_the_kernel_command_line_has_wrong_is_told_and_left_out() {
    let line = "hatchery.server= hatchery.after=explode hatchery.colour=red hatchery.product=\"KX P2\"";
    let (options, complaints) = Options::from_kernel(line);
    assert_eq!(options, Options { product: Some("KX P2".to_owned()), ..Options::default() });
    assert_eq!(complaints.len(), 3, "{complaints:?}");
    assert!(complaints[1].contains("hatchery.after=explode: must be reboot, poweroff or wait"), "{complaints:?}");
}

#[test]
fn arguments_are_read_in_both_spellings() {
    let spaced = run(&["--server", "192.168.151.1:8080", "--target", "/dev/sda", "--after", "wait"]);
    let joined = run(&["--server=http://192.168.151.1:8080", "--target=/dev/sda", "--after=wait"]);
    assert_eq!(spaced, joined);
    let Ok(Asked::Run(options)) = spaced else { panic!("{spaced:?}") };
    assert_eq!(options.server.as_deref(), Some("http://192.168.151.1:8080"));
    assert_eq!(options.after, Some(After::Wait));
    assert_eq!(run(&["--help"]), Ok(Asked::Help));
    assert_eq!(run(&["-V"]), Ok(Asked::Version));
}

#[test]
fn wrong_arguments_are_answered_with_a_sentence() {
    for (arguments, sentence) in [
        (&["--server"][..], "--server needs a value"),
        (&["/dev/sda"][..], "/dev/sda: what is this for?"),
        (&["--server", "https://x/y"][..], "must be http://ADDRESS[:PORT]"),
        (&["--serve", "x"][..], "no such option"),
        (&["--target", "/dev/sda"][..], "which server?"),
        (&["--server", "a", "--json"][..], "--json goes with --dry-run"),
    ] {
        let answer = run(arguments);
        assert!(answer.as_ref().is_err_and(|text| text.contains(sentence)), "{arguments:?}: {answer:?}");
    }
}

#[test]
fn the_help_names_every_option() {
    for name in ["server", "interface", "target", "serial", "product", "venue", "after", "dry-run", "json"] {
        assert!(HELP.contains(&format!("--{name} ")), "--help does not name --{name}");
    }
}
