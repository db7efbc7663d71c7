//! The simulated place: links with their pools, relay agents, two products, a venue, profiles, boot files and images.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::wiring::{Relay, Segment};
use crate::answer::Answers;
use crate::catalog::{Catalog, Image, PiMenu, Profile};
use crate::fleet::command::{Command, Declaration};
use crate::ids::{Digest, Hostname, ProductName, VenueCode};
use crate::machine::firmware::Firmware;
use crate::naming::{Product, Scheme, Venue};
use crate::net::{LinkId, Subnet};
use crate::site::{DhcpOption, Disuse, Identifier, Link, Pool, Reservation, Share, Site, Strangers};
use crate::wire::dhcp::code;

/// The venue to which the machines go.
pub(super) const VENUE: &str = "TEST";
/// Named from a pool of numbers.
pub(super) const POOLED: &str = "KXP2";
/// Named by its serial.
pub(super) const BY_SERIAL: &str = "RXP2";

const IMAGE_SIZE: u64 = 3_000_000_000;

/// Addresses of each pool that are kept for known machines, and that may be out of use.
const RESERVE: u32 = 2;
const DISUSED: u32 = 3;

// The templates that are shipped, so that every simulated boot tries them.
const CONFIG_TXT: &str = include_str!("../../answer-templates/pi/config.txt");
const CMDLINE_TXT: &str = include_str!("../../answer-templates/pi/cmdline.txt");
const BOOT_IPXE: &str = include_str!("../../answer-templates/ipxe/boot.ipxe");
const GRUB_CFG: &str = include_str!("../../answer-templates/grub/grub.cfg");
/// It takes serials for numbers, which those of PCs are not.
const UNIT_TXT: &str = "unit={{ serial | int }}\n";
const PXELINUX_CFG: &str = include_str!("../../answer-templates/pxelinux/default");

/// Everything that stays the same while the world runs.
#[derive(Debug)]
pub(super) struct Place {
    pub site: Arc<Site>,
    pub products: Vec<Product>,
    pub profiles: Vec<Profile>,
    pub catalog: Catalog,
    pub answers: Answers,
    pub boot_files: BTreeMap<String, Arc<[u8]>>,
    pub images: BTreeMap<String, Image>,
    machines: u32,
}

impl Place {
    /// A place for these machines, each plugged into the segment of that index.
    /// Raspberry Pis are told `pi_menu`, but for the Pi 3, whose ROM looks for one text alone.
    pub fn new(clients: &[Client], plugs: &[usize], segments: usize, lease_time: Duration, pi_menu: PiMenu) -> Place {
        let product = |name: &str, scheme| {
            let name = ProductName::parse(name).expect("it is a product name");
            Product { name, scheme, image: None }
        };
        let products =
            vec![product(POOLED, Scheme::Pooled { width: 3 }), product(BY_SERIAL, Scheme::Serial { digits: 8 })];
        let images = products.iter().map(|product| (product.image_file(), image(product.image_file()))).collect();
        let (answers, errors) = Answers::compile(&templates());
        assert!(errors.is_empty(), "{errors:?}");
        let profiles = profiles(pi_menu);
        Place {
            site: Arc::new(site(clients, plugs, segments, lease_time)),
            products,
            catalog: Catalog::new(profiles.clone()),
            profiles,
            answers,
            boot_files: boot_files(),
            images,
            machines: u32::try_from(clients.len()).unwrap_or(u32::MAX),
        }
    }

    /// Our address at the bench.
    pub fn server(&self) -> Ipv4Addr {
        self.site.links[0].address
    }

    pub fn link(&self, id: LinkId) -> &Link {
        &self.site.links[usize::from(id.0)]
    }

    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.site.is_ours(address)
    }

    /// The path of a URL that means us.
    pub fn path_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        let rest = url.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        host.parse().is_ok_and(|address| self.is_ours(address)).then_some(path)
    }

    /// The address of another DHCP server at the bench, and the subnet; it gives the addresses behind its own.
    pub fn rival(&self) -> (Ipv4Addr, Subnet) {
        let subnet = self.site.links[0].subnet;
        (Ipv4Addr::from(u32::from(subnet.broadcast()) - 24), subnet)
    }

    /// An address at the bench that is in no pool and nobody's.
    pub fn nobodys(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.site.links[0].subnet.broadcast()) - 4)
    }

    /// The bench: its machines and we are on one wire.
    pub fn bench() -> Segment {
        Segment { name: "bench", link: LinkId(0), relay: None, is_cut: false }
    }

    /// The bench, another network of ours, one behind a relay agent, and one behind two of them, the first of which has
    /// its address elsewhere.
    pub fn segments(machines: usize) -> Vec<Segment> {
        let relay = |link: usize, giaddr, agents| {
            let network = subnet(link, machines).network();
            let own = Ipv4Addr::from(u32::from(network) + 1);
            let selects = giaddr_elsewhere(giaddr).map(|_| network);
            Some(Relay { giaddr: giaddr_elsewhere(giaddr).unwrap_or(own), selects, agents, is_up: true })
        };
        vec![
            Place::bench(),
            Segment { name: "hall", link: LinkId(1), relay: None, is_cut: false },
            Segment { name: "annex", link: LinkId(2), relay: relay(2, false, 1), is_cut: false },
            Segment { name: "loft", link: LinkId(3), relay: relay(3, true, 2), is_cut: false },
        ]
    }

    /// The last address of our pool.
    pub fn last_of_pool(&self) -> Ipv4Addr {
        self.site.links[0].pools[0].last
    }

    /// What the configuration declares at every start.
    pub fn declaration(&self) -> Command {
        let code = VenueCode::parse(VENUE).expect("it is a venue code");
        let venue = Venue { code, name: "Test track".into(), location: None, contact_email: None, created_at: None };
        let pools = vec![(self.products[0].name.clone(), (1..=self.machines + 16).collect())];
        Command::Declare { venues: vec![Declaration { venue, pools }] }
    }
}

/// The address of a relay agent on a network that we do not serve.
fn giaddr_elsewhere(elsewhere: bool) -> Option<Ipv4Addr> {
    elsewhere.then_some(Ipv4Addr::new(10, 98, 0, 1))
}

/// The subnet of a link: a /24 as long as the machines fit into it.
fn subnet(link: usize, machines: usize) -> Subnet {
    let third = u8::try_from(151 + link).expect("there are few links");
    let (network, prefix) =
        if machines <= 100 { (Ipv4Addr::new(192, 168, third, 0), 24) } else { (Ipv4Addr::new(10, third, 0, 0), 16) };
    Subnet::containing(network, prefix).expect("it is a prefix length")
}

/// The pools are hardly larger than the number of machines.
fn site(clients: &[Client], plugs: &[usize], segments: usize, lease_time: Duration) -> Site {
    let machines = clients.len();
    let at = |subnet: Subnet, host: u32| Ipv4Addr::from(u32::from(subnet.network()) + host);
    // One machine has a fixed address outside the pool, and a name of its own.
    let reserved = clients.get(3).filter(|_| plugs[3] == 0).map(|client| Reservation {
        address: Some(at(subnet(0, machines), 20)),
        hostname: Hostname::parse("BENCH-20"),
        ..Reservation::new(Identifier::Mac(client.identity().mac))
    });
    let link = |index: usize| {
        let subnet = subnet(index, machines);
        let plugged = u32::try_from(plugs.iter().filter(|plug| **plug == index).count()).unwrap_or(u32::MAX);
        let relayed = index >= 2;
        // Room for more than one port of a relay agent may hold.
        let spare = if relayed { 6 } else { 0 };
        let first = if subnet.prefix() == 24 { at(subnet, 100) } else { at(subnet, 256) };
        let last = Ipv4Addr::from(u32::from(first) + plugged + plugged / 8 + 3 + RESERVE + DISUSED + spare);
        let names = ["bench", "hall", "annex", "loft"];
        let address = if relayed { at(self::subnet(0, machines), 1) } else { at(subnet, 1) };
        Link {
            name: names[index].into(),
            interface: (!relayed).then(|| format!("eth{}", index + 1)),
            pools: vec![Pool::new(first, last)],
            lease_time,
            options: [code::ROUTERS, code::DNS_SERVERS]
                .map(|number| DhcpOption::new(number, at(subnet, 1).octets()))
                .to_vec(),
            reservations: reserved.iter().filter(|_| index == 0).cloned().collect(),
            ..Link::new(names[index], subnet, address)
        }
    };
    let behind_relays = (2..segments).map(|index| plugs.iter().filter(|plug| **plug == index).count()).max();
    let behind_relays = u32::try_from(behind_relays.unwrap_or(0)).unwrap_or(u32::MAX);
    let machines = u32::try_from(machines).unwrap_or(u32::MAX);
    let strangers = Strangers {
        reserve: Share::Count(RESERVE),
        // Each of them comes once, and some more do.
        per_minute: Some(Share::Count(machines + 16)),
        per_link: None,
        // Everyone behind a relay agent is behind the same port of it.
        per_circuit: Some(behind_relays + 3),
        offer_hold: Duration::from_secs(20),
    };
    Site {
        strangers,
        disuse: Disuse { per_client: 2, of_pool: Share::Count(DISUSED) },
        offer_hold: Duration::from_secs(60),
        decline_hold: Duration::from_secs(600),
        silence_limit: Duration::from_secs(300),
        ..Site::new((0..segments).map(link).collect())
    }
}

fn profiles(pi_menu: PiMenu) -> Vec<Profile> {
    let text = |text: &str| text.to_owned();
    let pi = Profile {
        name: text("recorder"),
        firmware: vec![Firmware::RaspberryPi4, Firmware::RaspberryPi5],
        pi_menu: pi_menu.clone(),
        tree: Some(text("pi")),
        answers: [("config.txt", "config.txt"), ("cmdline.txt", "cmdline.txt")]
            .map(|(name, template)| (text(name), text(template)))
            .into(),
        ..Profile::default()
    };
    let pi3 = Profile {
        name: text("recorder-3"),
        firmware: vec![Firmware::RaspberryPi3],
        pi_menu: PiMenu { raw: pi_menu.raw, ..PiMenu::default() },
        ..pi.clone()
    };
    let pc = Profile {
        name: text("pc"),
        firmware: vec![Firmware::UefiX64, Firmware::UefiHttpX64, Firmware::Ipxe],
        // What its machines become is fixed, so they can be named at their first address.
        product: ProductName::parse(BY_SERIAL),
        venue: VenueCode::parse(VENUE),
        boot_files: [
            (Firmware::UefiX64, text("snponly.efi")),
            (Firmware::UefiHttpX64, text("snponly.efi")),
            (Firmware::Ipxe, text("boot.ipxe")),
        ]
        .into(),
        answers: [("boot.ipxe", "boot.ipxe"), ("unit.txt", "unit.txt")]
            .map(|(name, template)| (text(name), text(template)))
            .into(),
        ..Profile::default()
    };
    // What these become is for their installers to say.
    let others = Profile {
        name: text("others"),
        firmware: vec![Firmware::BiosPxe, Firmware::UefiArm64, Firmware::UefiHttpArm64, Firmware::UBoot],
        boot_files: [
            (Firmware::BiosPxe, text("pxelinux.0")),
            (Firmware::UefiArm64, text("grubnetaa64.efi")),
            (Firmware::UefiHttpArm64, text("grubhttpaa64.efi")),
            (Firmware::UBoot, text("boot.scr.uimg")),
        ]
        .into(),
        answers: [("grub/grub.cfg", "grub.cfg"), ("pxelinux.cfg/default", "pxelinux.cfg"), ("unit.txt", "unit.txt")]
            .map(|(name, template)| (text(name), text(template)))
            .into(),
        ..Profile::default()
    };
    vec![pi, pi3, pc, others]
}

fn templates() -> BTreeMap<String, String> {
    [
        ("config.txt", CONFIG_TXT),
        ("cmdline.txt", CMDLINE_TXT),
        ("boot.ipxe", BOOT_IPXE),
        ("grub.cfg", GRUB_CFG),
        ("pxelinux.cfg", PXELINUX_CFG),
        ("unit.txt", UNIT_TXT),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}

/// Small stand-ins. Some are whole numbers of blocks, which end in an empty one.
fn boot_files() -> BTreeMap<String, Arc<[u8]>> {
    [
        ("bootcode.bin", 3 * 512),
        ("pi/start.elf", 2 * 512),
        ("pi/fixup.dat", 600),
        ("pi/bcm2710-rpi-3-b.dtb", 1500),
        ("pi/start4.elf", 2 * 1024),
        ("pi/fixup4.dat", 700),
        ("pi/kernel8.img", 5 * 1024),
        ("pi/kernel_2712.img", 5 * 1468),
        ("pi/initramfs.img", 4000),
        ("pi/bcm2711-rpi-4-b.dtb", 1500),
        ("pi/bcm2712-rpi-5-b.dtb", 1500),
        ("snponly.efi", 8 * 1468),
        ("pxelinux.0", 42_430),
        ("ldlinux.c32", 3 * 1408),
        ("grubnetaa64.efi", 6 * 1468),
        ("grubhttpaa64.efi", 9000),
        ("installer/arm64/vmlinuz", 8 * 1024),
        ("installer/arm64/initrd.img", 20_000),
        ("installer/x86_64/vmlinuz", 9000),
        ("installer/x86_64/initrd.img", 30_000),
    ]
    .map(|(name, size)| (name.to_owned(), Arc::from(vec![0x5a; size])))
    .into()
}

/// An image is only as large as it says: nobody looks at its bytes.
fn image(file: String) -> Image {
    let digest = Digest(Sha256::digest(file.as_bytes()).into());
    Image::raw(file, IMAGE_SIZE, digest)
}
