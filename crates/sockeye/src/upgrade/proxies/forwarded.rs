//! The hops in `X-Forwarded-For` and `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Returns the elements of a list, separated by commas outside of quotes.
pub(super) fn elements(list: &str) -> Vec<&str> {
    split(list, ',')
}

/// Returns the address in the `for` parameter of an element of `Forwarded`.
pub(super) fn parameter(element: &str) -> Option<SocketAddr> {
    //= https://www.rfc-editor.org/rfc/rfc7239#section-4
    //# Note that as ":" and "[]" are not valid characters in "token", IPv6
    //# addresses are written as "quoted-string".
    let value = split(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    })?;
    // No address has a character that would be escaped.
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Parses an address with or without a port: an IPv6 address in brackets, or bare where it has no
/// port.
pub(super) fn node(text: &str) -> Option<SocketAddr> {
    let text = text.trim_matches([' ', '\t']);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, 0));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Some(SocketAddr::new(inner.parse::<Ipv6Addr>().ok()?.into(), 0));
    }
    text.parse().ok()
}

fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|character: char| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match character {
            _ if was_escaped => false,
            '\\' if quoted => {
                escaped = true;
                false
            }
            '"' => {
                quoted = !quoted;
                false
            }
            other => other == separator && !quoted,
        }
    })
    .collect()
}
