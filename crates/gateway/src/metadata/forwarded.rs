use std::io::Write as _;
use std::net::IpAddr;

use http::uri::Scheme;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The scheme of the connection of a request, which servers insert into the request's extensions.
///
/// ```
/// use sockeye_gateway::metadata::ConnectionScheme;
///
/// # let mut request = http::Request::new(());
/// request.extensions_mut().insert(ConnectionScheme::Https);
/// ```
///
/// A request without it has the scheme of its URI, or else `http`: over HTTP/2 the client chooses
/// it, and over HTTP/1.1 it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionScheme {
    /// The connection has no TLS.
    Http,
    /// The connection has TLS.
    Https,
}

impl ConnectionScheme {
    /// Returns the scheme of a request.
    pub(crate) fn of(extensions: &Extensions, uri: &Uri) -> Self {
        let of_uri = || if uri.scheme() == Some(&Scheme::HTTPS) { Self::Https } else { Self::Http };
        extensions.get().copied().unwrap_or_else(of_uri)
    }

    /// Returns the text: `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The client, or the last proxy before the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address. `None` where the transport has none.
    pub address: Option<IpAddr>,
    /// `true` for a proxy whose headers about clients are believed.
    pub is_trusted: bool,
    /// The host of the request, from `Host` or `:authority`.
    pub host: Option<HeaderValue>,
    /// The scheme of the connection: `http` or `https`.
    pub scheme: &'static str,
}

impl Peer {
    /// Describes the peer in the metadata of a request. The headers of a trusted proxy are in the
    /// metadata already; the address of the proxy is added to its list.
    pub(super) fn describe(&self, metadata: &mut HeaderMap) {
        if let Some(address) = self.address {
            let mut list = Vec::new();
            for value in metadata.get_all(X_FORWARDED_FOR) {
                list.extend_from_slice(value.as_bytes());
                list.extend_from_slice(b", ");
            }
            put_address(&mut list, address.to_canonical());
            // Header values that are joined by commas are one.
            if let Ok(value) = HeaderValue::from_bytes(&list) {
                metadata.insert(X_FORWARDED_FOR, value);
            }
        }
        if let Some(host) = &self.host {
            metadata.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
        }
        let scheme = || HeaderValue::from_static(self.scheme);
        metadata.entry(X_FORWARDED_PROTO).or_insert_with(scheme);
    }
}

/// Appends the text of an address. Those of version 4, of which most are, are written without the
/// formatting of the standard library: it takes twenty times as many instructions.
fn put_address(text: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        // Writing to a vector does not fail.
        let _ = write!(text, "{address}");
        return;
    };
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push(b'.');
        }
        if octet >= 100 {
            text.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            text.push(b'0' + octet / 10 % 10);
        }
        text.push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_usual_form() {
        let octets = (0..=255).map(|octet| IpAddr::from([octet, 0, octet, 255]));
        let others = ["::1", "2001:db8::a"].map(|text| text.parse().unwrap());
        for address in octets.chain(others) {
            let mut text = Vec::new();
            put_address(&mut text, address);
            assert_eq!(String::from_utf8(text).unwrap(), address.to_string());
        }
    }

    #[test]
    fn the_server_knows_the_scheme_of_its_connections() {
        let (plain, secure) = (Uri::from_static("/a"), Uri::from_static("https://a.example/a"));
        let mut extensions = Extensions::new();
        assert_eq!(ConnectionScheme::of(&extensions, &plain).as_str(), "http");
        assert_eq!(ConnectionScheme::of(&extensions, &secure).as_str(), "https");
        extensions.insert(ConnectionScheme::Http);
        assert_eq!(ConnectionScheme::of(&extensions, &secure).as_str(), "http");
        extensions.insert(ConnectionScheme::Https);
        assert_eq!(ConnectionScheme::of(&extensions, &plain).as_str(), "https");
    }
}
