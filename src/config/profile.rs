//! `[[profile]]`: what each kind of machine should become.

use std::collections::BTreeMap;

use super::VenueConfig;
use super::files::mention_of_template;
use super::reader::{Field, Once, Table};
use super::value;
use crate::catalog::{After, Choose, Install, PiMenu, Profile, Target, Vars};
use crate::class::{self, Class};
use crate::ids::{ProductName, VenueCode};
use crate::machine::Order;
use crate::machine::firmware::Firmware;
use crate::naming::Product;

/// The names that other parts of the configuration may refer to.
#[derive(Default)]
pub(super) struct Names {
    products: Vec<ProductName>,
    venues: Vec<VenueCode>,
    profiles: Vec<String>,
    classes: Vec<String>,
}

impl Names {
    pub(super) fn new(products: &[Product], venues: &[VenueConfig], classes: &[Class]) -> Names {
        let products = products.iter().map(|product| product.name.clone()).collect();
        let venues = venues.iter().map(|each| each.venue.code.clone()).collect();
        let built_in = [class::KNOWN, class::BOOTP].map(str::to_owned);
        let classes = classes.iter().map(|class| class.name.clone()).chain(built_in).collect();
        Names { products, venues, profiles: Vec::new(), classes }
    }

    pub(super) fn with_profiles(self, profiles: &[Profile]) -> Names {
        Names { profiles: profiles.iter().map(|profile| profile.name.clone()).collect(), ..self }
    }

    /// The profile that a field names.
    pub(super) fn profile(&self, field: &Field<'_>) -> Option<String> {
        let text = field.text()?;
        let found = self.profiles.iter().find(|name| *name == text).cloned();
        if found.is_none() {
            unknown(field, "profile", text, self.profiles.iter().map(String::as_str));
        }
        found
    }

    /// The classes that the list `classes` of a table names.
    pub(super) fn classes(&self, table: &Table<'_>) -> Vec<String> {
        let list = table.list("classes").unwrap_or_default();
        let class = |field: &Field<'_>| {
            let text = field.text()?;
            let found = self.classes.iter().find(|name| *name == text).cloned();
            if found.is_none() {
                unknown(field, "class", text, self.classes.iter().map(String::as_str));
            }
            found
        };
        list.iter().filter_map(class).collect()
    }

    fn product(&self, field: &Field<'_>) -> Option<ProductName> {
        let text = field.text()?;
        let found = ProductName::parse(text).filter(|name| self.products.contains(name));
        if found.is_none() {
            unknown(field, "product", text, self.products.iter().map(ProductName::as_str));
        }
        found
    }

    fn venue(&self, field: &Field<'_>) -> Option<VenueCode> {
        let text = field.text()?;
        let found = VenueCode::parse(text).filter(|code| self.venues.contains(code));
        if found.is_none() {
            unknown(field, "venue", text, self.venues.iter().map(VenueCode::as_str));
        }
        found
    }
}

fn unknown<'a>(field: &Field<'_>, kind: &str, text: &str, known: impl Iterator<Item = &'a str>) {
    field.problem_hint(format!("unknown {kind} {text:?}"), value::did_you_mean(text, known));
}

/// Reads every `[[profile]]`; without any, [`defaults`].
pub(super) fn read(root: &Table<'_>, names: &Names) -> Vec<Profile> {
    let tables = root.tables("profile");
    let of_all = root.table("vars").map(|table| vars(&table)).unwrap_or_default();
    let mut profile_names = Once::new();
    let mut profiles: Vec<Profile> =
        tables.iter().filter_map(|table| profile(table, names, &mut profile_names)).collect();
    if tables.is_empty() {
        profiles = defaults();
    }
    for profile in &mut profiles {
        // What the profile itself says goes first.
        let own = std::mem::replace(&mut profile.vars.0, of_all.clone());
        profile.vars.0.extend(own);
    }
    profiles
}

fn profile(table: &Table<'_>, names: &Names, profile_names: &mut Once<String>) -> Option<Profile> {
    let name_field = table.field("name");
    let firmware_field = table.field("firmware");
    let product = table.field("product").and_then(|field| names.product(&field));
    let venue = table.field("venue").and_then(|field| names.venue(&field));
    let tree =
        table.field("tree").and_then(|f| f.parse("a directory below the boot directory", "pi", value::relative_path));
    let boot_file_field = table.field("boot_file");
    let boot_files_table = table.table("boot_files");
    let classes = names.classes(table);
    let pi_menu = pi_menu(table);
    let unassigned = order(table, "unassigned");
    let failed = order(table, "failed");
    let kernel_args = table.field("kernel_args").and_then(|field| field.line()).unwrap_or_default().to_owned();
    let answers = table.table("answers").map(|table| answers(&table)).unwrap_or_default();
    let install = table.table("install").map(|table| install(&table)).unwrap_or_default();
    let first_boot = table.table("first_boot").map_or_else(default_first_boot, |table| first_boot(&table));
    let vars = Vars(table.table("vars").map(|table| vars(&table)).unwrap_or_default());

    if name_field.is_none() {
        table.problem("name", "the name is missing", "write name = \"raspberry-pi\"");
    }
    if firmware_field.is_none() {
        let hint = "write firmware = [\"raspberry-pi-5\"], or [] for reservations only";
        table.problem("firmware", "the firmware is missing", hint);
    }
    let name = name_field.as_ref().and_then(|field| {
        let name = field.parse("a name (letters, digits, . _ -)", "raspberry-pi", value::name)?;
        profile_names.take(name.clone(), field, format!("the profile {name:?}"));
        Some(name)
    });
    let boot_file = boot_file_field.as_ref().and_then(file_name);
    let mut boot_files = BTreeMap::new();
    for (key, field) in boot_files_table.iter().flat_map(Table::entries) {
        let kind = firmware(key, &field);
        let file = file_name(&field);
        if let (Some(kind), Some(file)) = (kind, file)
            && takes_boot_file(kind, &field)
        {
            boot_files.insert(kind, file);
        }
    }
    let mut kinds = Vec::new();
    if let Some(file) = boot_files.get(&Firmware::Ipxe).or(boot_file.as_ref()).filter(|file| is_ipxe_itself(file))
        && let Some(field) = firmware_field.as_ref().filter(|_| boot_file_field.is_some() || boot_files_table.is_some())
        && field.list().iter().any(|kind| kind.text() == Some(Firmware::Ipxe.name()))
    {
        let hint = "give it a script or a kernel: boot_files = { ipxe = \"boot.ipxe\" }";
        field.problem_hint(format!("iPXE would load itself for ever from {file}"), hint);
    }
    for field in firmware_field.iter().flat_map(Field::list) {
        let Some(kind) = field.text().and_then(|text| firmware(text, &field)) else { continue };
        let has_boot_file = boot_file_field.is_some() || boot_files.contains_key(&kind);
        if kinds.contains(&kind) {
            field.problem(format!("{kind} stands there twice"));
        } else if kind == Firmware::Plain && answers.is_empty() {
            let hint = "leave it out: they get an address in any case; or give the profile answers for them";
            field.problem_hint("plain clients boot nothing", hint);
        } else if !kind.is_raspberry_pi() && kind != Firmware::Plain && !has_boot_file {
            let hint = "add boot_file = \"…\", or boot_files for this firmware";
            field.problem_hint(format!("{kind} needs a boot file"), hint);
        } else {
            kinds.push(kind);
        }
    }
    Some(Profile {
        name: name?,
        firmware: kinds,
        classes,
        product,
        venue,
        tree,
        boot_file,
        boot_files,
        kernel_args,
        answers,
        vars,
        pi_menu,
        unassigned,
        failed,
        install,
        first_boot,
    })
}

/// `[profile.install]`: which disk is written, and what happens then.
fn install(table: &Table<'_>) -> Install {
    let kind = "nvme, mmc, usb, ata, scsi, virtio, /dev/…, serial:… or model:…";
    let targets = table.list("targets").unwrap_or_default();
    let targets = targets.iter().filter_map(|field| field.parse(kind, "nvme", Target::parse)).collect();
    let words = |all: Vec<&str>| all.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let choose = table.field("choose").and_then(|field| {
        field.parse(&words(Choose::ALL.into_iter().map(Choose::word).collect()), "only", Choose::from_word)
    });
    let after = table.field("after").and_then(|field| {
        field.parse(&words(After::ALL.into_iter().map(After::word).collect()), "reboot", After::from_word)
    });
    let keep_size = !table.boolean("grow", true);
    Install { targets, choose: choose.unwrap_or_default(), keep_size, after: after.unwrap_or_default() }
}

/// What the first boot of an installed system reads: that of Raspberry Pi OS its script, all others cloud-init.
fn default_first_boot() -> BTreeMap<String, String> {
    let files = [
        ("firstrun.sh", "pi/firstrun.sh"),
        ("meta-data", "nocloud/meta-data"),
        ("network-config", "nocloud/network-config"),
        ("user-data", "nocloud/user-data"),
    ];
    files.into_iter().map(|(name, template)| (name.to_owned(), template.to_owned())).collect()
}

/// `[profile.first_boot]`: the files lie side by side on the boot partition.
fn first_boot(table: &Table<'_>) -> BTreeMap<String, String> {
    let plain = |name: &str| value::name(name).is_some_and(|name| name.len() <= 64);
    let mut files = BTreeMap::new();
    for (name, field) in table.entries() {
        let template = field.parse("a template's name", "nocloud/user-data", value::relative_path);
        if !plain(name) {
            field.problem_hint(format!("{name:?} is no file name for a boot partition"), "such as user-data");
        } else if let Some(template) = template {
            field.mention(mention_of_template(&template));
            files.insert(name.to_owned(), template);
        }
    }
    files
}

/// What machines get that are in that state; by default they are installed.
fn order(table: &Table<'_>, key: &'static str) -> Order {
    let known = |text: &str| Order::from_word(text).filter(|order| *order != Order::Reinstall);
    let field = table.field(key);
    field.and_then(|field| field.parse("\"install\", \"disk\" or \"hold\"", "disk", known)).unwrap_or_default()
}

/// The kind of client of that name.
pub(super) fn firmware(text: &str, field: &Field<'_>) -> Option<Firmware> {
    let found = Firmware::parse(text);
    if found.is_none() {
        let known: Vec<&str> = Firmware::ALL.into_iter().map(Firmware::name).collect();
        field.problem_hint(format!("unknown firmware {text:?}"), format!("one of {}", known.join(", ")));
    }
    found
}

/// Whether a boot file is iPXE's own program, told by the names it is built under.
fn is_ipxe_itself(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
    let program = ["efi", "kpxe", "kkpxe", "kkkpxe", "pxe", "0"].contains(&extension);
    program && ["ipxe", "undionly", "snponly", "snp"].iter().any(|each| stem.starts_with(each))
}

/// `pi_menu` and `pi_menu_entry`: what a Raspberry Pi finds in option 43.
fn pi_menu(table: &Table<'_>) -> PiMenu {
    let kind_field = table.field("pi_menu");
    let entry_field = table.field("pi_menu_entry");
    let kind = |text: &str| match text {
        "menu" => Some(false),
        "raw" => Some(true),
        _ => None,
    };
    let raw = kind_field.and_then(|field| field.parse("\"menu\" or \"raw\"", "menu", kind));
    let entry = entry_field.and_then(|field| {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let fits = |text: &str| ((1..=64).contains(&text.len()) && plain(text)).then(|| text.to_owned());
        field.parse("an entry of a menu (1 to 64 characters of ASCII)", "Raspberry Pi Boot", fits)
    });
    let default = PiMenu::default();
    PiMenu { entry: entry.unwrap_or(default.entry), raw: raw.unwrap_or(default.raw) }
}

fn takes_boot_file(kind: Firmware, field: &Field<'_>) -> bool {
    if kind.is_raspberry_pi() {
        field.problem_hint(
            format!("{kind} takes no boot file"),
            "it asks for its files by fixed names; set tree and answers",
        );
    } else if kind == Firmware::Plain {
        field.problem("plain clients boot nothing");
    }
    !kind.is_raspberry_pi() && kind != Firmware::Plain
}

/// The `file` field of a DHCP message holds 127 bytes and a NUL (RFC 2131 §2), and HTTP needs room for our own URL.
fn file_name(field: &Field<'_>) -> Option<String> {
    let fits = |text| value::relative_path(text).filter(|path| path.len() <= 90);
    field.parse("a file below the boot directory (at most 90 bytes)", "ipxe/x86_64/snponly.efi", fits)
}

fn answers(table: &Table<'_>) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for (name, field) in table.entries() {
        let template = field.parse("a template's name", "pi/config.txt", value::relative_path);
        if value::relative_path(name).is_none() {
            field.problem(format!("{name:?} is not a file name"));
        } else if name.starts_with("boot/") || name.starts_with("images/") {
            let hint = "names are those of TFTP; /boot/ comes in front of them in HTTP only";
            field.problem_hint(format!("nobody asks for {name:?}"), hint);
        } else if let Some(template) = template {
            field.mention(mention_of_template(&template));
            answers.insert(name.to_owned(), template);
        }
    }
    answers
}

/// The operator's own texts; several lines are fine, templates quote them for their format.
fn vars(table: &Table<'_>) -> BTreeMap<String, String> {
    let identifier = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    };
    let mut vars = BTreeMap::new();
    for (name, field) in table.entries() {
        if !identifier(name) {
            let hint = "letters, digits and _, such as root_password_hash";
            field.problem_hint(format!("no template can name {name:?}"), hint);
        } else if let Some(text) = field.text() {
            vars.insert(name.to_owned(), text.to_owned());
        }
    }
    vars
}

/// The profiles of a configuration that names none: Raspberry Pi 4 and 5 by their own boot ROM; PCs by way of iPXE; ARM
/// servers and U-Boot by way of GRUB. They fix no product: the client asks for one, as in the field.
fn defaults() -> Vec<Profile> {
    use Firmware::*;
    let profile = |name: &str, firmware: &[Firmware]| Profile {
        name: name.to_owned(),
        firmware: firmware.to_vec(),
        first_boot: default_first_boot(),
        ..Profile::default()
    };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let files = |files: &[(Firmware, &str)]| files.iter().map(|(kind, file)| (*kind, (*file).to_owned())).collect();
    vec![
        Profile {
            tree: Some("pi".to_owned()),
            answers: pairs(&[
                ("config.txt", "pi/config.txt"),
                ("cmdline.txt", "pi/cmdline.txt"),
                ("firstrun.sh", "pi/firstrun.sh"),
            ]),
            ..profile("raspberry-pi", &[RaspberryPi4, RaspberryPi5])
        },
        Profile {
            boot_files: files(&[
                (BiosPxe, "ipxe/undionly.kpxe"),
                (UefiX64, "ipxe/x86_64/snponly.efi"),
                (UefiHttpX64, "ipxe/x86_64/snponly.efi"),
                (UefiArm64, "grub/arm64/grub.efi"),
                (UefiHttpArm64, "grub/arm64/grub.efi"),
            ]),
            answers: pairs(&[("grub/grub.cfg", "grub/grub.cfg")]),
            ..profile("pc", &[BiosPxe, UefiX64, UefiHttpX64, UefiArm64, UefiHttpArm64])
        },
        Profile {
            boot_file: Some("boot.ipxe".to_owned()),
            answers: pairs(&[("boot.ipxe", "ipxe/boot.ipxe")]),
            ..profile("ipxe", &[Ipxe])
        },
        // U-Boot looks for its menu beside its boot file, and for kernels there, too: all names begin at the top.
        Profile {
            tree: Some("grub/arm64".to_owned()),
            boot_file: Some("grub.efi".to_owned()),
            answers: pairs(&[("grub/grub.cfg", "grub/grub.cfg"), ("pxelinux.cfg/default", "pxelinux/default")]),
            ..profile("u-boot", &[UBoot])
        },
    ]
}

#[cfg(test)]
mod tests;
