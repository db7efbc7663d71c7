//! GRUB images for UEFI network boot, built by `grub-mkimage` from a package's modules.
//!
//! Each has HTTP and TFTP in it, and `boot-assets/grub.cfg`, which finds the boot server and goes on with the menu that
//! it renders. Debian's own netboot images have no HTTP.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use super::Error;

/// The configuration inside of the image.
const CONFIG: &str = include_str!("../../boot-assets/grub.cfg");

/// Where `normal` looks for it: grub-mkimage makes this the prefix of every image with a memory disk.
const CONFIG_PATH: &str = "boot/grub/grub.cfg";

/// Where the configuration looks for the servers that were known when the image was built.
const SERVERS_PATH: &str = "boot/grub/servers.cfg";

/// What is built in: the network, the script language, Linux, and enough to look at a disk by hand.
const MODULES: [&str; 36] = [
    "all_video",
    "boot",
    "chain",
    "configfile",
    "echo",
    "efinet",
    "efifwsetup",
    "ext2",
    "fat",
    "font",
    "gzio",
    "halt",
    "http",
    "linux",
    "ls",
    "memdisk",
    "minicmd",
    "net",
    "normal",
    "part_gpt",
    "part_msdos",
    "progress",
    "reboot",
    "regexp",
    "search",
    "search_fs_file",
    "search_fs_uuid",
    "search_label",
    "serial",
    "sleep",
    "tar",
    "terminal",
    "test",
    "tftp",
    "true",
    "xzio",
];

/// Builds the image of a platform, such as `arm64-efi`, from the modules in `modules`; `servers` are tried when DHCP names
/// no boot server that answers, and `scratch` holds what lies between.
///
/// # Errors
/// If `grub-mkimage` is missing or fails, or `scratch` cannot be written.
pub fn build(platform: &str, modules: &Path, servers: &[Ipv4Addr], scratch: &Path) -> Result<Vec<u8>, Error> {
    let (memdisk, image) = (scratch.join("memdisk.tar"), scratch.join("grub.efi"));
    memory_disk(servers).and_then(|bytes| fs::write(&memdisk, bytes)).map_err(Error::file(&memdisk))?;
    let mut command = Command::new("grub-mkimage");
    command.args(["--format", platform, "--prefix", "(memdisk)/boot/grub", "--directory"]).arg(modules);
    command.arg("--memdisk").arg(&memdisk).arg("--output").arg(&image).args(MODULES).env("LC_ALL", "C");
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoMkimage,
        _ => Error::Mkimage(error.to_string()),
    })?;
    if !output.status.success() {
        return Err(Error::Mkimage(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    fs::read(&image).map_err(Error::file(&image))
}

/// A tar archive of the configuration and the servers; the same bytes every time.
fn memory_disk(servers: &[Ipv4Addr]) -> io::Result<Vec<u8>> {
    let servers: Vec<String> = servers.iter().map(Ipv4Addr::to_string).collect();
    let servers = format!("set servers=\"{}\"\n", servers.join(" "));
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in [(CONFIG_PATH, CONFIG), (SERVERS_PATH, servers.as_str())] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    archive.into_inner()
}
