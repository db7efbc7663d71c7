//! Values that are lists with an encoding of their own: domains to search (RFC 3397) and classless routes (RFC 3442).
//!
//! Owns the encodings; whether the texts are right is told by [`domain`] and [`route`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::config::value;
use crate::net::Subnet;

/// A route: where to, and by which router.
pub(super) type Route = (Subnet, Ipv4Addr);

/// `bench.example.com`, with or without a final dot.
pub(super) fn domain(text: &str) -> Option<String> {
    value::domain(text.strip_suffix('.').unwrap_or(text))
}

/// `10.0.0.0/8 via 192.168.151.254`; host bits are zero, the router 0.0.0.0 where the subnet is on the link itself.
pub(super) fn route(text: &str) -> Option<Route> {
    let (subnet, router) = text.split_once(" via ")?;
    Some((Subnet::parse(subnet.trim())?, router.trim().parse().ok()?))
}

/// Option 119: names one after the other; an end that stood before is a pointer to it (RFC 1035 §4.1.4), counted from
/// the beginning of the option, however it is split later (RFC 3396).
pub(super) fn domain_list(names: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut seen: BTreeMap<String, u16> = BTreeMap::new();
    for name in names {
        let mut rest = name.as_str();
        loop {
            if let Some(offset) = seen.get(&rest.to_ascii_lowercase()) {
                bytes.extend((0xc000 | offset).to_be_bytes());
                break;
            }
            // A pointer has 14 bits; no option is that long.
            seen.insert(rest.to_ascii_lowercase(), u16::try_from(bytes.len()).unwrap_or(u16::MAX).min(0x3fff));
            let (label, after) = rest.split_once('.').unwrap_or((rest, ""));
            bytes.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
            bytes.extend(label.as_bytes());
            if after.is_empty() {
                bytes.push(0);
                break;
            }
            rest = after;
        }
    }
    bytes
}

/// Options 121 and 249: of each route the prefix length, as many bytes of the subnet as that needs, the router.
pub(super) fn route_list(routes: &[Route]) -> Vec<u8> {
    let bytes = |(subnet, router): &Route| {
        let significant = usize::from(subnet.prefix().div_ceil(8));
        [&[subnet.prefix()], &subnet.network().octets()[..significant], &router.octets()].concat()
    };
    routes.iter().flat_map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<u8> {
        let read = |text: &&str| domain(text).unwrap_or_else(|| panic!("{text} is a domain"));
        domain_list(&texts.iter().map(read).collect::<Vec<_>>())
    }

    #[test]
    fn rfc_3397_section_2_domains_are_compressed() {
        // The example of the RFC.
        let expected = b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04";
        assert_eq!(names(&["eng.apple.com.", "marketing.apple.com."]), expected);
        assert_eq!(names(&["a.b", "A.B", "b", "c"]), b"\x01a\x01b\0\xc0\0\xc0\x02\x01c\0");
    }

    #[test]
    fn rfc_3442_destinations_have_their_significant_bytes() {
        // The table of the RFC, "Destination descriptor".
        let table: [(&str, &[u8]); 8] = [
            ("0.0.0.0/0", &[0]),
            ("10.0.0.0/8", &[8, 10]),
            ("10.0.0.0/24", &[24, 10, 0, 0]),
            ("10.17.0.0/16", &[16, 10, 17]),
            ("10.27.129.0/24", &[24, 10, 27, 129]),
            ("10.229.0.128/25", &[25, 10, 229, 0, 128]),
            ("10.198.122.47/32", &[32, 10, 198, 122, 47]),
            ("10.16.0.0/12", &[12, 10, 16]),
        ];
        for (subnet, descriptor) in table {
            let route = route(&format!("{subnet} via 10.0.0.1")).expect("a route");
            assert_eq!(route_list(&[route]), [descriptor, &[10, 0, 0, 1]].concat(), "{subnet}");
        }
    }

    #[test]
    fn what_is_no_route_or_domain() {
        for text in ["10.0.0.1/8 via 10.0.0.1", "10.0.0.0/8", "10.0.0.0/33 via 10.0.0.1", "10.0.0.0/8 via x", ""] {
            assert_eq!(route(text), None, "{text}");
        }
        for text in ["", ".", "a..b", "-a", "a b"] {
            assert_eq!(domain(text), None, "{text}");
        }
    }
}
