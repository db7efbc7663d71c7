//! The configuration: one TOML file, checked as a whole, made of the types the rules use.
//!
//! Owns what the keys are called, what they default to and what is wrong with a file; `packaging/hatchery.toml` is
//! the reference of every key. Never starts anything. The invariant: a [`Config`] that exists has no problem that can
//! be told from the file alone; what can only be told from the disk is asked with [`Config::check_files`].

pub mod builtin;
mod class;
mod files;
mod lint;
mod management;
mod network;
mod option;
mod problem;
mod product;
mod profile;
mod reader;
mod reservation;
mod retention;
mod server;
mod strangers;
mod value;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::catalog::Profile;
use crate::class::Class;
use crate::confine::Wish;
use crate::ids::ProductName;
use crate::naming::{Product, Scheme, Venue};
use crate::serve::proxmox;
use crate::site::{Role, Site};
use crate::store::retention::Retention;

pub use management::{Certificate, Management};
pub use problem::{Place, Problem, Problems};
pub use server::{Dhcp, Http, Limits, Paths, Tftp};

use profile::Names;
use reader::{Report, Table};

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the rules know about this place.
    pub site: Site,
    /// In the order of the file; the first that fits a firmware is taken.
    pub profiles: Vec<Profile>,
    /// In the order of the file; the options of the first go before those of later ones.
    pub classes: Vec<Class>,
    /// What is made.
    pub products: Vec<Product>,
    /// Where it goes, with the numbers loaded there.
    pub venues: Vec<VenueConfig>,
    /// Who the server is on its machine, and what it gives up.
    pub confinement: Wish,
    /// Where things lie.
    pub paths: Paths,
    /// The HTTP server.
    pub http: Http,
    /// The TFTP server.
    pub tftp: Tftp,
    /// The DHCP server.
    pub dhcp: Dhcp,
    /// How much is done at once.
    pub limits: Limits,
    /// The pages and the API of those who run the room.
    pub management: Management,
    /// How long what is kept in the journal.
    pub retention: Retention,
    /// The file it was read from, as it was named to us.
    file: String,
    /// Where the file names things on disk.
    mentions: BTreeMap<String, files::Mention>,
}

/// A venue and the numbers its pooled names are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueConfig {
    /// The venue.
    pub venue: Venue,
    /// The numbers of each pooled product, ascending.
    pub pools: Vec<(ProductName, Vec<u32>)>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem of the file at once; that it cannot be read is one too.
    pub fn load(path: &Path) -> Result<Config, Problems> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(&text, &file),
            Err(error) => {
                let what = format!("cannot be read: {error}");
                let problem = Problem { file, place: None, key: String::new(), what, hint: None };
                Err(Problems::one(problem))
            }
        }
    }

    /// Checks the text of a file; `file` stands in messages, and relative paths start at its directory.
    ///
    /// # Errors
    /// Every problem at once, in the order of the file.
    pub fn parse(text: &str, file: &str) -> Result<Config, Problems> {
        let report = Report::new(file, text);
        let config = report.document().map(|document| {
            let root = Table::root(&report, &document);
            Config::read(&root, file)
        });
        let (mentions, problems) = report.finish();
        match (problems, config) {
            (None, Some(config)) => Ok(Config { mentions, ..config }),
            (Some(problems), _) => Err(problems),
            (None, None) => unreachable!("a text that gives no document has been reported"),
        }
    }

    /// What the tables say; where they are wrong, a stand-in that nobody gets to see.
    fn read(root: &Table<'_>, file: &str) -> Config {
        let base = Path::new(file).parent().unwrap_or(Path::new(""));
        let products = product::products(root);
        let venues = product::venues(root, &products);
        let classes = class::read(root);
        let names = Names::new(&products, &venues, &classes);
        let profiles = profile::read(root, &names);
        let dhcp = Dhcp::read(root);
        let links = network::read(root, dhcp.role, &names.with_profiles(&profiles));
        let management = Management::read(root, &links, base);
        let http = Http::read(root);
        let limits = Limits::read(root);
        let mut site = Site {
            links,
            role: dhcp.role,
            options: option::of(root, option::Level::Other),
            next_server: dhcp.next_server,
            leniency: dhcp.leniency,
            http_port: http.url_port(),
            offer_hold: dhcp.offer_hold,
            decline_hold: dhcp.decline_hold,
            disuse: dhcp.disuse,
            strangers: dhcp.strangers,
            silence_limit: limits.silence,
        };
        if profiles.iter().any(|profile| profile.answers.contains_key(proxmox::ANSWER)) {
            option::point_proxmox(&mut site);
        }
        Config {
            site,
            profiles,
            classes,
            products,
            venues,
            confinement: server::confinement(root),
            paths: Paths::read(root, base),
            http,
            tftp: Tftp::read(root),
            dhcp,
            limits,
            management,
            retention: retention::read(root),
            file: file.to_owned(),
            mentions: BTreeMap::new(),
        }
    }

    /// The configuration in force, a line for each thing, for people.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let mut line = |text: String| _ = writeln!(out, "{text}");
        for link in &self.site.links {
            let pool: u64 =
                link.pools.iter().map(|pool| u64::from(u32::from(pool.last) - u32::from(pool.first)) + 1).sum();
            line(format!(
                "network {}: {} on {}, {}; {}, {}, leases of {}",
                link.name,
                link.address,
                link.interface.as_deref().unwrap_or("relays"),
                link.subnet,
                count(pool, "pool address", "pool addresses"),
                count(link.reservations.len() as u64, "reservation", "reservations"),
                value::shown_duration(link.lease_time),
            ));
        }
        for product in &self.products {
            let scheme = match product.scheme {
                Scheme::Pooled { width } => format!("numbered with {width} digits"),
                Scheme::Serial { digits } => format!("named by the last {digits} of the serial"),
            };
            line(format!("product {}: {scheme}, image {}", product.name, product.image_file()));
        }
        for VenueConfig { venue, pools } in &self.venues {
            let pools: Vec<String> = pools.iter().map(|(name, list)| format!("{} {name}", list.len())).collect();
            let pools = if pools.is_empty() { "no numbers".to_owned() } else { pools.join(", ") };
            line(format!("venue {} ({}): {pools}", venue.code, venue.name));
        }
        for profile in &self.profiles {
            let firmware: Vec<&str> = profile.firmware.iter().map(|each| each.name()).collect();
            let firmware = if firmware.is_empty() { "reservations only".to_owned() } else { firmware.join(", ") };
            let product = profile.product.as_ref().map_or_else(String::new, |product| format!("; becomes {product}"));
            line(format!("profile {}: {firmware}{product}", profile.name));
        }
        let ports: Vec<String> = self.http.ports.iter().map(u16::to_string).collect();
        line(format!("HTTP: {}", ports.join(", ")));
        line(format!("TFTP: {}", if self.tftp.enabled { self.tftp.port.to_string() } else { "off".to_owned() }));
        let dhcp = match (self.dhcp.enabled, self.dhcp.role) {
            (false, _) => "off",
            (true, Role::Server) => "67",
            (true, Role::Proxy) => "67 and 4011, beside another server",
        };
        line(format!("DHCP: {dhcp}"));
        let pages: Vec<String> = self.management.listen.iter().map(SocketAddr::to_string).collect();
        let tls = if self.management.tls.is_some() { " with TLS" } else { "" };
        line(format!("management: {}", if pages.is_empty() { "off".to_owned() } else { pages.join(", ") + tls }));
        let Paths { data, boot, images, templates, socket } = &self.paths;
        for (name, path) in
            [("data", data), ("boot", boot), ("images", images), ("templates", templates), ("socket", socket)]
        {
            line(format!("{name}: {}", path.display()));
        }
        out
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
