use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::error::MAX_VALUES;
use super::policy::matches_any;
use super::{Convention, MetadataError, MetadataPolicy, Peer, binary, names};

/// Names that REST passes on as they are.
const REST_NAMES: [&str; 6] =
    ["accept-language", "authorization", "baggage", "traceparent", "tracestate", "x-request-id"];

/// Number of names that the description of the peer and the dialect add.
const ADDED_NAMES: usize = 8;

const GRPCGATEWAY_USER_AGENT: HeaderName = HeaderName::from_static("grpcgateway-user-agent");

impl MetadataPolicy {
    /// Returns the metadata of a request, with `x-forwarded-for`, `-host` and `-proto`.
    ///
    /// Values of headers whose names end with `-bin` are in base64 without padding afterwards.
    /// Values that are not printable ASCII are left out, as they cannot be metadata.
    ///
    /// # Errors
    /// [`MetadataError`] if such a value is not base64: the request is invalid.
    pub fn request_metadata(
        &self,
        convention: Convention,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<HeaderMap, MetadataError> {
        let mut metadata = HeaderMap::with_capacity(headers.len() + ADDED_NAMES);
        let of_connection = names::connection_names(headers);
        for (name, value) in headers {
            if self.denies(name) || of_connection.contains(name) {
                continue;
            }
            if names::is_forwarding(name) {
                // The names of grpc-gateway for them are not needed: the peer is described below.
                if peer.is_trusted {
                    append(&mut metadata, name.clone(), value)?;
                }
                continue;
            }
            for name in self.request_names(convention, name) {
                // A rule that renames must not lead to a name that is forbidden by itself.
                let is_forbidden = self.denies(&name)
                    || names::is_never_request_metadata(&name)
                    || names::is_forwarding(&name)
                    || of_connection.contains(&name);
                if !is_forbidden {
                    append(&mut metadata, name, value)?;
                }
            }
        }
        peer.describe(&mut metadata);
        if !self.deny.is_empty() {
            self.remove_denied(&mut metadata);
        }
        Ok(metadata)
    }

    /// Returns the names under which a header is metadata.
    fn request_names(
        &self,
        convention: Convention,
        name: &HeaderName,
    ) -> impl Iterator<Item = HeaderName> {
        let (mut same, mut renamed) = (None, None);
        match convention {
            Convention::Rpc => same = Some(name.clone()),
            Convention::Rest => {
                if REST_NAMES.contains(&name.as_str()) || matches_any(&self.allow, name) {
                    same = Some(name.clone());
                }
                if *name == header::USER_AGENT {
                    renamed = Some(GRPCGATEWAY_USER_AGENT);
                } else if self.grpc_gateway_headers {
                    renamed = grpc_gateway_name(name);
                }
            }
        }
        same.into_iter().chain(renamed)
    }

    fn remove_denied(&self, metadata: &mut HeaderMap) {
        let denied: Vec<_> = metadata.keys().filter(|name| self.denies(name)).cloned().collect();
        for name in denied {
            metadata.remove(name);
        }
    }
}

/// Returns the name under which grpc-gateway passes a header on.
fn grpc_gateway_name(name: &HeaderName) -> Option<HeaderName> {
    if let Some(rest) = name.as_str().strip_prefix("grpc-metadata-") {
        return rest.parse().ok();
    }
    if names::is_permanent(name) { format!("grpcgateway-{name}").parse().ok() } else { None }
}

fn append(
    metadata: &mut HeaderMap,
    name: HeaderName,
    value: &HeaderValue,
) -> Result<(), MetadataError> {
    if binary::is_binary(&name) {
        // A comma in a value makes two of one: the number of headers does not bound theirs.
        for value in binary::unpadded(&name, value, MAX_VALUES)? {
            metadata.append(name.clone(), value);
        }
    } else if value.to_str().is_ok() {
        metadata.append(name, value.clone());
    }
    if metadata.len() > MAX_VALUES { Err(MetadataError::TooMany) } else { Ok(()) }
}
