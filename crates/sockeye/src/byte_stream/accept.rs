use std::fmt;
use std::future::Future;
use std::time::Duration;

use sockeye_proto::CloseCode;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::{ByteStream, Listener};
use crate::WebSocket;
use crate::upgrade::Options;

/// Default number of streams that wait to be accepted: the usual length of a TCP listener's
/// backlog.
const DEFAULT_QUEUE: usize = 128;

/// Timeout for a new stream to enter a full accept queue; afterwards the stream is closed with 1013
/// (try again later). Equal to the handshake timeout, which is about as long as a user would wait.
pub const ACCEPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns a listener of byte streams, and a handle that turns requests into streams for it.
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
/// | server | use |
/// |---|---|
/// | axum | `any_service(accept)` |
/// | axum, to inspect the request first | `upgrade.on_upgrade(move \|ws\| accept.deliver(ws))` |
/// | hyper | `serve_connection(io, accept)`, or [`Accept`] as a `tower` service |
/// | [`Server`](crate::Server) | `server.serve(move \|ws\| accept.deliver(ws))` |
///
/// The handler server ([`push`](crate::push)) cannot supply streams: its connections belong to the
/// event loop of their worker, and no task could wait for their bytes.
///
/// At most 128 streams wait to be accepted. [`listener_with_queue`] changes this limit.
pub fn listener() -> (Listener, Accept) {
    listener_with_queue(DEFAULT_QUEUE)
}

/// Returns a listener like [`listener`], with a queue of `length` streams that wait to be accepted;
/// at least 1.
///
/// If the queue is full, a new stream waits for up to [`ACCEPT_TIMEOUT`], and is closed with 1013
/// (try again later) if the queue is still full. The queue does not limit how many streams wait
/// this way, but the server can: see [`Server::max_connections`](crate::Server::max_connections).
pub fn listener_with_queue(length: usize) -> (Listener, Accept) {
    let (sender, receiver) = mpsc::channel(length.max(1));
    (Listener::new(receiver), Accept { queue: sender, options: Options::new() })
}

/// The handle that passes streams to a [`Listener`]. Clones pass streams to the same listener.
///
/// With the feature `hyper`, the handle is a service of hyper and tower that upgrades every request
/// for a WebSocket. [`deliver`](Self::deliver) passes WebSockets that were upgraded by other means.
///
/// The service answers other requests with the appropriate HTTP error. It checks the `Origin`
/// header as its [`Options`] specify.
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

    /// Passes a WebSocket to the listener as a byte stream. The future completes when the stream is
    /// dropped. A handler returns this future, so that the server counts the connection as long as
    /// the stream exists.
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
    /// well. Once the stream is in the queue, dropping the future does not affect the stream.
    pub fn deliver(&self, ws: WebSocket) -> impl Future<Output = ()> + Send + use<> {
        let queue = self.queue.clone();
        async move {
            let (drop_signal, dropped) = oneshot::channel();
            let stream = ByteStream { drop_signal: Some(drop_signal), ..ws.into_byte_stream() };
            if enqueue(&queue, stream).await {
                drop(queue);
                // The error means that the stream was dropped.
                let _ = dropped.await;
            }
        }
    }
}

/// Passes a stream to the queue, or closes the stream if the queue stays full or the listener was
/// dropped. Returns whether the stream is in the queue.
pub(super) async fn enqueue(queue: &mpsc::Sender<ByteStream>, stream: ByteStream) -> bool {
    let (code, stream) = match queue.send_timeout(stream, ACCEPT_TIMEOUT).await {
        Ok(()) => return true,
        Err(SendTimeoutError::Timeout(stream)) => (CloseCode::TRY_AGAIN_LATER, stream),
        Err(SendTimeoutError::Closed(stream)) => (CloseCode::GOING_AWAY, stream),
    };
    tracing::debug!(%code, "byte stream not accepted");
    // The closing handshake's timeout bounds the wait. If the peer does not answer, no data is
    // lost.
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
