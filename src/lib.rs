//! hatchery is a network boot appliance: blank machine in; named, imaged, tested, labelled unit out.
//!
//! One binary answers DHCP, TFTP and HTTP on a provisioning network around one table of machines, so that each booting
//! machine receives its address, host name, answer files, boot files and image in one pipeline.
//!
//! # The picture
//!
//! A pure state machine, the [`fleet`], takes events and returns actions. Shells bring it bytes and time, and carry its
//! actions out.
//!
//! ```text
//!           ┌────────────────────────── pure ──────────────────────────┐
//!  bytes ─► │ decode ─► identify ─► assign ─► plan ─► answer ─► encode │ ─► [Commit, Send, Tell, Publish] ─► shell
//!    now ─► │                Fleet::handle(event, now)                 │      │
//!           └──────────────────────────────────────────────────────────┘      └─ commits reach SQLite first;
//!                         next_deadline() ─► the shell waits no longer            no Send overtakes its Commit
//! ```
//!
//! # Life of a boot
//!
//! A Raspberry Pi 5 is switched on.
//!
//! 1. Its EEPROM broadcasts a DISCOVER. The core thread ([`serve::core`]) reads it from port 67 of the link
//!    ([`serve::dhcp`]), as it reads its inbox, and hands it to [`fleet::Fleet::handle`].
//! 2. [`wire::dhcp::codec`] checks the frame and decodes it. [`machine::firmware`] recognises a Pi 5 by option 97 (its
//!    option 93 claims to be a BIOS). [`lease::Leases::choose`] picks an address, [`boot::plan`] decides that it is to
//!    be installed and says why, [`dhcp::offer`] writes the OFFER with the boot menu a Pi looks for ([`dhcp::pxe`]), and
//!    [`dhcp::route`] sends it in an Ethernet frame to a machine that has no address yet. Nothing is remembered but the
//!    offer.
//! 3. The REQUEST binds the address ([`dhcp::bind`]), makes the machine known, gives it a name if that is certain
//!    already ([`naming`]), and moves it to stage `address` ([`boot::pipeline`]). Those changes are one transaction of
//!    the [`store`]; the ACK leaves when it is on disk. Readers learn of it through notices ([`fleet::board`]).
//! 4. The Pi asks for `d9780558/config.txt` by TFTP. [`serve::library`] looks up who holds the asking address,
//!    [`boot::file::resolve`] says that this name is an answer, [`answer`] renders it; other names are files below the
//!    boot directory. [`tftp::Transfer`] carries the bytes, [`serve::tftp`] its datagrams. The same names over HTTP
//!    give the same bytes.
//! 5. The installer asks `POST /api/config` ([`serve::api`]) who it is: [`fleet::report`] answers with its name, once
//!    and for all, and with the image that its product has ([`catalog`]).
//! 6. It downloads `/images/…`: [`serve::http`] reads the head once and [`serve::image`] sends the file by sendfile(2);
//!    no byte of it enters this process. Progress reaches the fleet as events and the board as notices.
//! 7. `POST /api/status` with `success` ends the deployment: the machine's order becomes to boot its own disk. At its
//!    next network boot it gets an address and no boot answer, until an operator asks for a reinstall.
//!
//! # Modules
//!
//! A module names only modules that are declared before it, so this list is reading order and dependency order at once;
//! `tests/tidy.rs` holds it to that. The rows:
//!
//! | row | what | may use |
//! |---|---|---|
//! | 0 vocabulary | [`ids`] [`image`] [`net`] [`refusal`] [`site`] [`time`] [`transfer`] | std |
//! | 1 wire | [`wire`]: bytes to values and back | dhcproto and httparse, in one file each |
//! | 2 rules | [`machine`] [`class`] [`catalog`] [`lease`] [`naming`] [`boot`] [`answer`] [`dhcp`] [`tftp`] [`access`] | the template engine, in `answer` |
//! | 3 core | [`fleet`] | nothing new |
//! | 4 world | [`sim`] | a seeded generator, a hash |
//! | 5 shell | [`clock`] [`packet`] [`confine`] [`disk`] [`archive`] [`installer`] [`environment`] [`assets`] [`store`] [`lab`] [`serve`] [`load`] | clocks, sockets, files, SQLite, threads |
//! | 6 outside | [`config`] [`cli`] [`command`], then `main` | the terminal |
//!
//! # What you will not find
//!
//! - A clock, socket, file or random number in rows 0 to 4: `now` is an argument, luck is a seed.
//! - A reply that promises what is not on disk.
//! - A lock held across anything that waits.
//! - A decision in a shell.
//! - An error for what a network sends us: it is a [`refusal::Refusal`], counted and logged once.
//! - A machine with two names, or a name with two machines.
//!
//! # Where to start
//!
//! | to change | start at |
//! |---|---|
//! | what some firmware is told by DHCP | [`dhcp::pxe`], then a packet in `tests/captures` |
//! | who gets which name | [`naming::Naming::choose`] |
//! | which file a name means | [`boot::file::resolve`] |
//! | what is remembered | [`fleet::contract::Change`], [`fleet::tables`], [`store`] |
//! | what the audit says of a change | [`fleet::audit`] |
//! | what an answer file may say | [`answer`], then `answer-templates` |
//! | what the server may do to its machine | [`confine`], then `packaging/hatchery.service` |
//! | a configuration key | [`config`] and `packaging/hatchery.toml` |

// Row 0: vocabulary.
pub mod ids;
pub mod image;
pub mod net;
pub mod refusal;
pub mod site;
pub mod time;
pub mod transfer;

// Row 1: wire.
pub mod wire;

// Row 2: rules.
#[cfg(feature = "server")]
pub mod machine;
#[cfg(feature = "server")]
pub mod class;
#[cfg(feature = "server")]
pub mod catalog;
#[cfg(feature = "server")]
pub mod lease;
#[cfg(feature = "server")]
pub mod naming;
#[cfg(feature = "server")]
pub mod boot;
#[cfg(feature = "server")]
pub mod answer;
#[cfg(feature = "server")]
pub mod dhcp;
#[cfg(feature = "server")]
pub mod tftp;
#[cfg(feature = "server")]
pub mod access;

// Row 3: core.
#[cfg(feature = "server")]
pub mod fleet;

// Row 4: world.
#[cfg(feature = "server")]
pub mod sim;

// Row 5: shell.
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod clock;
pub mod packet;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod confine;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod disk;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod archive;
#[cfg(feature = "installer")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod installer;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod environment;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod assets;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod store;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod lab;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod serve;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod load;

// Row 6: outside.
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod config;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod cli;
#[cfg(feature = "server")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod command;
