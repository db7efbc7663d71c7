//! What a proxyDHCP server says (PXE 2.1 §2.2): where to boot from, beside a DHCP server of others that gives addresses.
//!
//! Owns the OFFER without an address and the boot server's ACK on port 4011, and what a machine's own messages prove
//! about its address. Never gives, confirms or refuses an address.

use std::net::Ipv4Addr;

use super::bind::Wish;
use super::pxe::{self, FILE_FIELD_MAX};
use super::{Terms, blank, push_echo};
use crate::boot::NetBoot;
use crate::machine::firmware::Firmware;
use crate::wire::dhcp::{BROADCAST_FLAG, MessageType, Reply, Request, code};

/// Sub-option 6 of option 43, discovery control: bit 3, take the boot file of this OFFER and ask nobody else.
const TAKE_THIS_FILE: [u8; 4] = [6, 1, 8, 255];
/// Sub-option 71 of option 43: the boot item that the client asks for, sent back (PXE 2.1 §2.2.5; pixiecore#21).
const BOOT_ITEM: u8 = 71;

/// The OFFER to a DISCOVER; `None` for what takes no boot server beside its DHCP server, as U-Boot does not.
///
/// It gives no address, so it is broadcast (dnsmasq does so in the field, and the Pi takes it).
pub fn offer(request: &Request, firmware: Firmware, net: &NetBoot, terms: &Terms<'_>) -> Option<Reply> {
    // A loader that asks anew without a word about itself takes the first OFFER for its address, even one without any (GRUB
    // 2.06). Whoever looks for a boot server beside its DHCP server says so in option 60 (PXE 2.1 §2.2.1).
    request.option(code::VENDOR_CLASS)?;
    let mut reply = blank(Some(MessageType::Offer), request);
    reply.flags |= BROADCAST_FLAG;
    reply.options.push((code::SERVER_ID, terms.server.octets().to_vec()));
    let class: &[u8] = if is_uefi_http(firmware) { b"HTTPClient" } else { b"PXEClient" };
    reply.options.push((code::VENDOR_CLASS, class.to_vec()));
    push_echo(&mut reply, request, code::CLIENT_UUID);
    match firmware {
        // It takes the server from option 54 where siaddr is empty (rpi-eeprom#376), and never asks port 4011.
        Firmware::RaspberryPi3 | Firmware::RaspberryPi4 | Firmware::RaspberryPi5 => {
            let menu = pxe::raspberry_pi_menu(firmware, &net.pi_menu);
            reply.options.push((code::VENDOR_ENCAPSULATED, menu));
            if net.next_server != terms.server {
                reply.siaddr = net.next_server;
            }
        }
        Firmware::BiosPxe => {
            reply.options.push((code::VENDOR_ENCAPSULATED, TAKE_THIS_FILE.to_vec()));
            push_boot_file(&mut reply, net);
        }
        // Without option 43, EDK2 asks port 4011 of this server; some firmware ignores the form with it.
        Firmware::UefiX64 | Firmware::UefiArm64 | Firmware::Unknown => reply.siaddr = net.next_server,
        // iPXE that finds a file here does not ask port 4011; without siaddr it would ignore it (ipxe#954).
        Firmware::UefiHttpX64 | Firmware::UefiHttpArm64 | Firmware::Ipxe => push_boot_file(&mut reply, net),
        Firmware::UBoot | Firmware::Plain => return None,
    }
    Some(reply)
}

/// The ACK to a REQUEST or INFORM on port 4011; `None` for what never asks there.
pub fn boot_server_ack(request: &Request, firmware: Firmware, net: &NetBoot, terms: &Terms<'_>) -> Option<Reply> {
    let asks = [Firmware::BiosPxe, Firmware::UefiX64, Firmware::UefiArm64, Firmware::Ipxe, Firmware::Unknown]
        .contains(&firmware);
    if !asks {
        return None;
    }
    let mut reply = blank(Some(MessageType::Ack), request);
    reply.ciaddr = request.ciaddr;
    reply.sname = net.next_server.to_string();
    reply.options.push((code::SERVER_ID, terms.server.octets().to_vec()));
    reply.options.push((code::VENDOR_CLASS, b"PXEClient".to_vec()));
    push_echo(&mut reply, request, code::CLIENT_UUID);
    if let Some(item) = boot_item(request) {
        let mut value = vec![BOOT_ITEM, u8::try_from(item.len()).expect("cut from an option by a length byte")];
        value.extend_from_slice(item);
        value.push(255);
        reply.options.push((code::VENDOR_ENCAPSULATED, value));
    }
    push_boot_file(&mut reply, net);
    Some(reply)
}

/// The address that the client of a REQUEST on port 67 has from now on, as far as that is certain: the one that another
/// server has just offered it, or the one that it uses. One that it had before (INIT-REBOOT) may be refused.
pub fn taken(request: &Request) -> Option<Ipv4Addr> {
    match Wish::of(request).ok()? {
        Wish::Selecting { address, .. } => address,
        Wish::Extending { address, .. } => Some(address),
        Wish::InitReboot(_) => None,
    }
}

fn is_uefi_http(firmware: Firmware) -> bool {
    matches!(firmware, Firmware::UefiHttpX64 | Firmware::UefiHttpArm64)
}

/// The boot server and its file; a long name last of all, as [`pxe::push_long_boot_file`] says.
fn push_boot_file(reply: &mut Reply, net: &NetBoot) {
    reply.siaddr = net.next_server;
    if net.boot_file.len() <= FILE_FIELD_MAX {
        reply.file.clone_from(&net.boot_file);
    } else {
        reply.options.push((code::BOOT_FILE, net.boot_file.as_bytes().to_vec()));
    }
}

/// The boot item in option 43 of a request.
fn boot_item(request: &Request) -> Option<&[u8]> {
    let mut rest = request.option(code::VENDOR_ENCAPSULATED)?;
    loop {
        let [number, len, after @ ..] = rest else { return None };
        let (value, after) = after.split_at_checked(usize::from(*len))?;
        if *number == BOOT_ITEM {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests;
