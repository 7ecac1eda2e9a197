//! The hosts that the server accepts requests for. A request for another host, page or WebSocket
//! alike, is refused before it is processed any further: a page whose name was made to resolve to
//! this machine gets nothing (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::{HostPolicy, Refusal};

use super::Hosting;
use super::{listen, tls};

/// Maximum size of the head of a request, in bytes; a larger one is answered with 431. Browsers
/// send 1 to 4 KiB, and many servers in front of this one allow 8 to 32 KiB.
///
/// With HTTP/1.1, a client that reads no answers can make the server hold this amount twice, in
/// pipelined requests and in answers: 10,000 such clients held 1.1 GiB with a limit of 64 KiB.
pub(crate) const HEAD_SIZE: u32 = 32 * 1024;

/// Returns the policy that allows the hosts of the server: the loopback names, the listening
/// address, the names in its certificate, and those of `--allow-host`.
///
/// # Errors
/// When the certificate cannot be read, or an `--allow-host` is not a pattern.
pub(crate) fn policy(options: &Hosting, bound: SocketAddr) -> anyhow::Result<HostPolicy> {
    let mut policy = HostPolicy::loopback();
    // The hosts are allowed with any port: the port in the request may be that of another machine,
    // which forwards the connection.
    policy = match bound.ip() {
        ip if ip.is_unspecified() => policy.allow_addresses(),
        IpAddr::V4(ip) => policy.allow(&ip.to_string())?,
        IpAddr::V6(ip) => policy.allow(&format!("[{ip}]"))?,
    };
    let mut allowed: Vec<String> = options.allow_host.clone();
    allowed.extend(listen::name(&options.listen).map(str::to_owned));
    if let Some(cert) = &options.tls_cert {
        allowed.extend(tls::dns_names(cert)?);
    }
    allowed.extend_from_slice(options.ordered_names());
    for pattern in &allowed {
        policy =
            policy.allow(pattern).with_context(|| format!("cannot allow the host {pattern}"))?;
    }
    Ok(policy)
}

/// Returns the response to a request that is refused: one whose head is too long, or that is for
/// another host.
pub(crate) fn refuse<B>(request: &Request<B>, hosts: &HostPolicy) -> Option<Response> {
    if head_length(request) > HEAD_SIZE as usize {
        let sentence = "The head of this request is too long.\n";
        return Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, sentence).into_response());
    }
    let error = check_host(request, hosts).err()?;
    tracing::debug!(error = &error as &dyn std::error::Error, "request refused");
    Some(Refusal::from(&error).into_response::<String>().map(axum::body::Body::from))
}

fn check_host<B>(request: &Request<B>, hosts: &HostPolicy) -> Result<(), HandshakeError> {
    let mut headers = request.headers().get_all(HOST).iter();
    //= https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    //# A server MUST respond with a 400 (Bad Request) status code to any
    //# HTTP/1.1 request message that lacks a Host header field and to any
    //# request message that contains more than one Host header field line
    //# or a Host header field with an invalid field value.
    let header = match (headers.next(), headers.next()) {
        (_, Some(_)) => return Err(HandshakeError::DuplicateHeader { name: "Host" }),
        (None, None) => None,
        (Some(value), None) => {
            Some(value.to_str().map_err(|_| HandshakeError::HeaderNotText { name: "Host" })?)
        }
    };
    match (request.uri().authority(), header) {
        //= https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
        //# When an origin server receives a request with an absolute-form of
        //# request-target, the origin server MUST ignore the received Host
        //# header field (if any) and instead use the host information of the
        //# request-target.
        (Some(authority), header) => {
            if let (None, Version::HTTP_11) = (header, request.version()) {
                return Err(HandshakeError::MissingHeader { name: "Host" });
            }
            hosts.check(authority.as_str())
        }
        (None, Some(host)) => hosts.check(host),
        // No browser sends such a request, so DNS rebinding cannot use it; health checks of load
        // balancers do send it.
        (None, None) if request.version() == Version::HTTP_10 => Ok(()),
        (None, None) => Err(HandshakeError::MissingHeader { name: "Host" }),
    }
}

/// Returns the length of a head as HTTP/1.1 encodes it. hyper's limit is that of its buffer, which
/// a head may exceed by one read.
fn head_length<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    // Each field adds ": " and CRLF.
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    target + fields.sum::<usize>()
}
