//! What the installer is told: the kernel command line when it is init, arguments when it is run by hand.
//!
//! Both set the same things: `hatchery.server=URL` and `--server URL`. Owns the words and their check; reads nothing by
//! itself.

use super::job::After;
use crate::net::Mac;

/// What `--help` prints.
pub const HELP: &str = "\
Writes the image that a hatchery server has for this machine onto its drive.

Usage: hatchery-installer --server URL [--target DEVICE] [OPTIONS]

As init of a network boot it takes the same words from the kernel command line, as hatchery.server=URL.
By hand, in a rescue system, it mounts nothing, sets no clock, and ends when it is done.

Options:
      --server URL      The server, http://ADDRESS[:PORT]; without it, the DHCP server of --interface
      --interface NAME  Get an address by DHCP on this interface first
      --target DEVICE   Write this drive, whatever the server would choose; a regular file is taken as well
      --serial TEXT     The serial number, where the hardware tells none
      --product NAME    What the machine becomes, where the server has no default
      --venue CODE      Where it goes
      --after WORD      reboot, poweroff or wait, instead of what the server says
      --dry-run         Ask nobody to write anything: show this machine, its drives, and what would be done
      --json            With --dry-run: one JSON object
  -h, --help            This text
  -V, --version         The version

Examples:
  hatchery-installer --server http://192.168.151.1 --dry-run
  hatchery-installer --server http://192.168.151.1 --target /dev/nvme0n1
  hatchery-installer --interface eth0 --product KXP2 --venue SPAA --after reboot

Exit codes:
  0    done
  1    it did not work; the sentence says why
  2    wrong arguments
";

/// What to do, and what is known beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The server's base URL, without a slash at its end.
    pub server: Option<String>,
    /// The serial number, where the hardware tells none.
    pub serial: Option<String>,
    /// The product, if told.
    pub product: Option<String>,
    /// The venue, if told.
    pub venue: Option<String>,
    /// The one drive (or file) to write.
    pub target: Option<String>,
    /// The one interface to use.
    pub interface: Option<String>,
    /// The MAC of the interface that the firmware booted from.
    pub boot_mac: Option<Mac>,
    /// What comes after success, instead of what the server says.
    pub after: Option<After>,
    /// Only show what would be done.
    pub dry_run: bool,
    /// Show it as JSON.
    pub json: bool,
}

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Run.
    Run(Box<Options>),
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

impl Options {
    /// Reads the kernel command line. What cannot be used is left out; the second list says what and why.
    pub fn from_kernel(line: &str) -> (Options, Vec<String>) {
        let mut options = Options::default();
        let mut complaints = Vec::new();
        for word in words(line) {
            let Some((key, value)) = word.split_once('=') else { continue };
            if key == "BOOTIF" {
                // pxelinux writes the hardware type in front: 01-52-54-00-12-34-56.
                let mac = value.strip_prefix("01-").filter(|rest| rest.len() == 17).unwrap_or(value);
                options.boot_mac = Mac::parse(mac);
            } else if let Some(name) = key.strip_prefix("hatchery.")
                && let Err(why) = options.set(name, value)
            {
                complaints.push(format!("kernel command line: {word}: {why}"));
            }
        }
        (options, complaints)
    }

    /// Reads arguments, without the program's name.
    ///
    /// # Errors
    /// A sentence about the first argument that is wrong.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Asked, String> {
        let mut options = Options::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            match name {
                "-h" | "--help" => return Ok(Asked::Help),
                "-V" | "--version" => return Ok(Asked::Version),
                "--dry-run" => options.dry_run = true,
                "--json" => options.json = true,
                _ => {
                    let name = name.strip_prefix("--").ok_or_else(|| format!("{argument}: what is this for?"))?;
                    let value = value.or_else(|| arguments.next()).ok_or_else(|| format!("--{name} needs a value"))?;
                    options.set(name, &value).map_err(|why| format!("--{name} {value}: {why}"))?;
                }
            }
        }
        if options.json && !options.dry_run {
            return Err("--json goes with --dry-run".to_owned());
        }
        if options.server.is_none() && options.interface.is_none() && !options.dry_run {
            return Err("which server? --server http://ADDRESS, or --interface NAME to ask by DHCP".to_owned());
        }
        Ok(Asked::Run(Box::new(options)))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let text = || match value.trim() {
            "" => Err("the value is empty".to_owned()),
            value => Ok(Some(value.to_owned())),
        };
        match name {
            "server" => self.server = Some(base_url(value)?),
            "serial" => self.serial = text()?,
            "product" => self.product = text()?,
            "venue" => self.venue = text()?,
            "target" => self.target = text()?,
            "interface" => self.interface = text()?,
            "after" => {
                self.after = Some(match value {
                    "reboot" => After::Reboot,
                    "poweroff" => After::Poweroff,
                    "wait" => After::Wait,
                    _ => return Err("must be reboot, poweroff or wait".to_owned()),
                });
            }
            _ => return Err("no such option".to_owned()),
        }
        Ok(())
    }
}

/// `http://ADDRESS[:PORT]`, with or without `http://` and a slash at its end.
fn base_url(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    if address.is_empty() || address.contains(['/', ' ', '@']) {
        return Err("must be http://ADDRESS[:PORT]".to_owned());
    }
    Ok(format!("http://{address}"))
}

/// The words of a kernel command line: blanks separate them, double quotes keep blanks (Documentation/admin-guide).
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().expect("there is always one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests;
