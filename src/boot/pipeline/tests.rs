//! Stage by milestone: the whole table.

use super::*;

fn stages() -> [Stage; 9] {
    use Stage::*;
    [Waiting, Address, Loader, Installer, Writing, Verifying, FirstBoot, Done, Failed("why".into())]
}

fn reported(word: &str) -> Milestone {
    Milestone::Reported(word.into(), Some("disk".into()))
}

/// What each stage becomes by `milestone`, by the first two letters of the words; `..` stays.
fn row(order: Order, milestone: &Milestone) -> String {
    let to =
        |stage: &Stage| next(stage, order, milestone).map_or("..".to_owned(), |stage| stage.word()[..2].to_owned());
    stages().iter().map(to).collect::<Vec<_>>().join(" ")
}

#[test]
#[rustfmt::skip]
fn every_stage_and_every_milestone() {
    use Milestone::*;
    use Order::{Disk, Hold, Install};
    let table = [
        //                                                         wa ad lo in wr ve fi do fa
        (Install, Bound(Firmware::RaspberryPi5),                  "ad .. ad ad ad ad ad ad ad"),
        (Install, Bound(Firmware::Unknown),                       "ad .. ad ad ad ad ad ad ad"),
        (Install, Bound(Firmware::Plain),                         ".. .. .. .. .. .. .. .. .."),
        (Disk,    Bound(Firmware::RaspberryPi5),                  ".. .. .. .. .. .. .. .. .."),
        (Hold,    Bound(Firmware::RaspberryPi5),                  ".. .. .. .. .. .. .. .. .."),
        (Install, BootFile,                                       "lo lo .. .. .. .. .. .. .."),
        (Disk,    BootFile,                                       ".. .. .. .. .. .. .. .. .."),
        (Hold,    BootFile,                                       ".. .. .. .. .. .. .. .. .."),
        (Install, Image,                                          "wr wr wr wr .. .. .. .. .."),
        (Disk,    Image,                                          ".. .. .. .. .. .. .. .. .."),
        (Hold,    Image,                                          ".. .. .. .. .. .. .. .. .."),
        (Install, ConfigAsked,                                    "in in in .. .. .. .. .. in"),
        (Disk,    ConfigAsked,                                    "in in in .. .. .. .. .. in"),
        (Install, reported("starting"),                           "in in in .. in in in in in"),
        (Install, reported("downloading"),                        "wr wr wr wr .. wr wr wr wr"),
        (Install, reported("verifying"),                          "ve ve ve ve ve .. ve ve ve"),
        (Install, reported("customizing"),                        "fi fi fi fi fi fi .. fi fi"),
        (Install, reported("success"),                            ".. .. do do do do do .. do"),
        (Install, reported("failed"),                             "fa fa fa fa fa fa fa fa fa"),
        (Install, reported("Success"),                            ".. .. .. .. .. .. .. .. .."),
        (Install, reported(""),                                   ".. .. .. .. .. .. .. .. .."),
        (Install, Silent(900),                                    ".. fa fa fa fa fa fa .. .."),
        (Hold,    Silent(900),                                    ".. fa fa fa fa fa fa .. .."),
        (Install, Reinstall,                                      ".. wa wa wa wa wa wa wa wa"),
    ];
    for (order, milestone, expected) in table {
        assert_eq!(row(order, &milestone), expected, "{order:?} {milestone:?}");
    }
}

#[test]
fn what_a_failure_says() {
    let failed = |message: Option<&str>| {
        next(&Stage::Writing, Order::Install, &Milestone::Reported("failed".into(), message.map(str::to_owned)))
    };
    assert_eq!(failed(Some(" no space \n")), Some(Stage::Failed("no space".into())));
    for empty in [None, Some(""), Some("  ")] {
        assert_eq!(failed(empty), Some(Stage::Failed("the installer reported a failure without a message".into())));
    }
    let silent = next(&Stage::FirstBoot, Order::Install, &Milestone::Silent(900));
    assert_eq!(silent, Some(Stage::Failed("no sign of life for 900 s in stage first-boot".into())));
    let again = Milestone::Reported("failed".into(), Some("why".into()));
    assert_eq!(next(&Stage::Failed("why".into()), Order::Install, &again), None, "the same failure is no news");
}
