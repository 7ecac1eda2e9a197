use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockeye::Message;
use sockeye::http::Extensions;
use sockeye::split::{Sender, TrySendError};

use super::codec::Codec;
use super::flag::Flag;
use super::{CommandName, EncodeError, IntoContent};

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends events to a client: messages that are no replies. An endpoint extracts it, or takes it
/// from [`Context::writer`](super::Context::writer); it may be kept and used anywhere, by any
/// number of tasks, as long as the connection lasts.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use sockeye_hub::router::{State, Text, Writer};
///
/// #[derive(Clone, Default)]
/// struct Chat {
///     members: Arc<Mutex<Vec<Writer>>>,
/// }
///
/// async fn join(State(chat): State<Chat>, writer: Writer) {
///     chat.members.lock().unwrap().push(writer);
/// }
///
/// /// Tells all members, and forgets those who have left or do not keep up.
/// async fn say(State(chat): State<Chat>, Text(line): Text) {
///     chat.members.lock().unwrap().retain(|member| member.try_push("said", &*line).is_ok());
/// }
/// ```
///
/// Events and replies leave in the order in which they were queued.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

/// The state that all commands of a connection share.
struct Shared {
    outgoing: Box<dyn Outgoing>,
    codec: Arc<dyn Codec>,
    peer_addr: Option<SocketAddr>,
    subprotocol: Option<String>,
    data: Mutex<Extensions>,
    closed: Flag,
}

impl Writer {
    pub(super) fn new(outgoing: impl Outgoing, codec: Arc<dyn Codec>, client: ClientInfo) -> Self {
        let ClientInfo { peer_addr, subprotocol, data } = client;
        let (outgoing, data) = (Box::new(outgoing), Mutex::new(data));
        let closed = Flag::default();
        let shared = Shared { outgoing, codec, peer_addr, subprotocol, data, closed };
        Self { shared: Arc::new(shared) }
    }

    /// Queues an event for the client. Waits while the
    /// [send queue](super::Router::send_capacity) is full.
    ///
    /// # Errors
    /// [`PushError::Encode`] when the content or the name has no encoding, [`PushError::Closed`]
    /// when the connection is closing or over.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits, the event was not queued.
    pub async fn push(
        &self,
        event: impl Into<CommandName>,
        content: impl IntoContent,
    ) -> Result<(), PushError> {
        let message = self.encode(&event.into(), content)?;
        self.send(message).await.map_err(PushError::Closed)
    }

    /// Queues an event for the client if there is capacity.
    ///
    /// # Errors
    /// [`PushError::Full`] when the send queue is full, and those of [`push`](Self::push).
    pub fn try_push(
        &self,
        event: impl Into<CommandName>,
        content: impl IntoContent,
    ) -> Result<(), PushError> {
        let message = self.encode(&event.into(), content)?;
        self.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => PushError::Full,
            _ => PushError::Closed(sockeye::Error::Closed(None)),
        })
    }

    /// Returns whether the connection is closing or over.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_set() || self.shared.outgoing.is_closed()
    }

    /// Waits until the connection is over, or no longer served by the router.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time.
    pub async fn closed(&self) {
        self.shared.closed.wait().await;
    }

    /// Queues a message as it is. Waits while the send queue is full.
    pub(super) async fn send(&self, message: Message) -> sockeye::Result<()> {
        self.shared.outgoing.send(message).await
    }

    pub(super) fn try_send(&self, message: Message) -> Result<(), TrySendError> {
        self.shared.outgoing.try_send(message)
    }

    pub(super) fn codec(&self) -> &dyn Codec {
        &*self.shared.codec
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        self.shared.peer_addr
    }

    pub(super) fn subprotocol(&self) -> Option<&str> {
        self.shared.subprotocol.as_deref()
    }

    pub(super) fn data(&self) -> MutexGuard<'_, Extensions> {
        // A panic of a value's `clone` or `drop` leaves the map itself intact.
        self.shared.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the end of the connection.
    pub(super) fn set_closed(&self) {
        self.shared.closed.set();
    }

    fn encode(&self, event: &CommandName, content: impl IntoContent) -> Result<Message, PushError> {
        let content = content.into_content().map_err(PushError::Encode)?;
        self.shared.codec.encode_event(event, &content).map_err(PushError::Encode)
    }
}

/// Writers are equal if they write to the same connection.
impl PartialEq for Writer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Writer {}

impl Hash for Writer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.shared).hash(state);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("peer_addr", &self.shared.peer_addr)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The reason why an event was not queued.
#[derive(Debug)]
#[non_exhaustive]
pub enum PushError {
    /// The content or the name of the event has no encoding. The connection remains open.
    Encode(EncodeError),
    /// The send queue is full.
    Full,
    /// The connection is closing or over, with its error.
    Closed(sockeye::Error),
}

/// Displays the inner error.
impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => error.fmt(f),
            Self::Full => f.write_str("the send queue is full"),
            Self::Closed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PushError {}

/// The facts about a client that its endpoints see in the [`Context`](super::Context), for
/// [`Router::serve_with`](super::Router::serve_with).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientInfo {
    /// The client's address.
    pub peer_addr: Option<SocketAddr>,
    /// The negotiated subprotocol.
    pub subprotocol: Option<String>,
    /// The initial data of the connection: see [`Context::data`](super::Context::data).
    pub data: Extensions,
}

/// The sending side of a connection that a [router serves](super::Router::serve_with): a queue with
/// a bound, which writes to the client what it takes.
pub trait Outgoing: Send + Sync + 'static {
    /// Queues a message; waits while the queue is full.
    ///
    /// # Errors
    /// When the connection is closing or over.
    fn send(
        &self,
        message: Message,
    ) -> Pin<Box<dyn Future<Output = sockeye::Result<()>> + Send + '_>>;

    /// Queues a message if there is capacity.
    ///
    /// # Errors
    /// [`TrySendError`], with the message.
    fn try_send(&self, message: Message) -> Result<(), TrySendError>;

    /// Returns whether the connection is closing or over.
    fn is_closed(&self) -> bool;
}

impl Outgoing for Sender {
    fn send(&self, message: Message) -> BoxFuture<'_, sockeye::Result<()>> {
        Box::pin(Self::send(self, message))
    }

    fn try_send(&self, message: Message) -> Result<(), TrySendError> {
        Self::try_send(self, message)
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }
}
