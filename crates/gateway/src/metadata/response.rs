use http::{HeaderMap, HeaderName};

use super::policy::matches_any;
use super::{Convention, MetadataPolicy, names};

/// Names that REST passes on as they are.
const REST_NAMES: [&str; 2] = ["traceresponse", "x-request-id"];

/// The part of a response that metadata belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The headers, before the first message.
    Headers,
    /// The trailers, after the last message.
    Trailers,
}

impl MetadataPolicy {
    /// Returns the headers of a response, or its trailers, for the metadata of the upstream.
    ///
    /// The status of the call is not in them, nor is anything about the content, the connection,
    /// or which origins may read the response: the dialect adds what it needs.
    pub fn response_headers(
        &self,
        convention: Convention,
        part: Part,
        metadata: &HeaderMap,
    ) -> HeaderMap {
        // In REST, most responses pass nothing on.
        let capacity = if convention == Convention::Rpc { metadata.len() } else { 0 };
        let mut headers = HeaderMap::with_capacity(capacity);
        let of_connection = names::connection_names(metadata);
        for (name, value) in metadata {
            let is_forbidden = self.denies(name)
                || names::is_never_response_header(name)
                || of_connection.contains(name);
            if is_forbidden {
                continue;
            }
            if let Some(name) = self.response_name(convention, part, name) {
                headers.append(name, value.clone());
            }
        }
        headers
    }

    fn response_name(
        &self,
        convention: Convention,
        part: Part,
        name: &HeaderName,
    ) -> Option<HeaderName> {
        if convention == Convention::Rpc {
            return Some(name.clone());
        }
        if self.grpc_gateway_headers {
            let prefix = match part {
                Part::Headers => "grpc-metadata-",
                Part::Trailers => "grpc-trailer-",
            };
            return format!("{prefix}{name}").parse().ok();
        }
        if !REST_NAMES.contains(&name.as_str()) && !matches_any(&self.expose, name) {
            return None;
        }
        match &self.response_prefix {
            Some(prefix) => format!("{prefix}{name}").parse().ok(),
            None => Some(name.clone()),
        }
    }
}
