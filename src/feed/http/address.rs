//! Which addresses a feed may connect to: those of the public internet, and no machine near us.
//!
//! A server can name any address, in a link, in a redirect or in its DNS. So the addresses are judged where the
//! connection is made: [`Resolver`] is the only way from a name to an address, and a host that is written as an
//! address, in whatever base, is judged by [`check_literal`] before each request. IPv6 is a list of what is allowed,
//! since everything outside `2000::/3` is special; IPv4 is a list of what is not (the registries of RFC 6890).

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// IPv4 networks that are not the public internet: address and prefix length.
const V4_REFUSED: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),            // this host
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT, and metadata of some clouds
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // metadata of a cloud, at a public address
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, and metadata of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast
];

/// The IPv6 networks that are public, and within them those that are not.
const V6_PUBLIC: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const V6_REFUSED: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4 wraps any IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// A host that is no part of the public internet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is at {address}, which is not on the public internet; allow_private lets a feed read its own server"
)]
pub(super) struct NotPublic {
    host: String,
    address: IpAddr,
}

/// Whether an address belongs to the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !V4_REFUSED
            .iter()
            .any(|&(network, length)| is_within_v4(address, network, length)),
        IpAddr::V6(address) => {
            is_within_v6(address, V6_PUBLIC.0, V6_PUBLIC.1)
                && !V6_REFUSED
                    .iter()
                    .any(|&(network, length)| is_within_v6(address, network, length))
        }
    }
}

fn is_within_v4(address: Ipv4Addr, network: Ipv4Addr, length: u32) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (32 - length) == 0
}

fn is_within_v6(address: Ipv6Addr, network: Ipv6Addr, length: u32) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (128 - length) == 0
}

/// Refuses a host that is written as an address outside the public internet, or as a name of this machine (RFC 6761).
/// A URL has its host in normal form, so `0x7f.1` and `2130706433` have become `127.0.0.1` by now.
pub(super) fn check_literal(host: &str) -> Result<(), NotPublic> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let address = if name == "localhost" || name.ends_with(".localhost") {
        Some(Ipv4Addr::LOCALHOST.into())
    } else {
        host.trim_matches(['[', ']']).parse().ok()
    };
    match address {
        Some(address) if !is_public(address) => Err(NotPublic {
            host: host.to_owned(),
            address,
        }),
        Some(_) | None => Ok(()),
    }
}

/// The system's resolver, which gives public addresses only.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    /// The one host whose addresses may be private.
    pub(super) private_host: Option<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_exempt = self.private_host.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One private address among public ones is how a name is rebound between two look-ups: all are refused.
            if let Some(private) = addresses.iter().find(|found| !is_public(found.ip()))
                && !is_exempt
            {
                return Err(Box::new(NotPublic {
                    host: name.as_str().to_owned(),
                    address: private.ip(),
                }) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_a_network_belong_to_it_and_their_neighbours_do_not() {
        for (inside, outside) in [
            (
                ["10.0.0.0", "10.255.255.255"],
                ["9.255.255.255", "11.0.0.0"],
            ),
            (
                ["100.64.0.0", "100.127.255.255"],
                ["100.63.255.255", "100.128.0.0"],
            ),
            (
                ["172.16.0.0", "172.31.255.255"],
                ["172.15.255.255", "172.32.0.0"],
            ),
            (
                ["198.18.0.0", "198.19.255.255"],
                ["198.17.255.255", "198.20.0.0"],
            ),
            (["2001::", "2001:1ff:ffff::"], ["2001:200::", "2001:4860::"]),
            (["3fff::", "3fff:fff::"], ["3ffe::", "2a00::"]),
        ] {
            for address in inside {
                assert!(!is_public(address.parse().unwrap()), "{address}");
            }
            for address in outside {
                assert!(is_public(address.parse().unwrap()), "{address}");
            }
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_refused_in_every_wrapping() {
        for address in [
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::8.8.8.8",
            "2002:808:808::",
            "2001:0:808:808::",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_name_is_no_literal() {
        assert_eq!(check_literal("a.example"), Ok(()));
        assert_eq!(check_literal("[2606:4700::1]"), Ok(()));
        assert!(check_literal("[::1]").is_err());
    }
}
