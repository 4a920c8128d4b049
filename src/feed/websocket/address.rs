//! Which addresses are on the public internet.
//!
//! A host name comes from a configuration or from a server, and whoever owns it chooses where it points: at a router,
//! at a database, at the metadata service of a cloud. So each address is looked at when it is about to be connected
//! to. The ranges are the special-purpose registries of IANA (RFC 6890); an IPv6 address that wraps an IPv4 one is
//! judged by what it wraps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one that anybody on the internet could reach.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => wrapped(address).map_or_else(|| is_public_v6(address), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local() // 169.254/16, where clouds answer with credentials
        || address.is_documentation()
        || first == 0 // this network
        || first >= 224 // multicast, reserved, broadcast
        || (first == 100 && (64..128).contains(&second)) // behind a carrier's NAT
        || (first == 192 && second == 0 && third == 0) // protocol assignments
        || (first == 192 && second == 88 && third == 99) // 6to4 relays
        || (first == 198 && (second == 18 || second == 19)); // benchmarks
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global_unicast = (0x2000..0x4000).contains(&first);
    let is_documentation =
        (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    let is_protocol_assignment = first == 0x2001 && second < 0x0200;
    is_global_unicast && !is_documentation && !is_protocol_assignment
}

/// The IPv4 address inside an IPv6 one: mapped, translated (NAT64, RFC 6052) or tunnelled (6to4, RFC 3056).
fn wrapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str) -> bool {
        is_public(address.parse().expect("an address"))
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for address in [
            "8.8.8.8",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(judged(address), "{address}");
        }
    }

    #[test]
    fn addresses_of_a_home_a_machine_or_a_cloud_are_not_however_they_are_wrapped() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:c0a8:101::1",
        ] {
            assert!(!judged(address), "{address}");
        }
    }
}
