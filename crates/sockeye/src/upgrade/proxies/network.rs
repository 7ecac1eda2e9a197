use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// IPv4 addresses in their IPv4-mapped IPv6 form (RFC 4291 section 2.5.5.2), so that they match
    /// on dual-stack sockets.
    bits: u128,
    prefix: u32,
}

impl Network {
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let differing = self.bits ^ mapped(address);
        self.prefix == 0 || differing.leading_zeros() >= self.prefix
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError { network: text.chars().take(64).collect() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let (length, mapping) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u32>().ok().filter(|prefix| *prefix <= length).ok_or_else(error)?
            }
            Some(_) => return Err(error()),
            None => length,
        };
        Ok(Self { bits: mapped(address), prefix: prefix + mapping })
    }
}

/// A network that [`TrustedProxies::new`](super::TrustedProxies::new) does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    network: String,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = sockeye_proto::escape(&self.network);
        write!(
            f,
            "`{network}` is not a network; expected an address such as 192.0.2.7 or 10.0.0.0/8"
        )
    }
}

impl Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_alike() {
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.6"));
        assert!(contains("192.0.2.0/31", "192.0.2.1") && !contains("192.0.2.0/31", "192.0.2.2"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(
            contains("2001:db8::/32", "2001:db8:1::1") && !contains("2001:db8::/32", "2001:db9::")
        );
        assert!(contains("0.0.0.0/0", "203.0.113.1") && !contains("0.0.0.0/0", "2001:db8::"));
        assert!(contains("::/0", "203.0.113.1") && contains("::/0", "2001:db8::"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0/8", "localhost"]
        {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
