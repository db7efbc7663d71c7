//! What each firmware insists on in an OFFER or ACK before it boots from us.

use std::net::Ipv4Addr;

use super::push_echo;
use crate::boot::{Boot, BootPlan};
use crate::machine::firmware::Firmware;
use crate::wire::dhcp::{Reply, Request, code};

/// Longest text of the `file` field that leaves room for its NUL (RFC 2131 §2).
const FILE_FIELD_MAX: usize = 127;

/// Adds boot server, boot file and vendor options, or nothing if the machine is not to boot from us.
pub fn push(reply: &mut Reply, request: &Request, firmware: Firmware, plan: &BootPlan) {
    if firmware.netboots() {
        push_echo(reply, request, code::CLIENT_UUID);
    }
    let Boot::Net(net) = &plan.boot else { return };
    reply.siaddr = net.next_server;
    match firmware {
        Firmware::RaspberryPi3 | Firmware::RaspberryPi4 | Firmware::RaspberryPi5 => {
            reply.options.push((code::VENDOR_CLASS, b"PXEClient".to_vec()));
            reply.options.push((code::VENDOR_ENCAPSULATED, raspberry_pi_boot(firmware)));
            push_server_name(reply, net.next_server);
        }
        // OVMF's HTTP boot takes no offer without this class (it repeats its DISCOVER for ever).
        Firmware::UefiHttpX64 | Firmware::UefiHttpArm64 => {
            reply.options.push((code::VENDOR_CLASS, b"HTTPClient".to_vec()));
            push_boot_file(reply, &net.boot_file);
        }
        // 175.176 = 1, no-pxedhcp: we own DHCP here, so there is no proxyDHCP worth waiting two seconds for. The
        // operator's own 175 stands: two of them would be read as one (RFC 3396 §7).
        Firmware::Ipxe => {
            if reply.option(code::IPXE).is_none() {
                reply.options.push((code::IPXE, vec![0xb0, 1, 1]));
            }
            push_boot_file(reply, &net.boot_file);
        }
        // No class "PXEClient": OVMF would then ask UDP port 4011 for its boot file. No option 43 either.
        Firmware::BiosPxe | Firmware::UefiX64 | Firmware::UefiArm64 | Firmware::UBoot => {
            push_server_name(reply, net.next_server);
            push_boot_file(reply, &net.boot_file);
        }
        Firmware::Plain | Firmware::Unknown => push_boot_file(reply, &net.boot_file),
    }
}

/// Option 66 as a dotted quad: no firmware in the field resolves a name there.
fn push_server_name(reply: &mut Reply, server: Ipv4Addr) {
    reply.options.push((code::TFTP_SERVER_NAME, server.to_string().into_bytes()));
}

/// The boot file goes into the `file` field, which every firmware reads; an option 67 without a NUL makes some BIOS
/// ROMs ask for `pxelinux.0\xff`. Only a name too long for the field goes into option 67, as the last option, because
/// EDK2 writes a NUL one byte behind it.
fn push_boot_file(reply: &mut Reply, name: &str) {
    if name.len() <= FILE_FIELD_MAX {
        reply.file = name.to_owned();
    } else {
        reply.options.push((code::BOOT_FILE, name.as_bytes().to_vec()));
    }
}

/// The PXE menu that a Raspberry Pi looks for: discovery control 3, prompt "PXE" at once, one entry named
/// "Raspberry Pi Boot". The Pi 3 ROM compares with three spaces more.
fn raspberry_pi_boot(firmware: Firmware) -> Vec<u8> {
    let mut entry = b"Raspberry Pi Boot".to_vec();
    if firmware == Firmware::RaspberryPi3 {
        entry.extend_from_slice(b"   ");
    }
    let length = entry.len() as u8;
    let mut menu = vec![6, 1, 3, 10, 4, 0, b'P', b'X', b'E', 9, length + 3, 0, 0, length];
    menu.extend_from_slice(&entry);
    menu.push(255);
    menu
}

#[cfg(test)]
mod tests;
