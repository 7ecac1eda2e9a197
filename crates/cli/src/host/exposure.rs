//! The exposure of a server: for this machine alone, or for others too.

use std::net::SocketAddr;

use axum::http::HeaderMap;

use super::{Hosting, tls};

/// The headers with which a proxy reports that it has passed a request on.
const HEADERS_OF_PROXIES: [&str; 5] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Returns whether only programs on this machine are meant to reach a server that listens on
/// `bound`. A proxy or another host name, also in the certificate, means that others do, through
/// the loopback address.
///
/// # Errors
/// When the certificate cannot be read.
pub(crate) fn is_private(hosting: &Hosting, bound: SocketAddr) -> anyhow::Result<bool> {
    let names = match &hosting.tls_cert {
        Some(cert) => tls::dns_names(cert)?,
        None => hosting.ordered_names().to_vec(),
    };
    Ok(bound.ip().is_loopback()
        && hosting.trust_proxy.is_empty()
        && hosting.allow_host.is_empty()
        && names.iter().all(|name| is_localhost(name)))
}

/// Returns whether a request with these headers came through a proxy. A proxy on this machine
/// passes requests from elsewhere on, which are not those of this machine.
pub(crate) fn came_through_a_proxy(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| HEADERS_OF_PROXIES.contains(&name.as_str()))
}

fn is_localhost(name: &str) -> bool {
    // The names below localhost are those of this machine (RFC 6761, 6.3).
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}
