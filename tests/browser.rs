//! The pages in a real browser: an operator's day from the set-up link to the last machine, and every page as it looks on a
//! laptop, on a phone, enlarged, in the dark, and to axe-core. Pictures of all of it land in `target/screenshots`.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "browser/driver.rs"]
mod driver;
#[path = "common/inside.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod inside;
#[path = "browser/room.rs"]
mod room;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "shared with tests that use the rest")]
mod table;

use std::time::Duration;

use inside::inside_within;
use room::{PASSWORD, Room, USER, machines};
use serde_json::json;
use table::name_of;

/// What a test of this file may take, its browser started and all machines installed.
const DEADLINE: Duration = Duration::from_secs(150);

#[test]
fn twenty_machines_are_watched_from_the_first_link_to_the_last_name() {
    if !inside_within("twenty_machines_are_watched_from_the_first_link_to_the_last_name", DEADLINE) {
        return;
    }
    let Some(mut room) = Room::open() else { return };
    room.browser.go(&room.invitation());
    room.browser.shows("Make the first user");
    room.browser.picture("set-up");
    room.set_up();
    room.assert_light();
    room.browser.shows("No machine is being made");
    room.browser.picture("wall-empty");

    room.table.bench.wait_for_image().expect("an image");
    let mut boots = room.switch_on(machines(20), Some(400_000));
    let tiles = || room.browser.all("//*[@id='wall']//li").len();
    room.browser.sees("20 tiles", || (tiles() == 20).then_some(()));
    let writing = || room.browser.all("//*[@id='wall']//progress").len();
    room.browser.sees("20 bars", || (writing() == 20).then_some(()));
    let below = room.browser.run(
        "return [...document.querySelectorAll('#wall li')].filter((one) => one.getBoundingClientRect().bottom > \
         innerHeight).length",
    );
    assert_eq!(below, json!(0), "20 tiles fit a laptop's screen");
    room.browser.picture("wall-writing");
    room.browser.scheme("dark");
    room.browser.picture("wall-writing-dark");
    room.browser.scheme("light");
    let records = boots.finish();
    for record in &records {
        room.browser.shows(name_of(record));
    }
    room.browser.sees("20 machines done", || room.browser.text().contains("20 done").then_some(()));
    room.browser.picture("wall-done");

    let broken =
        json!({"status": "failed", "serial_number": "10000000d9780558", "error_message": "the card is worn out"});
    room.report(&broken);
    room.browser.shows("the card is worn out");
    room.browser.picture("wall-failed");
    room.assert_no_errors("the wall");

    room.browser.press("Log out");
    room.browser.shows("Password");
    room.go("/");
    assert!(room.browser.place().starts_with("/login"), "{}", room.browser.place());
    room.log_in(USER, PASSWORD);
    room.browser.shows("the card is worn out");
}

/// The pages that the navigation of the page now open leads to.
fn pages(room: &Room) -> Vec<String> {
    let script = "return [...document.querySelectorAll('nav a[href]')].map((one) => one.getAttribute('href'))";
    let pages: Vec<String> = serde_json::from_value(room.browser.run(script)).expect("a list of links");
    assert!(pages.contains(&"/".to_owned()), "{pages:?}");
    pages
}

/// A page in every shape in which one may meet it.
fn look_at(room: &Room, path: &str) {
    let name = match path.trim_matches('/') {
        "" => "wall".to_owned(),
        name if name.starts_with("setup") => "set-up".to_owned(),
        name => name.replace(['/', '?', '=', '&'], "-"),
    };
    for (shape, width, height, scale) in
        [("laptop", 1366, 768, 1.0), ("zoomed", 683, 384, 2.0), ("phone", 390, 844, 2.0)]
    {
        room.browser.size(width, height, scale);
        room.go(path);
        assert_eq!(room.browser.place(), path, "one is led elsewhere");
        let title = room.browser.run("return document.title");
        assert!(title.as_str().is_some_and(|title| title.ends_with("hatchery")), "{path}: {title}");
        room.assert_fits(&format!("{name}-{shape}"));
        room.browser.picture(&format!("{name}-{shape}"));
    }
    for scheme in ["light", "dark"] {
        room.browser.size(1366, 768, 1.0);
        room.browser.scheme(scheme);
        room.go(path);
        room.assert_accessible(&format!("{path} in {scheme}"));
    }
    room.browser.picture(&format!("{name}-dark"));
    room.browser.scheme("light");
    room.assert_no_errors(path);
}

#[test]
fn every_page_is_legible_in_every_window_and_to_everybody() {
    if !inside_within("every_page_is_legible_in_every_window_and_to_everybody", DEADLINE) {
        return;
    }
    let Some(mut room) = Room::open() else { return };
    look_at(&room, &room.invitation().split_off(room.url("").len()));
    look_at(&room, "/login");
    room.set_up();
    room.table.bench.wait_for_image().expect("an image");
    let mut boots = room.switch_on(machines(6), None);
    boots.finish();
    room.report(
        &json!({"status": "failed", "serial_number": "10000000d9780558", "error_message": "the card is worn out"}),
    );
    // One page's faults are not to hide those of the next.
    let look = |path: &String| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look_at(&room, path)));
    let bad: Vec<String> = pages(&room).into_iter().filter(|path| look(path).is_err()).collect();
    assert!(bad.is_empty(), "{bad:?}: the reasons stand above");
}

#[test]
fn an_order_is_filled_a_name_taken_back_and_the_list_taken_home() {
    if !inside_within("an_order_is_filled_a_name_taken_back_and_the_list_taken_home", DEADLINE) {
        return;
    }
    let Some(mut room) = Room::open() else { return };
    room.set_up();
    room.table.bench.wait_for_image().expect("an image");
    let browser = &room.browser;

    room.go("/venues");
    browser.fill("Code", "SPA");
    browser.fill("Name", "Spa-Francorchamps");
    browser.press("Add");
    browser.find("//*[@role='alert']");
    assert_eq!(browser.value("Name"), "Spa-Francorchamps", "what was typed stays");
    browser.picture("venue-refused");
    // The browser logs every answer of 400 and more.
    browser.errors();
    browser.fill("Code", "SPAA");
    browser.press("Add");
    browser.find("//td//a[normalize-space(.)='SPAA']");

    room.go("/names");
    browser.fill("Venue", "SPAA");
    browser.fill("Product", "KXP2");
    browser.fill("Numbers", "1-3, 2");
    browser.press("Import");
    browser.shows("3 names added");
    browser.picture("names-imported");

    room.go("/batches");
    browser.fill("Venue", "SPAA");
    browser.fill("Product", "KXP2");
    browser.fill("How many", "2");
    browser.tick("Start it at once");
    browser.press("Order");
    browser.sees("the batch", || browser.text().contains("active").then_some(()));
    browser.picture("batch-ordered");

    let records = room.switch_on(machines(2), None).finish();
    let mut names: Vec<&str> = records.iter().map(name_of).collect();
    names.sort_unstable();
    assert_eq!(names, ["KXP2-SPAA-001", "KXP2-SPAA-002"]);

    room.go("/names?venue=SPAA");
    browser.press_at("//a[contains(@href, '/names/KXP2-SPAA-001/release')]");
    browser.shows("Release KXP2-SPAA-001?");
    browser.picture("release-asks");
    browser.press("Release");
    room.go("/names?venue=SPAA&state=available");
    browser.shows("KXP2-SPAA-001");
    assert!(!browser.text().contains("KXP2-SPAA-002"), "{}", browser.text());

    room.go("/names?venue=SPAA");
    browser.press("CSV");
    let (file, text) = browser.download();
    assert_eq!(file, "names.csv");
    assert!(text.starts_with("hostname,") && text.lines().count() == 4, "{text}");
    assert!(text.contains("KXP2-SPAA-001,available") && text.contains("KXP2-SPAA-002,assigned"), "{text}");

    let image = room.table.path("kxp2-2.img");
    // More than one piece, and a last one that is not whole.
    std::fs::write(&image, vec![7; (20 << 20) + 5]).expect("an image");
    room.go("/images");
    browser.choose("File", &image);
    browser.fill("Product", "KXP2");
    browser.fill("Version", "2");
    browser.press("Upload");
    browser.shows("kxp2-2.img is an image of KXP2");
    browser.find("//td[normalize-space(.)='kxp2-2.img']");
    browser.picture("image-uploaded");

    room.go("/audit");
    browser.shows("names release");
    browser.shows("image add");

    room.go("/users");
    browser.fill("Name", "vic");
    browser.fill("Role", "viewer");
    browser.fill("Password", PASSWORD);
    browser.press("Add");
    browser.find("//td[starts-with(normalize-space(.), 'vic')]");
    room.assert_no_errors("an operator's pages");
    browser.press("Log out");
    browser.shows("Password");
    room.log_in("vic", PASSWORD);
    browser.find("//*[@id='wall']");
    for path in ["/venues", "/names?venue=SPAA", "/batches", "/machines"] {
        room.go(path);
        browser.find("//table");
        let forms = browser.all("//main//form[@method='post']").len();
        let acts = browser.all("//main//a[contains(@href, '/release') or contains(@href, '/retire')]").len();
        assert_eq!((forms, acts), (0, 0), "{path}: a viewer changes nothing");
    }
    browser.picture("names-viewer");
    room.assert_no_errors("a viewer's pages");
    room.go("/users");
    browser.picture("refused-viewer");
    assert!(browser.all("//table").is_empty(), "{}", browser.text());
}
