//! Whether our ports can be opened: for `hatchery doctor` while no server runs, because a running one has them.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use super::Finding;
use crate::serve::{Settings, dhcp, http, tftp};

/// Opens every port that a server with these settings would, and closes it again. Must run inside the runtime.
pub fn look(settings: &Settings) -> Vec<Finding> {
    let links = settings.site.links.iter();
    let home = links.filter(|link| link.interface.is_some() && link.subnet.contains(link.address));
    let mut findings = Vec::new();
    if settings.dhcp {
        findings.push(finding("port of DHCP", dhcp::bind(&settings.site).map(drop)));
    }
    for link in home {
        if let Some(config) = &settings.tftp {
            let listen = SocketAddrV4::new(link.address, config.listen.port());
            let config = tftp::Config { listen, interface: link.interface.clone(), ..config.clone() };
            findings.push(finding(format!("port of TFTP {}", link.address), tftp::Server::bind(config).map(drop)));
        }
        for port in &settings.http_ports {
            let address = SocketAddr::from((link.address, *port));
            findings.push(finding(format!("port of HTTP {address}"), http::bind(&[address]).map(drop)));
        }
    }
    findings
}

fn finding(check: impl Into<String>, opened: Result<(), impl Error + 'static>) -> Finding {
    let check = check.into();
    match opened {
        Ok(()) => {
            let what = format!("the {check} is free");
            Finding::green(check, what)
        }
        Err(error) if is_barred(&error) => {
            let what = format!("cannot tell whether the {check} is free: {error}");
            Finding::amber(check, what, "run hatchery doctor as root")
        }
        Err(error) => Finding::red(check, error.to_string(), "hatchery cannot start before this is put right"),
    }
}

fn is_barred(error: &(dyn Error + 'static)) -> bool {
    let barred = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    error.downcast_ref().is_some_and(barred) || error.source().is_some_and(is_barred)
}
