use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_proto::mux::{Config, Direction, DroppedDatagrams, Framing, Multiplexer, StreamId};
use sockeye_proto::{CloseCode, MemoryBudget, Role};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::byte_stream::StreamTransport;
use super::driver::{RecordTransport, drive};
use super::resumable::ResumableTransport;
use super::shared::{Change, Shared};
use super::{DatagramError, RecvStream, SendStream, SessionError};
use crate::WebSocket;
use crate::resume::ResumableStream;

/// One end of a session: streams and datagrams over one connection. Clones share the session.
///
/// # End
/// A session ends when a program calls [`close`](Self::close), the peer breaks a rule, or the
/// connection ends. All calls then fail with the same [`SessionError`]; what had arrived can still
/// be read. When all handles of a session are dropped, including those of streams, the data of
/// finished streams is still sent, within 30 s, and the session is closed with code 0.
#[derive(Clone)]
pub struct Session {
    handle: Arc<Handle>,
}

/// A reference of the session and its streams to their state: dropping the last one releases the
/// session.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Session {
    /// Begins a session on a client's WebSocket, which the server must have opened with a
    /// subprotocol: [`SUBPROTOCOL`](super::SUBPROTOCOL), that of an application with this prefix, or
    /// another one that is defined to use QMux.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn client(ws: WebSocket, config: Config) -> Self {
        Self::over_websocket(ws, config, Role::Client)
    }

    /// Begins a session on a server's WebSocket, which must have been opened with a subprotocol.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn server(ws: WebSocket, config: Config) -> Self {
        Self::over_websocket(ws, config, Role::Server)
    }

    /// Begins a session on a reliable byte stream at the end that takes the role of the client. The
    /// other end must take that of the server.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn client_over<S>(stream: S, config: Config) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::over_stream(stream, config, Role::Client)
    }

    /// Begins a session on a reliable byte stream, at the end that takes the role of the server.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn server_over<S>(stream: S, config: Config) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::over_stream(stream, config, Role::Server)
    }

    /// Begins a session as [`client_over`](Self::client_over) does, on a stream that outlives its
    /// WebSocket. Data passes through the stream without a copy, and streams of a higher priority
    /// wait for less data than in the stream's buffer.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn client_resumable(stream: ResumableStream, config: Config) -> Self {
        Self::over_resumable(stream, config, Role::Client)
    }

    /// Begins a session as [`client_resumable`](Self::client_resumable) does, at the end that takes
    /// the role of the server.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn server_resumable(stream: ResumableStream, config: Config) -> Self {
        Self::over_resumable(stream, config, Role::Server)
    }

    /// Opens a stream in both directions. Waits while the peer's limit of streams is reached, and
    /// until the peer has begun the session. The peer learns of the stream with its first data.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn open_bi(&self) -> Result<(SendStream, RecvStream), SessionError> {
        let id = self.open(Direction::Bidirectional).await?;
        Ok((self.send_stream(id), self.recv_stream(id)))
    }

    /// Opens a stream from this end to the peer, as [`open_bi`](Self::open_bi) does.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn open_uni(&self) -> Result<SendStream, SessionError> {
        let id = self.open(Direction::Unidirectional).await?;
        Ok(self.send_stream(id))
    }

    /// Returns the next stream in both directions that the peer has opened.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future loses no stream.
    pub async fn accept_bi(&self) -> Result<(SendStream, RecvStream), SessionError> {
        let id = self.accept(Direction::Bidirectional).await?;
        Ok((self.send_stream(id), self.recv_stream(id)))
    }

    /// Returns the next stream from the peer to this end that the peer has opened.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future loses no stream.
    pub async fn accept_uni(&self) -> Result<RecvStream, SessionError> {
        let id = self.accept(Direction::Unidirectional).await?;
        Ok(self.recv_stream(id))
    }

    /// Queues a datagram. A full queue drops the datagram, and
    /// [`dropped_datagrams`](Self::dropped_datagrams) counts it. A datagram that is sent arrives,
    /// since the connection is reliable; the peer's queue may drop it.
    ///
    /// # Errors
    /// [`DatagramError::Unsupported`] and [`DatagramError::TooLong`]; the end of the session.
    pub fn send_datagram(&self, datagram: Bytes) -> Result<(), DatagramError> {
        self.shared().call(|state| {
            if let Some(error) = state.error() {
                return Err(DatagramError::Session(error));
            }
            let limit = state.mux.max_datagram_length().ok_or(DatagramError::Unsupported)?;
            let length = datagram.len();
            if length > limit {
                return Err(DatagramError::TooLong { length, limit });
            }
            state.mux.send_datagram(datagram);
            Ok(())
        })
    }

    /// Returns the next datagram.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future loses no datagram.
    pub async fn read_datagram(&self) -> Result<Bytes, SessionError> {
        self.shared().wait(Change::Datagram, |state| state.mux.read_datagram()).await
    }

    /// Returns the maximum length of a datagram, in bytes; `None` if the peer accepts none, or has
    /// not begun the session.
    pub fn max_datagram_length(&self) -> Option<usize> {
        self.shared().lock().mux.max_datagram_length()
    }

    /// Returns the numbers of datagrams that full queues have dropped.
    pub fn dropped_datagrams(&self) -> DroppedDatagrams {
        self.shared().lock().mux.dropped_datagrams()
    }

    /// Closes the session. Data that the connection has not taken is dropped. The reason, of which
    /// the first 1,024 bytes are sent, is for people.
    pub fn close(&self, code: u32, reason: &str) {
        self.shared().call(|state| state.mux.close(code.into(), reason));
    }

    /// Charges the data and datagrams that wait in this session to be sent or read to a budget. When
    /// the budget chooses the session, or would be exceeded by it, the session ends with
    /// [`SessionError::OverBudget`] and drops all data, also that which has arrived. A second call
    /// replaces the budget.
    ///
    /// A session that has ended for another reason remains charged with what was not read, until
    /// the streams are read or dropped.
    pub fn charge(&self, budget: &MemoryBudget) {
        self.shared().call(|state| state.set_charge(budget.charge()));
    }

    /// Waits until the session has ended.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn closed(&self) -> SessionError {
        match self.shared().wait(Change::Ended, |state| state.error()).await {
            Ok(error) | Err(error) => error,
        }
    }

    /// Returns a future that waits until the session has ended and has let go of its connection: then
    /// everything has been sent that is still sent. The future does not keep the session.
    pub fn released(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.handle.shared);
        async move { shared.wait_until_released().await }
    }

    /// Returns whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.shared().lock().mux.end().is_some()
    }

    async fn open(&self, direction: Direction) -> Result<StreamId, SessionError> {
        let change = Change::Available(direction);
        self.shared().wait(change, |state| state.mux.open(direction)).await
    }

    async fn accept(&self, direction: Direction) -> Result<StreamId, SessionError> {
        let change = Change::Opened(direction);
        self.shared().wait(change, |state| state.mux.accept(direction)).await
    }

    fn send_stream(&self, id: StreamId) -> SendStream {
        SendStream::new(Arc::clone(&self.handle), id)
    }

    fn recv_stream(&self, id: StreamId) -> RecvStream {
        RecvStream::new(Arc::clone(&self.handle), id)
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn over_websocket(mut ws: WebSocket, config: Config, role: Role) -> Self {
        if ws.subprotocol().is_some() {
            return Self::begin(config, role, Framing::Messages, |_| ws);
        }
        let session = Self::new(Multiplexer::new(role, config, Framing::Messages, Duration::ZERO));
        session.shared().end_transport(Some(SessionError::Subprotocol));
        let shared = Arc::clone(&session.handle.shared);
        tokio::spawn(async move {
            // The peer may be gone; the session has failed in any case.
            let _ = ws.close(CloseCode::PROTOCOL_ERROR, "no subprotocol").await;
            shared.release();
        });
        session
    }

    fn over_stream<S>(stream: S, config: Config, role: Role) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::begin(config, role, Framing::ByteStream, |mux| {
            StreamTransport::new(stream, mux.decoder())
        })
    }

    fn over_resumable(stream: ResumableStream, config: Config, role: Role) -> Self {
        Self::begin(config, role, Framing::ByteStream, |mux| {
            ResumableTransport::new(stream, mux.decoder())
        })
    }

    fn begin<T: RecordTransport>(
        config: Config,
        role: Role,
        framing: Framing,
        transport: impl FnOnce(&Multiplexer) -> T,
    ) -> Self {
        let mux = Multiplexer::new(role, config, framing, Duration::ZERO);
        let transport = transport(&mux);
        let session = Self::new(mux);
        tokio::spawn(drive(Arc::clone(&session.handle.shared), transport));
        session
    }

    fn new(mux: Multiplexer) -> Self {
        let shared = Arc::new(Shared::new(mux, Instant::now()));
        Self { handle: Arc::new(Handle { shared }) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let now = self.shared.now();
        self.shared.call(|state| state.mux.release(now));
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
