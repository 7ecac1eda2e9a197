//! Opening of the connection: from the arguments to a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use sockeye::http::StatusCode;
use sockeye::{Client, Config, Deflate, Http2, WebSocket};

use super::arguments::Connect;
use super::headers;
use crate::client::{Failure, tls};

/// Maximum number of redirects with `-L`.
const MAX_REDIRECTS: usize = 10;

/// An open connection.
pub(super) struct Opened {
    websocket: WebSocket,
    /// The HTTP/2 connection of the WebSocket.
    http2: Option<Http2>,
}

impl Opened {
    /// Returns the status of the response.
    pub(super) fn status(&self) -> StatusCode {
        if self.http2.is_some() { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS }
    }

    pub(super) fn into_parts(self) -> (WebSocket, Option<Http2>) {
        (self.websocket, self.http2)
    }
}

/// Returns the client that the arguments describe.
///
/// # Errors
/// A usage failure that names the argument or file. A wrong URL is reported by [`open`].
pub(super) fn client(options: &Connect) -> Result<Client, Failure> {
    let config = Config::new().max_message_length(options.max_message);
    let mut client = Client::with_userinfo(websocket_url(&options.url))
        .config(config)
        .connect_timeout(options.opening_timeout);
    for header in &options.header {
        client = headers::add(client, header)?;
    }
    if let Some(cookie) = &options.cookie {
        client = client.header("cookie", cookie.as_str());
    }
    if let Some(user_agent) = &options.user_agent {
        client = client.header("user-agent", user_agent.as_str());
    }
    if let Some(user) = &options.user {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        client = client.basic_auth(user, password);
    }
    if !options.subprotocol.is_empty() {
        client = client.subprotocols(options.subprotocol.iter().map(String::as_str));
    }
    if options.compressed {
        client = client.deflate(Deflate::new());
    }
    if options.location {
        client = client.follow_redirects(MAX_REDIRECTS);
    }
    client = match &options.proxy {
        Some(proxy) => {
            let proxy = proxy.parse();
            client.proxy(proxy.map_err(|error| Failure::usage(format!("the proxy: {error}")))?)
        }
        None => client.proxy_from_environment(),
    };
    for resolve in &options.resolve {
        let addresses = resolve.addresses.iter();
        let addresses = addresses.map(|address| SocketAddr::new(*address, resolve.port));
        client = client.resolve(&resolve.host, resolve.port, addresses);
    }
    if let Some(file) = &options.cacert {
        client = client.root_certificates(tls::read(file)?);
    }
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        client = client.client_certificate(tls::read(cert)?, tls::read(key)?);
    }
    if options.insecure {
        client = client.tls(Arc::new(tls::client_config(true, None, None)?));
    }
    Ok(client)
}

/// Opens the connection.
///
/// # Errors
/// A failure with the exit code of the stage.
pub(super) async fn open(client: &Client, options: &Connect) -> Result<Opened, Failure> {
    let opened = async {
        if options.http2 {
            let http2 = client.connect_http2().await?;
            let websocket = http2.open_as(client).await?;
            return Ok(Opened { websocket, http2: Some(http2) });
        }
        let websocket = match &options.unix_socket {
            Some(path) => client.connect_unix(path).await?,
            None => client.connect().await?,
        };
        Ok(Opened { websocket, http2: None })
    };
    opened.await.map_err(|error| Failure::of_opening(&error))
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
