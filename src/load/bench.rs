//! A bench to load: a lab network, a directory with everything a server needs, and the real server on it.
//!
//! Owns the files and the server process, for the demo and for tests that need a served network. The server is a
//! process of its own, started from the program given; it and the files go when the process that holds the bench ends,
//! however it ends. One per process: it lives inside a lab.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Known;
use crate::clock;
use crate::ids::Digest;
use crate::lab::{self, Network};
use crate::serve::control::{self, Reply, Request};

/// Our address on the bench, and its prefix length.
pub const SERVER: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 168, 151, 1), 24);
/// What the machines of the bench become, and where they go.
pub const PRODUCT: &str = "KXP2";
/// The venue's code.
pub const VENUE: &str = "DEMO";
/// The product's image file.
const IMAGE: &str = "kxp2_master.img";

/// How long a server may take to become ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room that the server wants to see free; it takes no memory while nothing is written there.
const FREE_MIB: u32 = 128;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Boot files by name and size in KiB: what real ones weigh.
const BOOT_FILES: [(&str, usize); 12] = [
    ("pi/kernel_2712.img", 8 << 10),
    ("pi/kernel8.img", 8 << 10),
    ("pi/initramfs.img", 4 << 10),
    ("pi/start4.elf", 2250),
    ("pi/fixup4.dat", 6),
    ("pi/bcm2711-rpi-4-b.dtb", 56),
    ("pi/bcm2712-rpi-5-b.dtb", 78),
    ("ipxe/x86_64/snponly.efi", 1 << 10),
    ("ipxe/arm64/snponly.efi", 1 << 10),
    ("ipxe/undionly.kpxe", 72),
    ("installer/x86_64/vmlinuz", 8 << 10),
    ("installer/x86_64/initrd.img", 4 << 10),
];

/// What is to be on the bench.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The `hatchery` program.
    pub program: PathBuf,
    /// Size of the image.
    pub image_mib: u32,
    /// Further keys of `[[network]]`, as TOML lines; they may not repeat `interface`, `address` and `pool`.
    pub network: String,
    /// Further tables of the configuration, as TOML: `[tftp]`, `[dhcp]` and so on.
    pub tables: String,
    /// What the server logs (see `serve --log`).
    pub log: String,
}

/// Why a bench could not be set up, or its server not be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The lab.
    #[error(transparent)]
    Lab(#[from] lab::Error),
    /// A file of the bench.
    #[error("cannot prepare {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The server ended, or never became ready.
    #[error("the server {what}; its log ends:\n{log}")]
    Server {
        /// What it did.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// The server does not answer its control socket.
    #[error("the server does not answer")]
    Control(#[from] io::Error),
    /// The server refused.
    #[error("the server refused: {0}")]
    Refused(String),
}

/// A bench, with or without a server running on it.
pub struct Bench {
    directory: PathBuf,
    program: PathBuf,
    log: String,
    image: Arc<Known>,
    // Before the network, which waits for the server's end.
    server: Option<Child>,
    network: Network,
}

/// MiB of memory that the files of a bench take.
pub fn size_mib(image_mib: u32) -> u32 {
    let boot_kib: usize = BOOT_FILES.iter().map(|(_, kib)| kib).sum();
    // The journal and the log are small beside the rest.
    image_mib + u32::try_from(boot_kib >> 10).unwrap_or(u32::MAX) + 32
}

impl Bench {
    /// Makes the network and the files, in memory; the server is not started yet. The calling thread must be inside a
    /// lab, and its network namespace becomes the machines' side.
    ///
    /// # Errors
    /// [`BenchError::Lab`] and [`BenchError::File`].
    pub fn new(setup: &Setup) -> Result<Bench, BenchError> {
        let directory = lab::private_tmpfs(size_mib(setup.image_mib) + FREE_MIB)?;
        let network = Network::new(&[SERVER])?;
        let write = |name: &str, kib: usize| {
            let path = directory.join(name);
            write_noise(&path, kib).map_err(|source| BenchError::File { path, source })
        };
        for (name, kib) in BOOT_FILES {
            write(&format!("data/boot/{name}"), kib)?;
        }
        let image = format!("data/images/{IMAGE}");
        let digest = write(&image, (setup.image_mib as usize) << 10)?;
        let path = directory.join(image);
        let image = Known::map(&path, digest).map_err(|source| BenchError::File { path, source })?;
        let path = directory.join("hatchery.toml");
        fs::write(&path, configuration(setup)).map_err(|source| BenchError::File { path, source })?;
        let (program, log) = (setup.program.clone(), setup.log.clone());
        Ok(Bench { directory, program, log, image: Arc::new(image), server: None, network })
    }

    /// Starts the server and waits until it is ready. One that runs must have been ended before.
    ///
    /// # Errors
    /// [`BenchError::Server`] with the end of its log.
    pub fn start_server(&mut self) -> Result<(), BenchError> {
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |source| BenchError::File { path, source }
        };
        let path = self.log_path();
        let log = File::options().create(true).append(true).open(&path).map_err(file_error(&path))?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "--config", "hatchery.toml", "--log", &self.log]);
        command.current_dir(&self.directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.server = Some(self.network.spawn_server(command)?);
        self.wait_until("is not ready", |bench| bench.ask(&Request::Status).is_ok())
    }

    /// Waits until the server has hashed the image, so that no machine has to.
    ///
    /// # Errors
    /// [`BenchError::Server`] with the end of its log.
    pub fn wait_for_image(&mut self) -> Result<(), BenchError> {
        self.wait_until("has not hashed the image", |bench| {
            bench.log_text().lines().any(|line| line.contains("image: ready"))
        })
    }

    /// Ends the server at once, as a power failure would; nothing if none runs.
    pub fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Both fail only for a process that is gone already.
            server.kill().ok();
            server.wait().ok();
        }
    }

    /// Ends the server as an operator would, and waits until it has.
    ///
    /// # Errors
    /// [`BenchError::Server`] if it does not end.
    pub fn stop_server(&mut self) -> Result<Option<ExitStatus>, BenchError> {
        let Some(server) = &self.server else { return Ok(None) };
        let id = i32::try_from(server.id()).expect("process ids fit");
        kill(Pid::from_raw(id), Signal::SIGTERM).ok();
        let mut ended = None;
        let end = clock::now().instant + PATIENCE;
        while clock::now().instant < end && ended.is_none() {
            ended = self.server_ended();
            sleep(LOOK_AGAIN);
        }
        ended.ok_or_else(|| self.server_error("does not end when asked to")).map(Some)
    }

    /// How the server ended by itself, if it did; seen once.
    pub fn server_ended(&mut self) -> Option<ExitStatus> {
        let status = self.server.as_mut()?.try_wait().ok()??;
        self.server = None;
        Some(status)
    }

    /// The process id of the server that was started last and not ended by us.
    pub fn server_id(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Asks the running server.
    ///
    /// # Errors
    /// [`BenchError::Control`] and [`BenchError::Refused`].
    pub fn ask(&self, request: &Request) -> Result<Value, BenchError> {
        match control::ask(&self.socket(), request)? {
            Reply::Ok(value) => Ok(value),
            Reply::Error { sentence, .. } => Err(BenchError::Refused(sentence)),
            Reply::Problems(problems) => Err(BenchError::Refused(problems.join("; "))),
        }
    }

    /// The network; machines plug into its link 0.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The image that machines download.
    pub fn image(&self) -> &Arc<Known> {
        &self.image
    }

    /// Where everything lies: `hatchery.toml`, `data/boot`, `data/images`, `server.log`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The server's control socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("hatchery.sock")
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = self.log_text();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    fn log_text(&self) -> String {
        fs::read(self.log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn wait_until(&mut self, complaint: &str, there: impl Fn(&Bench) -> bool) -> Result<(), BenchError> {
        let end = clock::now().instant + PATIENCE;
        while !there(self) {
            if let Some(status) = self.server_ended() {
                return Err(self.server_error(&format!("ended by itself ({status})")));
            }
            if clock::now().instant > end {
                return Err(self.server_error(&format!("{complaint} after {} s", PATIENCE.as_secs())));
            }
            sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn server_error(&self, what: &str) -> BenchError {
        BenchError::Server { what: what.to_owned(), log: self.log_tail(20) }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.kill_server();
    }
}

fn configuration(setup: &Setup) -> String {
    let Setup { network, tables, .. } = setup;
    let (address, prefix) = SERVER;
    format!(
        r#"[paths]
data = "data"
socket = "hatchery.sock"

[[network]]
interface = "hatch0"
address = "{address}/{prefix}"
pool = ["192.168.151.100-192.168.151.250"]
{network}

[[product]]
name = "{PRODUCT}"
image = "{IMAGE}"

[[venue]]
code = "{VENUE}"
numbers = {{ {PRODUCT} = ["1-200"] }}

[[profile]]
name = "raspberry-pi"
firmware = ["raspberry-pi-4", "raspberry-pi-5"]
product = "{PRODUCT}"
venue = "{VENUE}"
tree = "pi"
[profile.answers]
"config.txt" = "pi/config.txt"
"cmdline.txt" = "pi/cmdline.txt"

[[profile]]
name = "pc"
firmware = ["bios", "uefi-x64", "uefi-arm64"]
product = "{PRODUCT}"
venue = "{VENUE}"
boot_file = "ipxe/x86_64/snponly.efi"
[profile.boot_files]
bios = "ipxe/undionly.kpxe"
uefi-arm64 = "ipxe/arm64/snponly.efi"

[[profile]]
name = "ipxe"
firmware = ["ipxe"]
product = "{PRODUCT}"
venue = "{VENUE}"
boot_file = "boot.ipxe"
[profile.answers]
"boot.ipxe" = "ipxe/boot.ipxe"

{tables}
"#
    )
}

/// Writes that many KiB that no compression makes smaller, the same ones for the same name; their SHA-256.
fn write_noise(path: &Path, kib: usize) -> io::Result<Digest> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut noise =
        fastrand::Rng::with_seed(name.iter().fold(1, |seed, byte| seed * 31 % 0xffff_fffb + u64::from(*byte)));
    let mut file = File::create(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 20];
    let mut missing = kib << 10;
    while missing > 0 {
        let piece = missing.min(block.len());
        noise.fill(&mut block[..piece]);
        hasher.update(&block[..piece]);
        file.write_all(&block[..piece])?;
        missing -= piece;
    }
    Ok(Digest(hasher.finalize().into()))
}
