use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client, or the last proxy before the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address. `None` where the transport has none.
    pub address: Option<IpAddr>,
    /// `true` for a proxy whose headers about clients are believed.
    pub is_trusted: bool,
    /// The host of the request, from `Host` or `:authority`.
    pub host: Option<HeaderValue>,
    /// The scheme of the request: `http` or `https`.
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
            list.extend_from_slice(address.to_canonical().to_string().as_bytes());
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
