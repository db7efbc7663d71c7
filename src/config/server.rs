//! `[server]`, `[paths]`, `[http]`, `[tftp]`, `[dhcp]` and `[limits]`: what the server is, where things lie and how much
//! is done at once.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Field, Once, Table};
use super::strangers;
use crate::confine::Wish;
use crate::site::{Disuse, Leniency, Role, Strangers};

/// Reads `[server]`.
pub(super) fn confinement(root: &Table<'_>) -> Wish {
    let table = root.table("server");
    let user = table.as_ref().and_then(|table| table.field("user")?.parse("the name of a user", "hatchery", user_name));
    Wish { user, sandbox: table.is_none_or(|table| table.boolean("sandbox", true)) }
}

fn user_name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!text.is_empty() && !text.starts_with('-') && text.chars().all(fits)).then(|| text.to_owned())
}

/// Where things lie, absolute or relative to our working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The journal's directory.
    pub data: PathBuf,
    /// The served boot files.
    pub boot: PathBuf,
    /// The OS images.
    pub images: PathBuf,
    /// The operator's answer templates; the built-in ones stand in for those that are not there.
    pub templates: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

impl Paths {
    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.data.join("hatchery.db")
    }

    /// Reads `[paths]`; relative paths start at `base`, the directory of the configuration file.
    pub(super) fn read(root: &Table<'_>, base: &Path) -> Paths {
        let table = root.table("paths");
        let path = |key, default: PathBuf| {
            let field = table.as_ref().and_then(|table| table.field(key));
            let path = field.and_then(|field| {
                field.mention(format!("paths.{key}"));
                file_path(&field)
            });
            path.map_or(default, |path| base.join(path))
        };
        let data = path("data", PathBuf::from("/var/lib/hatchery"));
        Paths {
            boot: path("boot", data.join("boot")),
            images: path("images", data.join("images")),
            templates: path("templates", data.join("templates")),
            socket: path("socket", PathBuf::from("/run/hatchery/hatchery.sock")),
            data,
        }
    }
}

fn file_path<'t>(field: &Field<'t>) -> Option<&'t str> {
    let text = field.line()?;
    if text.is_empty() {
        field.problem("the path is empty");
        return None;
    }
    Some(text)
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The ports of the deployment API and of files, on our address of every network; at least one.
    pub ports: Vec<u16>,
}

impl Http {
    pub(super) fn read(root: &Table<'_>) -> Http {
        let table = root.table("http");
        let port_field = table.as_ref().and_then(|table| table.field("ports"));
        let port_list = port_field.as_ref().map(Field::list);
        let mut once = Once::new();
        let ports = port_list.as_ref().map_or_else(
            || vec![80, 5001, 8888],
            |list| {
                let port =
                    |field: &Field<'_>| field.port().filter(|port| once.take(*port, field, format!("port {port}")));
                list.iter().filter_map(port).collect()
            },
        );
        if let Some(field) = port_field.as_ref().filter(|field| field.is_empty_list()) {
            field.problem_hint("no port is left", "write ports = [80]");
        }
        Http { ports }
    }

    /// The port that URLs name: 80 if it is served, else the first.
    pub fn url_port(&self) -> u16 {
        if self.ports.contains(&80) { 80 } else { self.ports.first().copied().unwrap_or(80) }
    }
}

/// The TFTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tftp {
    /// Whether it runs.
    pub enabled: bool,
    /// The port requests come to.
    pub port: u16,
    /// Transfers at once.
    pub max_transfers: u32,
    /// Transfers at once to one machine.
    pub max_per_client: u32,
    /// The largest block we agree to, bytes (RFC 2348).
    pub max_blksize: u16,
    /// The largest window we agree to, blocks (RFC 7440).
    pub max_windowsize: u16,
    /// Whether everything leaves from `port`, not from a port of each transfer.
    pub single_port: bool,
    /// Whether boot files are found whatever the case of their names.
    pub ignore_case: bool,
}

impl Tftp {
    pub(super) fn read(root: &Table<'_>) -> Tftp {
        let table = root.table("tftp");
        let table = table.as_ref();
        let whole = |key, range, default| table.map_or(default, |table| table.whole(key, range, default));
        let boolean = |key, default| table.map_or(default, |table| table.boolean(key, default));
        let short = |key, range, default| u16::try_from(whole(key, range, default)).unwrap_or(u16::MAX);
        Tftp {
            enabled: boolean("enabled", true),
            port: short("port", 1..=65_535, 69),
            max_transfers: whole("max_transfers", 1..=100_000, 1024),
            max_per_client: whole("max_per_client", 1..=1000, 16),
            // 1500 bytes of Ethernet less IP, UDP and TFTP headers; larger blocks are fragmented, which ROMs dislike.
            max_blksize: short("max_blksize", 512..=65_464, 1468),
            max_windowsize: short("max_windowsize", 1..=64, 16),
            single_port: boolean("single_port", false),
            ignore_case: boolean("ignore_case", false),
        }
    }
}

/// The DHCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcp {
    /// Whether it runs.
    pub enabled: bool,
    /// Whether we give the addresses.
    pub role: Role,
    /// How long an offered address is set aside.
    pub offer_hold: Duration,
    /// How long a declined address stays out of use.
    pub decline_hold: Duration,
    /// How many addresses go out of use at once because somebody says that they are taken.
    pub disuse: Disuse,
    /// What unknown machines may take.
    pub strangers: Strangers,
    /// `siaddr` for clients that boot from another server.
    pub next_server: Option<Ipv4Addr>,
    /// Departures from the protocol.
    pub leniency: Leniency,
}

impl Dhcp {
    pub(super) fn read(root: &Table<'_>) -> Dhcp {
        let table = root.table("dhcp");
        let table = table.as_ref();
        let duration = |key, secs| {
            let default = Duration::from_secs(secs);
            table.map_or(default, |table| table.duration(key, default))
        };
        Dhcp {
            enabled: table.is_none_or(|table| table.boolean("enabled", true)),
            role: table.and_then(role).unwrap_or(Role::Server),
            offer_hold: duration("offer_hold", 120),
            decline_hold: duration("decline_hold", 600),
            disuse: table.map(strangers::disuse).unwrap_or_default(),
            strangers: table.map(strangers::read).unwrap_or_default(),
            next_server: table.and_then(next_server),
            leniency: Leniency {
                ignore_server_id: table.is_some_and(|table| table.boolean("ignore_server_id", false)),
                ignore_link_selection: table.is_some_and(|table| table.boolean("ignore_link_selection", false)),
                echo_client_id: table.is_none_or(|table| table.boolean("echo_client_id", true)),
            },
        }
    }
}

/// The key `mode`.
fn role(table: &Table<'_>) -> Option<Role> {
    let known = |text: &str| [Role::Server, Role::Proxy].into_iter().find(|role| role.word() == text);
    table.field("mode")?.parse("\"server\" or \"proxy\"", "proxy", known)
}

/// The key `next_server`, of the place or of a network.
pub(super) fn next_server(table: &Table<'_>) -> Option<Ipv4Addr> {
    table.field("next_server")?.parse("an IPv4 address", "192.168.151.1", |text| text.parse().ok())
}

/// How much is done at once, and how long is waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A running machine that gives no sign of life for this long has failed.
    pub silence: Duration,
    /// HTTP connections at once.
    pub max_connections: u32,
    /// HTTP connections at once from one address.
    pub max_connections_per_client: u32,
}

impl Limits {
    pub(super) fn read(root: &Table<'_>) -> Limits {
        let table = root.table("limits");
        let table = table.as_ref();
        let whole = |key, max, default| table.map_or(default, |table| table.whole(key, 1..=max, default));
        // Writing a sparse image stalls for minutes; whole transfers take up to 40.
        let silence = Duration::from_secs(45 * 60);
        Limits {
            silence: table.map_or(silence, |table| table.duration("silence", silence)),
            max_connections: whole("max_connections", 100_000, 1024),
            max_connections_per_client: whole("max_connections_per_client", 100_000, 64),
        }
    }
}

#[cfg(test)]
mod tests;
