//! Addresses with a meaning of their own, which a rule must name to allow them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The meaning of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// The machine of the server.
    Loopback,
    /// Neighbours on the link of the server.
    LinkLocal,
    /// The services of clouds that give credentials to the machines that ask.
    Metadata,
    /// No address: the unspecified one, by which systems reach their own machine, and its network.
    Unspecified,
    /// Several machines: multicast and broadcast.
    Multicast,
}

/// Metadata services outside of the link-local addresses: of Alibaba, Azure and Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The link-local address of the metadata services of AWS, Azure, Google and others.
const METADATA_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Metadata services of AWS and Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl Special {
    /// Returns the meaning of an address, if it has one. An IPv6 address that a translator maps to an
    /// IPv4 address has the meaning of that.
    pub(crate) fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Option<Special> {
    if address == METADATA_LINK_LOCAL || METADATA_V4.contains(&address) {
        Some(Special::Metadata)
    } else if address.is_loopback() {
        Some(Special::Loopback)
    } else if address.is_link_local() {
        Some(Special::LinkLocal)
    } else if address.octets()[0] == 0 {
        Some(Special::Unspecified)
    } else if address.is_multicast() || address.is_broadcast() {
        Some(Special::Multicast)
    } else {
        None
    }
}

fn of_v6(address: Ipv6Addr) -> Option<Special> {
    if METADATA_V6.contains(&address) {
        Some(Special::Metadata)
    } else if address.is_loopback() {
        Some(Special::Loopback)
    } else if address.is_unicast_link_local() {
        Some(Special::LinkLocal)
    } else if address.is_unspecified() {
        Some(Special::Unspecified)
    } else if address.is_multicast() {
        Some(Special::Multicast)
    } else {
        embedded(address).and_then(of_v4)
    }
}

/// Returns the IPv4 address in an IPv6 address: IPv4-compatible (RFC 4291 section 2.5.5.1),
/// IPv4-translated (RFC 2765 section 2.1), NAT64 (RFC 6052 section 2.1, and RFC 8215 with a prefix of
/// 96 bits) or 6to4 (RFC 3056 section 2).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let ([0, 0, 0, 0, 0 | 0xffff, 0, high, low]
    | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
    | [0x64, 0xff9b, 1, _, _, _, high, low]
    | [0x2002, high, low, ..]) = address.segments()
    else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "the server's own machine",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a metadata service",
            Self::Unspecified => "the unspecified address",
            Self::Multicast => "a multicast or broadcast address",
        })
    }
}
