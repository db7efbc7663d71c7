//! The DHCP options that an operator set, as they hold for one client, and what of them a reply carries.

use std::collections::BTreeMap;

use super::Terms;
use crate::site::DhcpOption;
use crate::wire::dhcp::{Reply, Request, code};

/// The options in force, by number.
pub type InForce<'a> = BTreeMap<u8, &'a DhcpOption>;

/// The options of these lists; what a later list says goes before an earlier one.
pub fn in_force<'a>(lists: impl IntoIterator<Item = &'a [DhcpOption]>) -> InForce<'a> {
    lists.into_iter().flatten().map(|option| (option.number, option)).collect()
}

/// Adds what every client needs whether or not it asks: routers, name servers and the domain (an old Pi ROM's request
/// list has neither 1 nor 3).
pub fn push_needed(reply: &mut Reply, terms: &Terms<'_>) {
    for number in [code::ROUTERS, code::DNS_SERVERS, code::DOMAIN_NAME] {
        if let Some(option) = terms.options.get(&number) {
            reply.options.push((number, option.value.clone()));
        }
    }
}

/// Adds what else was asked for or goes to everyone, unless the reply says it already. A client that boots from us
/// gets no other server's name or boot file. 67 comes last: EDK2 writes a NUL one byte behind it.
pub fn push_further(reply: &mut Reply, request: &Request, terms: &Terms<'_>, boots: bool) {
    let is_boot_file = |option: &&&DhcpOption| option.number == code::BOOT_FILE;
    let others = terms.options.values().filter(|option| !is_boot_file(option));
    for option in others.chain(terms.options.values().filter(is_boot_file)) {
        let ours = boots && matches!(option.number, code::TFTP_SERVER_NAME | code::BOOT_FILE);
        let wanted = option.always || request.asks_for(option.number);
        if wanted && !ours && reply.option(option.number).is_none() {
            reply.options.push((option.number, option.value.clone()));
        }
    }
}
