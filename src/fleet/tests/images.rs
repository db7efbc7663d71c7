//! Which image the machines of a product get, and since when.

use super::*;
use crate::catalog::ImageFiles;

impl World {
    fn image_add(&mut self, file: &str, version: Option<&str>) -> Result<Told, Refusal> {
        let version = version.map(str::to_owned);
        self.command(Command::ImageAdd { product: "kxp2".to_owned(), file: file.to_owned(), version })
    }

    fn image_activate(&mut self, image: &str) -> Result<Told, Refusal> {
        self.command(Command::ImageActivate { product: "KXP2".to_owned(), image: image.to_owned(), force: false })
    }

    /// The shell has hashed a file.
    fn hashed(&mut self, file: &str) {
        let measured = Measured { image: image(file), modified_nanos: 1, inode: 1 };
        let state = ImageState::Ready(image(file));
        self.handle(Event::Image { product: product("KXP2"), state, measured: Some(measured) });
    }

    /// The image that a KXP2 is told to write.
    fn served(&mut self) -> String {
        self.config(&Installer::new(1)).expect("it is configured").image.file
    }

    fn files(&self) -> ImageFiles {
        let files = self.fleet.notices().into_iter().find_map(|notice| match notice {
            Notice::ImageFiles(files) => Some(files),
            _ => None,
        });
        (*files.expect("readers are told")).clone()
    }
}

#[test]
fn an_image_is_added_hashed_and_activated() {
    let mut world = World::factory(3);
    world.image_add("v2.img", Some("2.0")).expect("it is added");
    assert_eq!(world.files().spare, [(product("KXP2"), "v2.img".to_owned())]);
    let early = world.image_activate("2.0").expect_err("nobody knows its digest");
    assert_eq!(early.to_string(), "v2.img is still being checked; ask again in a moment");
    world.hashed("v2.img");
    assert_eq!(world.served(), "kxp2_master.img", "to be hashed is not to be active");
    let Ok(Told::Image(row)) = world.image_activate("2.0") else { panic!("not activated") };
    assert_eq!((row.file.as_str(), row.active, row.image), ("v2.img", true, Some(image("v2.img"))));
    assert_eq!(world.served(), "v2.img", "at once");
    assert_eq!(world.files().active[&product("KXP2")], "v2.img");
    let commits = world.journal.len();
    world.image_activate("v2.img").expect("it is active");
    assert_eq!(world.journal.len(), commits);
    assert!(world.restarted() == world.remembered());
}

#[test]
fn one_image_is_active_and_the_way_back_is_open() {
    let mut world = World::factory(3);
    // What the configuration names need not be added.
    world.hashed("kxp2_master.img");
    for file in ["v2.img", "v3.img"] {
        world.image_add(file, None).expect("it is added");
        world.hashed(file);
    }
    for file in ["v2.img", "v3.img", "kxp2_master.img"] {
        world.image_activate(file).expect("it is activated");
        assert_eq!(world.served(), file);
        let Ok(Told::Images(rows)) = world.command(Command::ImageList) else { panic!("no list") };
        let active: Vec<&str> = rows
            .iter()
            .filter(|row| row.active && row.product == product("KXP2"))
            .map(|row| row.file.as_str())
            .collect();
        assert_eq!(active, [file]);
    }
    assert!(world.restarted() == world.remembered());
}

#[test]
fn late_news_of_the_old_image_changes_nothing() {
    let mut world = World::factory(3);
    world.image_add("v2.img", None).expect("it is added");
    world.hashed("v2.img");
    world.image_activate("v2.img").expect("it is activated");
    world.hashed("kxp2_master.img");
    assert_eq!(world.served(), "v2.img");
}

#[test]
fn what_is_no_image_is_refused() {
    let mut world = World::factory(3);
    assert_eq!(
        world.image_activate("v9.img").expect_err("nobody added it").to_string(),
        "KXP2 has no image 'v9.img': add it first"
    );
    for file in ["", "../x.img", "/x.img", "a//b.img"] {
        assert!(world.image_add(file, None).is_err(), "{file}");
    }
    let Ok(Told::Images(rows)) = world.command(Command::ImageList) else { panic!("no list") };
    let files: Vec<(&str, bool)> = rows.iter().map(|row| (row.file.as_str(), row.active)).collect();
    assert_eq!(files, [("kxp2_master.img", true), ("rxp2_master.img", true)], "what the configuration names");
}

#[test]
fn an_image_is_described_and_deprecated() {
    let mut world = World::factory(3);
    world.image_add("v2.img", Some("2.0")).expect("it is added");
    world.hashed("v2.img");
    let describe = |description: Option<&str>, version: Option<&str>| Command::ImageDescribe {
        product: "KXP2".into(),
        image: "v2.img".into(),
        description: description.map(str::to_owned),
        version: version.map(str::to_owned),
    };
    let edition = |told: Result<Told, Refusal>| match told {
        Ok(Told::Image(row)) => row.edition.expect("it was added"),
        other => panic!("{other:?}"),
    };
    let described = edition(world.command(describe(Some(" new\n boot  loader "), None)));
    assert_eq!(described.description.as_deref(), Some("new boot loader"));
    assert_eq!(described.version.as_deref(), Some("2.0"), "what is not said stays");
    let described = edition(world.command(describe(Some(""), Some("2.1"))));
    assert_eq!((described.description, described.version.as_deref()), (None, Some("2.1")));
    assert!(world.command(describe(Some(&"x".repeat(1001)), None)).is_err());

    let deprecate = |deprecated| Command::ImageDeprecate { product: "KXP2".into(), image: "2.1".into(), deprecated };
    assert!(edition(world.command(deprecate(true))).deprecated_since.is_some());
    let refused = world.image_activate("v2.img").expect_err("somebody advises against it");
    assert_eq!(refused.to_string(), "v2.img is deprecated: activate another image, or this one with force");
    let forced = Command::ImageActivate { product: "KXP2".into(), image: "v2.img".into(), force: true };
    assert!(edition(world.command(forced)).active_since.is_some());
    assert_eq!(world.served(), "v2.img", "those that run with it are left alone");
    assert!(edition(world.command(deprecate(false))).deprecated_since.is_none());
    assert!(world.restarted() == world.remembered());
}

#[test]
fn an_image_is_removed_when_nobody_needs_it() {
    let mut world = World::factory(3);
    for file in ["v2.img", "v3.img"] {
        world.image_add(file, None).expect("it is added");
        world.hashed(file);
    }
    world.image_activate("v2.img").expect("it is activated");
    let remove = |image: &str| Command::ImageRemove { product: "KXP2".into(), image: image.into() };
    let refused = |world: &mut World, image: &str| world.command(remove(image)).expect_err("needed").to_string();
    assert_eq!(refused(&mut world, "v2.img"), "KXP2 gets v2.img: activate another image first");
    assert_eq!(world.served(), "v2.img");
    // A machine is being written with it.
    world.image_activate("v3.img").expect("it is activated");
    assert_eq!(refused(&mut world, "v2.img"), "1 machine is being written with v2.img: wait until they are done");
    world.status(&Installer::new(1), "success", None);
    // A machine downloads it.
    let (transfer, address) = (TransferId(9), ip(1));
    let (name, via) = ("/images//v2.img".to_owned(), crate::transfer::Via::Http);
    world.handle(Event::FetchStarted { transfer, address, name, size: 1, via });
    assert_eq!(refused(&mut world, "v2.img"), "1 download of v2.img under way: wait until that is over");
    world.handle(Event::Fetched { transfer, sent: 1, outcome: crate::transfer::Outcome::Complete });

    let removed = Told::ImageRemoved { product: product("KXP2"), file: "v2.img".into(), alone: true };
    assert_eq!(world.command(remove("v2.img")), Ok(removed.clone()));
    assert_eq!(world.fleet.removed_images(), [(product("KXP2"), "v2.img".to_owned(), true)]);
    assert!(world.image_activate("v2.img").is_err() && world.image_add("v2.img", None).is_err());
    assert_eq!(world.command(remove("v2.img")), Ok(removed), "as often as it takes");
    assert!(world.restarted() == world.remembered(), "a server that ends here goes on there");
    let gone = Command::ImageGone { product: product("KXP2"), file: "v2.img".into() };
    world.command(gone.clone()).expect("it is gone");
    world.command(gone).expect("once more is the same");
    assert!(world.fleet.removed_images().is_empty() && !world.fleet.tables().measured.contains_key("v2.img"));
    assert!(world.restarted() == world.remembered());
    world.image_add("v2.img", None).expect("the name is free");
}

#[test]
fn a_file_that_is_two_products_image_stays_for_the_other() {
    let mut world = World::factory(3);
    for product in ["KXP2", "RXP2"] {
        let add = Command::ImageAdd { product: product.into(), file: "both.img".into(), version: None };
        world.command(add).expect("it is added");
    }
    world.hashed("both.img");
    let remove = |product: &str| Command::ImageRemove { product: product.into(), image: "both.img".into() };
    let told = |name: &str, alone| Ok(Told::ImageRemoved { product: product(name), file: "both.img".into(), alone });
    assert_eq!(world.command(remove("KXP2")), told("KXP2", false));
    world.command(Command::ImageGone { product: product("KXP2"), file: "both.img".into() }).expect("it is gone");
    assert!(world.fleet.tables().measured.contains_key("both.img"));
    assert_eq!(world.command(remove("RXP2")), told("RXP2", true));
    let standing = Command::ImageRemove { product: "RXP2".into(), image: "rxp2_master.img".into() };
    let refused = world.command(standing).expect_err("the configuration names it");
    assert_eq!(refused.to_string(), "RXP2 gets rxp2_master.img: activate another image first");
}
