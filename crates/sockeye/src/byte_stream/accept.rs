use std::fmt;
use std::future::Future;
use std::time::Duration;

use sockeye_proto::CloseCode;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::{ByteStream, Listener};
use crate::WebSocket;
use crate::upgrade::Options;

/// Default number of streams that wait to be accepted: the usual length of TCP's own queue.
const DEFAULT_QUEUE: usize = 128;

/// Timeout for a new stream to enter a full accept queue; afterwards the stream is closed with 1013
/// (try again later). Equal to the handshake timeout, which is about as long as a user would wait.
pub const ACCEPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns a listener of byte streams, and a handle that makes its streams of requests.
///
/// With axum, over HTTP/1.1 and HTTP/2 alike:
///
/// ```
/// # #[cfg(feature = "axum")]
/// # async fn run() -> std::io::Result<()> {
/// use axum::Router;
/// use axum::routing::any_service;
///
/// let (mut listener, accept) = sockeye::byte_stream::listener();
/// let app = Router::new().route("/tunnel", any_service(accept));
/// tokio::spawn(async move {
///     while let Some(mut stream) = listener.accept().await {
///         tokio::spawn(async move {
///             let (mut read, mut write) = tokio::io::split(&mut stream);
///             tokio::io::copy(&mut read, &mut write).await
///         });
///     }
/// });
/// axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await
/// # }
/// ```
///
/// | server of the route | use |
/// |---|---|
/// | axum | `any_service(accept)`; to inspect the request first, `upgrade.on_upgrade(move \|ws\| accept.deliver(ws))` |
/// | hyper | `serve_connection(io, accept)`, or [`Accept`] as a `tower` service |
/// | [`Server`](crate::Server) | `server.serve(move \|ws\| accept.deliver(ws))` |
///
/// The handler server ([`push`](crate::push)) has no such route: its connections belong to the
/// event loop of their worker, and no task could wait for their bytes.
///
/// At most 128 streams wait to be accepted: see [`listener_with_queue`].
pub fn listener() -> (Listener, Accept) {
    listener_with_queue(DEFAULT_QUEUE)
}

/// Returns a listener like [`listener`], with a queue of `length` streams that wait to be accepted;
/// at least 1.
///
/// A stream that finds the queue full waits for [`ACCEPT_TIMEOUT`], and is closed with 1013 (try again
/// later) if the queue is still full. The number of streams that wait this way is for the server to
/// limit: see [`Server::max_connections`](crate::Server::max_connections).
pub fn listener_with_queue(length: usize) -> (Listener, Accept) {
    let (sender, receiver) = mpsc::channel(length.max(1));
    (Listener::new(receiver), Accept { queue: sender, options: Options::new() })
}

/// The source of streams for a [`Listener`]: a service of hyper and tower with the feature `hyper`,
/// which upgrades every request that asks for it, and [`deliver`](Self::deliver) for WebSockets that were
/// upgraded by other means. A clone makes streams for the same listener.
///
/// A request that does not ask for a WebSocket gets the appropriate answer. The origin of pages is
/// checked, as [`Options`] specify.
#[derive(Clone)]
pub struct Accept {
    pub(super) queue: mpsc::Sender<ByteStream>,
    pub(super) options: Options,
}

impl Accept {
    /// Sets the options to negotiate, and the limits and deadlines of the streams. Default:
    /// [`Options::new`].
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Returns the number of free places in the queue.
    pub fn free(&self) -> usize {
        self.queue.capacity()
    }

    /// Passes a WebSocket to the listener as a byte stream. The future is ready when the stream was
    /// dropped, so that a server counts the connection as long as the stream lives: a handler
    /// returns this future.
    ///
    /// ```no_run
    /// # async fn run() -> sockeye::Result<()> {
    /// let (mut listener, accept) = sockeye::byte_stream::listener();
    /// let server = sockeye::Server::bind("127.0.0.1:8080").await?;
    /// tokio::spawn(server.serve(move |ws| accept.deliver(ws)));
    /// while let Some(stream) = listener.accept().await {
    ///     println!("from {:?}", stream.peer_addr());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped before the stream is in the queue, the WebSocket is dropped as
    /// well; later, dropping the future has no effect.
    pub fn deliver(&self, ws: WebSocket) -> impl Future<Output = ()> + Send + use<> {
        let queue = self.queue.clone();
        async move {
            let (lease, dropped) = oneshot::channel();
            let stream = ByteStream { lease: Some(lease), ..ws.into_byte_stream() };
            if enqueue(&queue, stream).await {
                drop(queue);
                // The error means that the stream was dropped.
                let _ = dropped.await;
            }
        }
    }
}

/// Waits for a place in the queue. Returns whether there was one.
pub(super) async fn enqueue(queue: &mpsc::Sender<ByteStream>, stream: ByteStream) -> bool {
    let (code, stream) = match queue.send_timeout(stream, ACCEPT_TIMEOUT).await {
        Ok(()) => return true,
        Err(SendTimeoutError::Timeout(stream)) => (CloseCode::TRY_AGAIN_LATER, stream),
        Err(SendTimeoutError::Closed(stream)) => (CloseCode::GOING_AWAY, stream),
    };
    tracing::debug!(%code, "no place for a byte stream");
    // Bounded by the timeout of the closing handshake. A peer that does not answer loses nothing.
    let _ = stream.into_refused().close(code, "").await;
    false
}

impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("free", &self.free())
            .field("is_closed", &self.queue.is_closed())
            .field("options", &self.options)
            .finish()
    }
}
