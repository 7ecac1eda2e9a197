//! WebSockets over Unix sockets.

use std::path::Path;

use tokio::net::UnixStream;

use super::{Client, ConnectError, Stage};
use crate::WebSocket;
use crate::transport::Transport;

impl Client {
    /// Opens a connection through the Unix socket at this path. The URL determines the host and
    /// path in the request and, with `wss`, the name that the server's certificate must be valid
    /// for. Proxies and redirects are not used.
    ///
    /// ```no_run
    /// # async fn example() -> sockeye::Result<()> {
    /// let client = sockeye::Client::new("ws://localhost/events");
    /// let ws = client.connect_unix("/run/service.socket").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A server accepts such connections with
    /// [`Upgrader::accept`](crate::upgrade::Upgrader::accept).
    ///
    /// # Errors
    /// [`ConnectError`] names the stage that failed, and the reason.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that was being opened.
    pub async fn connect_unix(&self, path: impl AsRef<Path>) -> Result<WebSocket, ConnectError> {
        let (request, path) = (self.request()?, path.as_ref());
        let stage_timer = self.stage_timer();
        let connected = async {
            UnixStream::connect(path)
                .await
                .map_err(|source| ConnectError::Unix { path: path.to_owned(), source })
        };
        let stream = stage_timer.watch(Stage::Connect, connected).await?;
        let transport = Transport::boxed(stream, None);
        let transport = self.secure(request, transport, &stage_timer).await?;
        stage_timer.watch(Stage::Handshake, self.open(request, transport)).await
    }
}
