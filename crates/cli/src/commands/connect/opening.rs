//! Opening of the connection: from the arguments to a WebSocket.

use sockeye::http::StatusCode;
use sockeye::{Client, Config, Deflate, Http2, WebSocket};

use super::arguments::Connect;
use crate::client::{Failure, opening};

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
    let mut client = opening::client(&options.url, &options.client)?.config(config);
    if !options.subprotocol.is_empty() {
        client = client.subprotocols(options.subprotocol.iter().map(String::as_str));
    }
    if options.compressed {
        client = client.deflate(Deflate::new());
    }
    if options.location {
        client = client.follow_redirects(MAX_REDIRECTS);
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
        let websocket = match &options.client.unix_socket {
            Some(path) => client.connect_unix(path).await?,
            None => client.connect().await?,
        };
        Ok(Opened { websocket, http2: None })
    };
    opened.await.map_err(|error| Failure::of_opening(&error))
}
