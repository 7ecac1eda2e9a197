//! The PROXY header, version 2, which tells a target the client's address.

use std::net::{IpAddr, SocketAddr};

/// The signature at the beginning of the header.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 with the command LOCAL: the connection is the server's own.
const LOCAL: u8 = 0x20;
/// Version 2 with the command PROXY: the connection is that of a client.
const PROXY: u8 = 0x21;

/// TCP over IPv4 and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Returns the header of a connection from `source` to `target`.
pub(super) fn encode(source: Option<SocketAddr>, target: SocketAddr) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some(source) = source else {
        header.extend([LOCAL, 0, 0, 0]);
        return header;
    };
    let ports = [source.port(), target.port()].map(u16::to_be_bytes).concat();
    match (source.ip().to_canonical(), target.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            header.extend([PROXY, TCP4, 0, 12]);
            header.extend(source.octets());
            header.extend(target.octets());
        }
        (source, target) => {
            // Both addresses are of one family: IPv4 is mapped.
            header.extend([PROXY, TCP6, 0, 36]);
            for address in [source, target] {
                header.extend(match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                    IpAddr::V6(address) => address.octets(),
                });
            }
        }
    }
    header.extend(ports);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_in_the_header_is_that_of_the_addresses() {
        for (source, target, family, length) in [
            (Some("192.0.2.1:1000"), "192.0.2.2:80", 0x11, 12),
            (Some("[2001:db8::1]:1000"), "192.0.2.2:80", 0x21, 36),
            (None, "192.0.2.2:80", 0, 0),
        ] {
            let source = source.map(|source| source.parse().unwrap());
            let header = encode(source, target.parse().unwrap());
            assert_eq!((header[13], header[15]), (family, length));
            assert_eq!(header.len(), 16 + usize::from(length));
        }
        let header = encode(Some("1.2.3.4:258".parse().unwrap()), "5.6.7.8:80".parse().unwrap());
        assert_eq!(header[16..], [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 0, 80]);
    }
}
