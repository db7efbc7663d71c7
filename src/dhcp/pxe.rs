//! What each firmware insists on in an OFFER or ACK before it boots from us.

use std::net::Ipv4Addr;

use super::{Grant, Terms, push_echo};
use crate::boot::Boot;
use crate::catalog::PiMenu;
use crate::machine::firmware::Firmware;
use crate::wire::dhcp::{Reply, Request, code};

/// Longest text of the `file` field that leaves room for its NUL (RFC 2131 §2).
pub(super) const FILE_FIELD_MAX: usize = 127;

/// Adds boot server, boot file and vendor options, or nothing if the machine is not to boot from us.
pub fn push(reply: &mut Reply, request: &Request, grant: &Grant<'_>, terms: &Terms<'_>) {
    let firmware = grant.firmware;
    if firmware.netboots() {
        push_echo(reply, request, code::CLIENT_UUID);
    }
    let (Boot::Net(net) | Boot::Disk(Some(net))) = &grant.plan.boot else { return };
    reply.siaddr = net.next_server;
    // The `file` field is what every firmware reads; an option 67 without a NUL makes some BIOS ROMs ask for
    // `pxelinux.0\xff`.
    if net.boot_file.len() <= FILE_FIELD_MAX {
        reply.file.clone_from(&net.boot_file);
    }
    match firmware {
        Firmware::RaspberryPi3 | Firmware::RaspberryPi4 | Firmware::RaspberryPi5 => {
            reply.options.push((code::VENDOR_CLASS, b"PXEClient".to_vec()));
            reply.options.push((code::VENDOR_ENCAPSULATED, raspberry_pi_menu(firmware, &net.pi_menu)));
            push_server_name(reply, net.next_server);
        }
        // OVMF's HTTP boot takes no offer without this class (it repeats its DISCOVER for ever).
        Firmware::UefiHttpX64 | Firmware::UefiHttpArm64 => {
            reply.options.push((code::VENDOR_CLASS, b"HTTPClient".to_vec()));
        }
        // 175.176 = 1, no-pxedhcp: we own DHCP here, so there is no proxyDHCP worth waiting two seconds for. The
        // operator's own 175 stands: two of them would be read as one (RFC 3396 §7).
        Firmware::Ipxe => {
            if !terms.options.contains_key(&code::IPXE) {
                reply.options.push((code::IPXE, vec![0xb0, 1, 1]));
            }
        }
        // No class "PXEClient": OVMF would then ask UDP port 4011 for its boot file. No option 43 either.
        Firmware::BiosPxe | Firmware::UefiX64 | Firmware::UefiArm64 | Firmware::UBoot => {
            push_server_name(reply, net.next_server);
        }
        Firmware::Plain | Firmware::Unknown => {}
    }
}

/// A name too long for the `file` field goes into option 67, as the last option of all, because EDK2 writes a NUL one
/// byte behind it.
pub fn push_long_boot_file(reply: &mut Reply, grant: &Grant<'_>) {
    if let Boot::Net(net) = &grant.plan.boot
        && net.boot_file.len() > FILE_FIELD_MAX
    {
        reply.options.push((code::BOOT_FILE, net.boot_file.as_bytes().to_vec()));
    }
}

/// Option 66 as a dotted quad: no firmware in the field resolves a name there.
fn push_server_name(reply: &mut Reply, server: Ipv4Addr) {
    reply.options.push((code::TFTP_SERVER_NAME, server.to_string().into_bytes()));
}

/// The PXE menu that a Raspberry Pi looks for: discovery control 3, prompt "PXE" at once, one entry. Only one, for old
/// Pi 4 EEPROMs look at no other (rpi-eeprom#60). The Pi 3 ROM compares with three spaces more.
pub(super) fn raspberry_pi_menu(firmware: Firmware, menu: &PiMenu) -> Vec<u8> {
    let mut entry = menu.entry.clone().into_bytes();
    if firmware == Firmware::RaspberryPi3 {
        entry.extend_from_slice(b"   ");
    }
    if menu.raw {
        return entry;
    }
    let length = u8::try_from(entry.len()).expect("the configuration holds it under 100 bytes");
    let mut value = vec![6, 1, 3, 10, 4, 0, b'P', b'X', b'E', 9, length + 3, 0, 0, length];
    value.extend_from_slice(&entry);
    value.push(255);
    value
}

#[cfg(test)]
mod tests;
