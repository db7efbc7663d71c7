use std::sync::Arc;

use super::*;
use crate::boot::BootPlan;
use crate::catalog::Catalog;
use crate::ids::{MachineId, ProductName};
use crate::machine::{Evidence, Machine};
use crate::net::LinkId;
use crate::site::Site;
use crate::time::Timestamp;

fn view(stage: Stage, order: Order) -> View {
    let machine = Machine::new(MachineId(7), &Evidence::default(), Timestamp::from_millis(0));
    let machine = Machine { stage, order, ..machine };
    let plan = BootPlan { boot: Boot::Disk(None), profile: None, order, reasons: Vec::new() };
    View { machine, name: None, address: None, link: LinkId(0), plan }
}

fn said(stage: Stage, order: Order, silent: u64) -> Option<(String, String)> {
    let mut catalog = Catalog::new(Vec::new());
    catalog.set_image(ProductName::parse("RXP2").expect("a product"), ImageState::Missing);
    let board = Board::new(Arc::new(Site::new(Vec::new())), catalog);
    let remedy = remedy(&view(stage, order), &board, Duration::from_secs(silent))?;
    Some((format!("{}|{}", remedy.sentence, remedy.act), remedy.place))
}

#[test]
fn what_does_not_go_on_says_what_to_do_and_where() {
    let failed = |cause: &str| said(Stage::Failed(cause.to_owned()), Order::Install, 0);
    let some = |text: &str, place: &str| Some((text.to_owned(), place.to_owned()));
    assert_eq!(failed("No active image for RXP2"), some("|Activate one", "/images"));
    assert_eq!(failed("no card"), some("|See what happened", "/machines/7"));
    let silent = "no sign of life for 1800 s in stage writing";
    assert_eq!(failed(silent), some("|Look at its screen, switch it off and on", "/machines/7"));
    let held = said(Stage::Waiting, Order::Hold, 0);
    assert_eq!(held, some("|Let it go on", "/machines/7/reinstall"));
    assert_eq!(said(Stage::Writing, Order::Install, 61), some("Silent|See what it did last", "/machines/7"));
    assert_eq!(said(Stage::Writing, Order::Install, 5), None);
    assert_eq!(said(Stage::Done, Order::Disk, 5000), None, "who is finished may be silent");
}
