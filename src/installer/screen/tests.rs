//! Pages and lines to the letter.

use super::*;
use crate::net::Mac;

fn facts() -> Facts {
    Facts {
        hostname: Some("KXP2-SPAA-007".into()),
        serial: Some("10000000d9780558".into()),
        mac: Some(Mac([0xdc, 0xa6, 0x32, 1, 0x36, 0xc2])),
        model: "Raspberry Pi 5 Model B Rev 1.0".into(),
        address: Some("192.168.151.100/24".into()),
        server: Some("http://192.168.151.1".into()),
        stage: "downloading",
        doing: "Writing the image to /dev/nvme0n1".into(),
        work: Some(Work { done: 1_280_000_000, total: 2_700_000_000, rate: 112_400_000 }),
        temperature: Some(51.7),
        lines: ["drive: /dev/nvme0n1 (WD, 500.1 GB)".to_owned()].into(),
        ..Facts::default()
    }
}

#[test]
fn a_page_of_work() {
    let expected = format!(
        "\
hatchery installer {}

Machine  KXP2-SPAA-007   serial 10000000d9780558   dc:a6:32:01:36:c2
Model    Raspberry Pi 5 Model B Rev 1.0
Server   http://192.168.151.1   our address 192.168.151.100/24

Writing the image to /dev/nvme0n1

[############################................................]  47 %
1.2 GB of 2.7 GB   112.4 MB/s   0:13 left   52 C

  drive: /dev/nvme0n1 (WD, 500.1 GB)",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(page(&facts()).join("\n"), expected);
}

#[test]
fn a_page_of_success_and_one_of_failure() {
    let done = Outcome::Done { next: "The machine reboots from its drive.".into() };
    let text = page(&Facts { outcome: Some(done), ..facts() }).join("\n");
    let expected = "\
####     ###    #   #   #####
#   #   #   #   ##  #   #
#   #   #   #   # # #   ####
#   #   #   #   #  ##   #
####     ###    #   #   #####

It is safe to remove power.
The machine reboots from its drive.";
    assert!(text.ends_with(expected), "{text}");

    let why = "There is no drive to install on: /dev/sda (SanDisk, 32.0 GB) can be unplugged and is not in the profile's \
               list of targets.";
    let failed = Outcome::Failed { why: why.into(), next: "It is tried again in 60 seconds.".into() };
    let text = page(&Facts { outcome: Some(failed), ..facts() }).join("\n");
    let expected = "\
There is no drive to install on: /dev/sda (SanDisk, 32.0 GB) can be unplugged
and is not in the profile's list of targets.
It is tried again in 60 seconds.";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn lines_say_the_same_in_short() {
    assert_eq!(
        line(&facts()),
        "Writing the image to /dev/nvme0n1 47 % 1.2 GB of 2.7 GB   112.4 MB/s   0:13 left   52 C"
    );
    let waiting = Facts { doing: "Waiting for a link".into(), unheard: Some("refused".into()), ..Facts::default() };
    assert_eq!(line(&waiting), "Waiting for a link  (the server does not hear us)");
    let failed = Outcome::Failed { why: "No drive.".into(), next: "Again in 60 s.".into() };
    assert_eq!(line(&Facts { outcome: Some(failed), ..facts() }), "FAILED: No drive. Again in 60 s.");
}

#[test]
fn a_page_fits_every_display_and_holds_no_control_characters() {
    let long = "x\u{1b}[2J\u{e9} ".repeat(300);
    let mut all = Facts { doing: long.clone(), model: long.clone(), hostname: Some(long.clone()), ..facts() };
    all.lines = (0..40).map(|_| long.clone()).collect();
    all.unheard = Some(long.clone());
    let failed = Facts { outcome: Some(Outcome::Failed { why: long.clone(), next: long }), ..all.clone() };
    for facts in [Facts::default(), all, failed] {
        let lines = page(&facts);
        assert!(lines.len() <= 24, "{} lines", lines.len());
        for line in lines {
            assert!(line.len() <= 79 && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line:?}");
        }
        assert!(line(&facts).bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
    }
}

#[test]
fn a_serial_console_hears_every_line_once_and_how_it_stands_when_that_changes() {
    let board = Board::default();
    let mut lines = Lines { said: None, at: Instant::now(), shown: 0 };
    assert_eq!(lines.next(&board.facts()), [""; 0]);
    board.line("driver nvme");
    board.line("driver virtio_net");
    board.stage("starting", "Waiting for a drive");
    assert_eq!(lines.next(&board.facts()), ["driver nvme", "driver virtio_net", "Waiting for a drive"]);
    assert_eq!(lines.next(&board.facts()), [""; 0]);
    board.change(|facts| facts.unheard = Some("timeout".to_owned()));
    assert_eq!(lines.next(&board.facts()), ["Waiting for a drive  (the server does not hear us)"]);
    for n in 0..100 {
        board.line(&n.to_string());
    }
    assert_eq!(lines.next(&board.facts()).last().map(String::as_str), Some("99"));
    assert_eq!(lines.next(&board.facts()), [""; 0]);
}
