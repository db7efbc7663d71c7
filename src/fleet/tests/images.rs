//! Which image the machines of a product get, and since when.

use super::*;
use crate::catalog::ImageFiles;

impl World {
    fn image_add(&mut self, file: &str, version: Option<&str>) -> Result<Told, Refusal> {
        let version = version.map(str::to_owned);
        self.command(Command::ImageAdd { product: "kxp2".to_owned(), file: file.to_owned(), version })
    }

    fn image_activate(&mut self, image: &str) -> Result<Told, Refusal> {
        self.command(Command::ImageActivate { product: "KXP2".to_owned(), image: image.to_owned() })
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
