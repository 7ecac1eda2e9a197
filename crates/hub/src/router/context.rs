use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::flag::Flag;
use super::{CommandId, CommandName, IntoContent, PushError, Writer};

/// The circumstances of a command: its name and id, the client and its data, the deadline, the
/// cancellation, and the [`Writer`] for events. An extractor; clones are cheap, and may outlive the
/// command.
///
/// # Cancellation
/// A command is cancelled when its [deadline](Self::deadline) passes, when the client cancels it,
/// and when the connection ends: the client leaves, or the server shuts down. The router then drops
/// the endpoint's future at its current `await`, and runs no more of it. Work that must not be left
/// half done belongs into a task of its own, which may watch [`cancelled`](Self::cancelled):
///
/// ```
/// use std::time::Duration;
///
/// use sockeye_hub::router::Context;
///
/// /// Pushes the time each second until the client leaves.
/// async fn subscribe(context: Context) {
///     tokio::spawn(async move {
///         let mut every = tokio::time::interval(Duration::from_secs(1));
///         while !context.writer().is_closed() {
///             let now = every.tick().await;
///             let _ = context.push("time", format!("{now:?}")).await;
///         }
///     });
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Writer,
    command: CommandName,
    id: Option<CommandId>,
    deadline: Option<Instant>,
    cancelled: Flag,
}

impl Context {
    pub(super) fn new(
        writer: Writer,
        command: CommandName,
        id: Option<CommandId>,
        deadline: Option<Instant>,
    ) -> Self {
        let cancelled = Flag::default();
        Self { inner: Arc::new(Inner { writer, command, id, deadline, cancelled }) }
    }

    /// Returns the name of the command.
    pub fn command(&self) -> &CommandName {
        &self.inner.command
    }

    /// Returns the id that the client gave to the command. With
    /// [`Packets`](super::codec::Packets), the field `who`.
    pub fn id(&self) -> Option<&CommandId> {
        self.inner.id.as_ref()
    }

    /// Returns the writer for events to the client.
    pub fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    /// Queues an event for the client, as [`Writer::push`] does.
    ///
    /// # Errors
    /// The errors of [`Writer::push`].
    ///
    /// # Cancel safety
    /// The same as for [`Writer::push`].
    pub async fn push(
        &self,
        event: impl Into<CommandName>,
        content: impl IntoContent,
    ) -> Result<(), PushError> {
        self.writer().push(event, content).await
    }

    /// Returns the client's address, if it is known: see
    /// [`WebSocket::peer_addr`](sockeye::WebSocket::peer_addr).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.writer().peer_addr()
    }

    /// Returns the negotiated subprotocol.
    pub fn subprotocol(&self) -> Option<&str> {
        self.writer().subprotocol()
    }

    /// Returns the connection's data of this type: attached when the client was
    /// [admitted](sockeye::upgrade::Admission::data), or [set](Self::set_data) since by any
    /// command.
    pub fn data<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.writer().data().get().cloned()
    }

    /// Attaches a value to the connection, one of each type, for all commands that follow; returns
    /// the previous one. A command that logs in sets the user:
    ///
    /// ```
    /// use sockeye_hub::router::{Context, Failure, Text};
    ///
    /// # #[derive(Clone)]
    /// # struct User;
    /// # async fn find_user(_: &str) -> Option<User> { None }
    /// async fn login(context: Context, Text(token): Text) -> Result<(), Failure> {
    ///     let user = find_user(&token).await.ok_or_else(|| Failure::forbidden("unknown token"))?;
    ///     context.set_data(user);
    ///     Ok(())
    /// }
    /// ```
    pub fn set_data<T: Clone + Send + Sync + 'static>(&self, data: T) -> Option<T> {
        self.writer().data().insert(data)
    }

    /// Returns the time at which the command is cancelled: the router's
    /// [timeout](super::Router::timeout) after the command was read, or the client's if that is
    /// shorter. `None` for never.
    pub fn deadline(&self) -> Option<std::time::Instant> {
        self.inner.deadline.map(Instant::into_std)
    }

    /// Returns the time that is left until the [deadline](Self::deadline), zero once it has passed;
    /// `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.inner.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns whether the command was cancelled, or the client has left.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.is_set() || self.writer().is_closed()
    }

    /// Waits until the command is cancelled, or the client has left, also after the reply. For
    /// tasks that an endpoint spawns.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time.
    pub async fn cancelled(&self) {
        let mut cancelled = pin!(self.inner.cancelled.wait());
        let mut closed = pin!(self.writer().closed());
        poll_fn(|cx| {
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            closed.as_mut().poll(cx)
        })
        .await;
    }

    /// Returns the flag that a cancellation sets.
    pub(super) fn cancellation(&self) -> &Flag {
        &self.inner.cancelled
    }

    pub(super) fn tokio_deadline(&self) -> Option<Instant> {
        self.inner.deadline
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("command", &self.inner.command)
            .field("id", &self.inner.id)
            .field("peer_addr", &self.peer_addr())
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
