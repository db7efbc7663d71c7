//! What there is to boot: profiles, the classes of clients they and options may depend on, and the images of products.

mod install;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::class::Class;
use crate::ids::{Digest, ProductName, VenueCode};
use crate::image::{Compression, Content, Layout};
use crate::machine::Order;
use crate::machine::firmware::Firmware;
use crate::refusal::Refusal;
use crate::time::Timestamp;
pub use install::{After, Choose, Install, Target};

/// The longest description and the longest version of an image, in characters.
const DESCRIPTION_MAX: usize = 1000;
const VERSION_MAX: usize = 100;

/// What a kind of machine should become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name the operator gave it.
    pub name: String,
    /// The firmware kinds it is for.
    pub firmware: Vec<Firmware>,
    /// Only for clients of any of these classes; empty for all.
    pub classes: Vec<String>,
    /// What its machines become, if that is fixed.
    pub product: Option<ProductName>,
    /// Where they go, if that is fixed.
    pub venue: Option<VenueCode>,
    /// The subdirectory of the boot directory that is searched before the boot directory itself.
    pub tree: Option<String>,
    /// The boot file of every firmware that takes one.
    pub boot_file: Option<String>,
    /// The boot file where one firmware differs.
    pub boot_files: BTreeMap<Firmware, String>,
    /// What templates see as `kernel_args`.
    pub kernel_args: String,
    /// Rendered files: the name a machine asks for, and the template.
    pub answers: BTreeMap<String, String>,
    /// What templates see as `vars`.
    pub vars: Vars,
    /// What a Raspberry Pi is told in option 43.
    pub pi_menu: PiMenu,
    /// What its machines get that have no name yet.
    pub unassigned: Order,
    /// What its machines get whose last run failed.
    pub failed: Order,
    /// How its machines are installed.
    pub install: Install,
    /// Files rendered for the first boot of the installed system: the name, and the template.
    pub first_boot: BTreeMap<String, String>,
}

/// The operator's own texts for templates, by name. Password hashes and keys stand here, so only the names ever show.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Vars(pub BTreeMap<String, String>);

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Profile {
    /// Every file that is rendered for its machines, and its template.
    pub fn rendered(&self) -> impl Iterator<Item = (&String, &String)> {
        self.answers.iter().chain(&self.first_boot)
    }

    /// The boot file for that firmware.
    pub fn boot_file_for(&self, firmware: Firmware) -> Option<&str> {
        self.boot_files.get(&firmware).or(self.boot_file.as_ref()).map(String::as_str)
    }
}

/// How a Raspberry Pi is told that it may boot from us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiMenu {
    /// The entry that its EEPROM looks for (`PXE_OPTION43`).
    pub entry: String,
    /// Whether option 43 is the entry alone, instead of a PXE menu that holds it.
    pub raw: bool,
}

impl Default for PiMenu {
    fn default() -> Self {
        PiMenu { entry: "Raspberry Pi Boot".to_owned(), raw: false }
    }
}

/// An OS image, measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// File name inside the image directory.
    pub file: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// What the file stands for: itself, or what it unpacks to.
    pub content: Content,
}

impl Image {
    /// A file that is not compressed, and of which nothing else is known.
    pub fn raw(file: String, size: u64, digest: Digest) -> Image {
        let (compression, zero_runs, layout) = (Compression::None, Arc::default(), Layout::default());
        Image { file, size, digest, content: Content { compression, size, digest, zero_runs, layout } }
    }
}

/// A file that is an image of a product: one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The product.
    pub product: ProductName,
    /// File name inside the image directory.
    pub file: String,
    /// What the operator calls it.
    pub version: Option<String>,
    /// What the operator says of it.
    pub description: Option<String>,
    /// When it was added.
    pub added_at: Timestamp,
    /// Since when the product's machines get it; `None` if they get another.
    pub active_since: Option<Timestamp>,
    /// Since when the operator advises against it.
    pub deprecated_since: Option<Timestamp>,
    /// Since when it is no image any more: what is left of it is on its way out.
    pub removed_at: Option<Timestamp>,
}

impl Edition {
    /// One that was added at that time, and nothing else.
    pub fn new(product: ProductName, file: String, added_at: Timestamp) -> Edition {
        Edition {
            product,
            file,
            version: None,
            description: None,
            added_at,
            active_since: None,
            deprecated_since: None,
            removed_at: None,
        }
    }

    /// The same with another description and another version: `None` leaves it, an empty text takes it away.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if one is too long.
    pub fn described(self, description: Option<&str>, version: Option<&str>) -> Result<Edition, Refusal> {
        let fresh = |given: Option<&str>, known: Option<String>, longest: usize, what: &str| {
            let Some(given) = given else { return Ok(known) };
            let one_line = given.split_whitespace().collect::<Vec<_>>().join(" ");
            if one_line.chars().count() > longest {
                return Err(Refusal::Invalid(format!("The {what} may have {longest} characters")));
            }
            Ok(Some(one_line).filter(|text| !text.is_empty()))
        };
        Ok(Edition {
            description: fresh(description, self.description.clone(), DESCRIPTION_MAX, "description")?,
            version: fresh(version, self.version.clone(), VERSION_MAX, "version")?,
            ..self
        })
    }
}

/// Which files are images of which products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// The file that a product's machines get.
    pub active: BTreeMap<ProductName, String>,
    /// Files that can be activated.
    pub spare: Vec<(ProductName, String)>,
}

/// What is known of a product's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// There is no such file.
    Missing,
    /// The file is there; its digest is being computed.
    Measuring,
    /// It can be served.
    Ready(Image),
}

/// Profiles and images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// In the order of the configuration; the first that fits a firmware is taken.
    pub profiles: Vec<Arc<Profile>>,
    /// In the order of the configuration; the options of the first go before those of later ones.
    pub classes: Vec<Class>,
    images: BTreeMap<ProductName, ImageState>,
}

impl Catalog {
    /// A catalog of these profiles, with no image known yet.
    pub fn new(profiles: Vec<Profile>) -> Catalog {
        let profiles = profiles.into_iter().map(Arc::new).collect();
        Catalog { profiles, classes: Vec::new(), images: BTreeMap::new() }
    }

    /// The same with these classes of clients.
    pub fn with_classes(self, classes: Vec<Class>) -> Catalog {
        Catalog { classes, ..self }
    }

    /// The profile of that name.
    pub fn profile(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The first profile for that firmware and any of these classes.
    pub fn profile_for(&self, firmware: Firmware, classes: &[String]) -> Option<&Arc<Profile>> {
        let takes = |profile: &Profile| {
            profile.classes.is_empty() || profile.classes.iter().any(|class| classes.contains(class))
        };
        self.profiles.iter().find(|profile| profile.firmware.contains(&firmware) && takes(profile))
    }

    /// Whether the machines of that product are Raspberry Pis, as far as profiles say: those that name the product, or
    /// else those that leave it open.
    pub fn is_for_raspberry_pi(&self, product: &ProductName) -> bool {
        let of = |wanted: Option<&ProductName>| -> Vec<&Arc<Profile>> {
            self.profiles.iter().filter(|profile| profile.product.as_ref() == wanted).collect()
        };
        let named = of(Some(product));
        let profiles = if named.is_empty() { of(None) } else { named };
        let mut firmware = profiles.iter().flat_map(|profile| &profile.firmware).peekable();
        firmware.peek().is_some() && firmware.all(|each| each.is_raspberry_pi())
    }

    /// What is known of the product's image.
    pub fn image(&self, product: &ProductName) -> &ImageState {
        self.images.get(product).unwrap_or(&ImageState::Missing)
    }

    /// What is known of every product's image that was ever looked at.
    pub fn images(&self) -> impl Iterator<Item = (&ProductName, &ImageState)> {
        self.images.iter()
    }

    /// Records what is known of a product's image.
    pub fn set_image(&mut self, product: ProductName, state: ImageState) {
        self.images.insert(product, state);
    }
}
