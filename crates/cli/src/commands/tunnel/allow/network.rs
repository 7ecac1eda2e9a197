//! Networks of IP addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// All addresses of a family with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// IPv4 addresses in their IPv4-mapped form.
    bits: u128,
    prefix: u32,
    is_ipv4: bool,
}

impl Network {
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4 && (self.bits ^ mapped(address)) & self.mask() == 0
    }

    /// Returns whether the network is this single address.
    pub(crate) fn is(self, address: IpAddr) -> bool {
        self.prefix == u128::BITS && self.contains(address)
    }

    /// Returns the first and the last address.
    pub(crate) fn ends(self) -> [IpAddr; 2] {
        [self.bits & self.mask(), self.bits | !self.mask()].map(|bits| {
            let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
            if self.is_ipv4 { address.to_canonical() } else { address }
        })
    }

    fn mask(self) -> u128 {
        // A shift by all bits, of the prefix 0, is no number.
        u128::MAX.checked_shl(u128::BITS - self.prefix).unwrap_or(0)
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(drop)?;
        // Rules are compared with canonical addresses.
        let address = if prefix.is_none() { address.to_canonical() } else { address };
        let (length, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= length).ok_or(())?
            }
            Some(_) => return Err(()),
            None => length,
        };
        Ok(Self { bits: mapped(address), prefix: prefix + offset, is_ipv4: address.is_ipv4() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_ends_and_contains_what_is_between() {
        let ends = |text: &str| text.parse::<Network>().unwrap().ends().map(|ip| ip.to_string());
        assert_eq!(ends("127.0.0.0/8"), ["127.0.0.0", "127.255.255.255"]);
        assert_eq!(ends("0.0.0.0/0"), ["0.0.0.0", "255.255.255.255"]);
        assert_eq!(ends("192.0.2.7"), ["192.0.2.7", "192.0.2.7"]);
        assert_eq!(ends("::/0"), ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
        assert_eq!(ends("2001:db8::1"), ["2001:db8::1", "2001:db8::1"]);
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(!contains("::/0", "10.0.0.1") && !contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn prefixes_are_numbers_up_to_the_length_of_the_address() {
        for wrong in ["", "a", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
