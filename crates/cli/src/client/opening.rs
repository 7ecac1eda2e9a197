//! Opening of a WebSocket: from the arguments to a client, and from its error to an exit code.

use std::net::SocketAddr;
use std::sync::Arc;

use sockeye::handshake::HandshakeError;
use sockeye::{Client, ConnectError, escape};

use super::arguments::ClientArguments;
use super::{Failure, FailureKind, headers, tls};

/// Maximum length of the part of a refusal's body that is shown, in characters.
const SHOWN_BODY: usize = 1000;

/// Returns the client of a URL that the arguments describe.
///
/// # Errors
/// A usage failure that names the argument or file. A wrong URL is reported when the client opens a
/// WebSocket.
pub(crate) fn client(url: &str, arguments: &ClientArguments) -> Result<Client, Failure> {
    let mut client =
        Client::with_userinfo(websocket_url(url)).connect_timeout(arguments.opening_timeout);
    for header in &arguments.header {
        client = headers::add(client, header)?;
    }
    if let Some(cookie) = &arguments.cookie {
        client = client.header("cookie", cookie.as_str());
    }
    if let Some(user_agent) = &arguments.user_agent {
        client = client.header("user-agent", user_agent.as_str());
    }
    if let Some(user) = &arguments.user {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        client = client.basic_auth(user, password);
    }
    client = match &arguments.proxy {
        Some(proxy) => {
            let proxy = proxy.parse();
            client.proxy(proxy.map_err(|error| Failure::usage(format!("the proxy: {error}")))?)
        }
        None => client.proxy_from_environment(),
    };
    for resolve in &arguments.resolve {
        let addresses = resolve.addresses.iter();
        let addresses = addresses.map(|address| SocketAddr::new(*address, resolve.port));
        client = client.resolve(&resolve.host, resolve.port, addresses);
    }
    if arguments.haproxy_protocol {
        // The port of another client is not known; servers take 0 for that.
        let other = arguments.haproxy_clientip.map(|address| SocketAddr::new(address, 0));
        client = client.proxy_header(other);
    }
    if let Some(file) = &arguments.cacert {
        client = client.root_certificates(tls::read(file)?);
    }
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        client = client.client_certificate(tls::read(cert)?, tls::read(key)?);
    }
    if arguments.insecure {
        client = client.tls(Arc::new(tls::client_config(true, None, None)?));
    }
    Ok(client)
}

impl Failure {
    /// The WebSocket was not opened.
    pub(crate) fn of_opening(error: &ConnectError) -> Self {
        let kind = match error {
            ConnectError::Request(_)
            | ConnectError::ProxyVariable { .. }
            | ConnectError::TlsConfig(_) => FailureKind::Usage,
            ConnectError::Resolve { .. } => FailureKind::Resolve,
            ConnectError::Tls { source, .. } if tls::is_no_tls(source) => {
                return Self::tls(format!("{error}; {}", tls::NO_TLS));
            }
            ConnectError::Tls { .. } => FailureKind::Tls,
            ConnectError::Handshake(HandshakeError::Status { status, headers, body, .. }) => {
                let body = String::from_utf8_lossy(body);
                let shown: String = body.trim().chars().take(SHOWN_BODY).collect();
                let mut message = format!("the server refused the WebSocket: {status}");
                let location = headers.get("location").and_then(|value| value.to_str().ok());
                if let Some(location) = location.filter(|_| status.is_redirection()) {
                    message = format!("{message}, to {}", escape(location));
                }
                if !shown.is_empty() {
                    message = format!("{message}: {}", escape(&shown));
                }
                return Self::refused(message).with_http_status(*status);
            }
            ConnectError::Handshake(_) => FailureKind::Protocol,
            ConnectError::Redirect(_)
            | ConnectError::NoHttp2 { .. }
            | ConnectError::NoExtendedConnect => FailureKind::Refused,
            ConnectError::TimedOut { .. } => FailureKind::Timeout,
            _ => FailureKind::Connect,
        };
        Self::new(kind, error.to_string())
    }
}

/// Returns the URL with a scheme of WebSockets in place of that of HTTP.
fn websocket_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => format!("wss://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_http_become_urls_of_websockets() {
        assert_eq!(websocket_url("http://a/b"), "ws://a/b");
        assert_eq!(websocket_url("HTTPS://a/b"), "wss://a/b");
        assert_eq!(websocket_url("wss://a/b"), "wss://a/b");
    }
}
