//! A client that reconnects when its connection is lost.
//!
//! ```no_run
//! # async fn example() -> sockeye::Result<()> {
//! use sockeye::Client;
//! use sockeye::reconnect::{Event, Reconnecting};
//!
//! let mut feed = Reconnecting::new(Client::new("wss://example.com/feed"));
//! while let Some(event) = feed.next().await? {
//!     match event {
//!         // If the new connection is lost as well, the next call of `next` reconnects.
//!         Event::Connected => drop(feed.send("subscribe:prices").await),
//!         Event::Message(message) => println!("{message}"),
//!         other => eprintln!("{other:?}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod maybe_split;
mod settings;
mod split;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use sockeye_proto::reconnect::{Action, StateMachine, StopReason, requested_delay};
use sockeye_proto::{CloseCode, Message, Utf8Bytes};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::{Client, ConnectError};
use crate::close_payload::ClosePayload;
use crate::{Error, Result, WebSocket, random};
use maybe_split::MaybeSplit;
use settings::{Attempt, Settings};
pub use sockeye_proto::reconnect::Backoff;
use split::SenderState;
pub use split::{Receiver, Sender};

/// An event of a [`Reconnecting`].
pub type Event = sockeye_proto::reconnect::Event<ConnectError, Error>;

/// A client that reconnects when its connection is lost.
///
/// The calls of [`next`](Self::next) or [`recv`](Self::recv) drive the connection: there is no
/// background task, and nothing happens between calls or before the first one.
///
/// # What is sent again
/// Nothing. A message whose [`send`](Self::send) returned an error, or whose `send` future was
/// dropped, may or may not have arrived, and is not sent a second time; neither is a message whose
/// `send` returned and that was lost in transit. The program must resend state that the server
/// needs, such as subscriptions or the last message received, after [`Event::Connected`].
///
/// # When it gives up
/// A `Reconnecting` gives up when an attempt fails for a permanent reason
/// ([`ConnectError::is_transient`], or the predicate of [`retry_when`](Self::retry_when)), when as
/// many attempts failed as [`Backoff`] allows, and when the server closes the connection with a
/// code that a new connection would receive again: see [`reopen_when`](Self::reopen_when).
///
/// # When it waits longer
/// The minimum delay is that of `Retry-After` on a refusal, or the hint in a close frame
/// ([`Shutdown::retry_hint`](crate::Shutdown::retry_hint)); without a hint it is 5 seconds for the
/// close codes 1012 (service restart) and 1013 (try again later). The minimum is cut to
/// [`Backoff::cap`]; the jitter is added to it.
///
/// # Cancel safety
/// Every future of this type may be dropped at any await point: the next call continues pending
/// delays and attempts. Each method documents the effect of dropping its future.
pub struct Reconnecting {
    client: Client,
    settings: Settings,
    machine: StateMachine<ConnectError, Error>,
    /// The origin of the times passed to `machine`.
    epoch: Instant,
    resource: Resource,
    /// The channel through which the senders obtain the connection, after [`split`](Self::split).
    publisher: Option<watch::Sender<SenderState>>,
}

/// The resource that the state machine last asked for.
enum Resource {
    /// At the beginning and at the end.
    None,
    Timer(Pin<Box<Sleep>>),
    Attempt(Attempt),
    Connection(MaybeSplit),
}

impl Reconnecting {
    /// Creates a `Reconnecting` for the client with the default [`Backoff`]; the first call of
    /// another method connects.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            settings: Settings::default(),
            machine: StateMachine::new(Backoff::new()),
            epoch: Instant::now(),
            resource: Resource::None,
            publisher: None,
        }
    }

    /// Returns the next event. `None` means that no further events follow: the connection was
    /// [closed](Self::close), or the server closed it permanently, which the last [`Event::Closed`]
    /// reported.
    ///
    /// # Errors
    /// [`Error::Connect`] when no further attempt is made: with the attempt's error where that is
    /// permanent, else with [`ConnectError::GaveUp`]. Further calls return `None`.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.machine.poll_event() {
                return Ok(Some(event));
            }
            if self.machine.is_stopped() {
                return Ok(None);
            }
            let Resource::Connection(connection) = &mut self.resource else {
                self.advance().await?;
                continue;
            };
            match connection.recv().await {
                Ok(Some(message)) => return Ok(Some(Event::Message(message))),
                Ok(None) => self.on_closed()?,
                Err(error) => self.on_lost(error)?,
            }
        }
    }

    /// Returns the next message, over any number of connections, and skips other events. Returns
    /// `None` as [`next`](Self::next) does.
    ///
    /// # Errors
    /// The errors of [`next`](Self::next).
    ///
    /// # Cancel safety
    /// No message is lost; other events may be.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        while let Some(event) = self.next().await? {
            if let Event::Message(message) = event {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Sends a message once: the whole message has been passed to the transport when this returns.
    /// Without a connection, `send` waits for one; the last 40 events of that are kept for
    /// [`next`](Self::next).
    ///
    /// # Errors
    /// [`Error::Disconnected`] when the connection was lost while the message was being sent: the
    /// message is not sent again, and the next call reconnects. [`Error::Connect`] as from
    /// [`next`](Self::next), and [`Error::Closed`] after the end: in both cases nothing was sent.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits for a connection or for send capacity, the message
    /// is not sent. If the future is dropped later, the next call of any method writes the message,
    /// unless the connection is lost before.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        loop {
            if self.machine.is_stopped() {
                return Err(Error::Closed(None));
            }
            let Resource::Connection(connection) = &mut self.resource else {
                self.advance().await?;
                continue;
            };
            match connection.send(message.clone()).await {
                // The server has closed this connection: the message was not sent, and the next
                // connection can send it.
                Err(Error::Closed(_)) => self.finish().await?,
                Err(error @ Error::Usage(_)) => return Err(error),
                Err(error) => {
                    self.on_lost(error)?;
                    return Err(Error::Disconnected);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Closes the connection permanently, as [`WebSocket::close`] does; without a connection, this
    /// returns at once.
    ///
    /// # Errors
    /// The errors of [`WebSocket::close`].
    ///
    /// # Cancel safety
    /// The same as for [`WebSocket::close`]; [`next`](Self::next) then completes the close, and
    /// does not reconnect.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        let payload = ClosePayload::new(code, reason)?;
        self.machine.close();
        let closed = match &mut self.resource {
            Resource::Connection(connection) => connection.close(payload).await,
            _ => Ok(()),
        };
        let action = self.machine.end();
        self.perform(action)?;
        closed
    }

    /// Drops the connection without a closing handshake and reconnects at once. For programs that
    /// know that the connection is no longer usable, such as after the machine was suspended or
    /// changed networks. Also cuts short a delay or an attempt in progress.
    ///
    /// [`Event::Lost`] with [`Error::Disconnected`] reports the dropped connection, and
    /// [`Event::Scheduled`] the attempt. After [`close`](Self::close) or the end, this does
    /// nothing.
    pub fn reconnect(&mut self) {
        if let Some(action) = self.machine.reconnect(Error::Disconnected, self.epoch.elapsed()) {
            // The action is to wait, which succeeds.
            drop(self.perform(action));
        }
    }

    /// Returns the open connection, if any: for pings, the subprotocol and other details. If the
    /// program closes this connection directly, the client reconnects. To send from other tasks,
    /// use [`split`](Self::split).
    pub fn websocket(&mut self) -> Option<&mut WebSocket> {
        match &mut self.resource {
            Resource::Connection(connection) => connection.websocket(),
            _ => None,
        }
    }

    /// Takes one step towards a connection. All progress is kept in `resource`, so that the future
    /// may be dropped.
    async fn advance(&mut self) -> Result<()> {
        let action = match &mut self.resource {
            Resource::None => self.machine.start(self.epoch.elapsed()),
            Resource::Timer(delay) => {
                delay.await;
                self.machine.on_delay_passed()
            }
            Resource::Attempt(attempt) => match attempt.await {
                Ok(ws) => {
                    self.machine.on_connected(self.epoch.elapsed());
                    self.resource = Resource::Connection(self.wrap(ws));
                    return Ok(());
                }
                Err(error) => {
                    let requested = error.retry_after().unwrap_or_default();
                    let retry = self.settings.retries(&error).then_some(requested);
                    self.machine.on_failed(error, retry, self.epoch.elapsed(), random_bits())
                }
            },
            Resource::Connection(_) => return Ok(()),
        };
        self.perform(action)
    }

    /// Waits for the end of a connection that is being closed; no further message can arrive on it.
    async fn finish(&mut self) -> Result<()> {
        let Resource::Connection(connection) = &mut self.resource else { return Ok(()) };
        match connection.recv().await {
            Ok(_) => self.on_closed(),
            Err(error) => self.on_lost(error),
        }
    }

    /// Handles the end of a closing handshake.
    fn on_closed(&mut self) -> Result<()> {
        let frame = match &self.resource {
            Resource::Connection(connection) => connection.close_frame().cloned(),
            _ => None,
        };
        let reopens = self.settings.reopens(frame.as_ref());
        let action = self.machine.on_closed(frame, reopens, self.epoch.elapsed(), random_bits());
        self.perform(action)
    }

    /// Handles the failure of the connection, also where the program noticed it by
    /// [`websocket`](Self::websocket).
    pub(crate) fn on_lost(&mut self, error: Error) -> Result<()> {
        let requested = match &error {
            Error::ClosedMidMessage(Some(frame)) => requested_delay(frame),
            _ => Duration::ZERO,
        };
        let action =
            self.machine.on_lost(error, Some(requested), self.epoch.elapsed(), random_bits());
        self.perform(action)
    }

    /// Performs an action of the state machine.
    fn perform(&mut self, action: Action<ConnectError, Error>) -> Result<()> {
        match action {
            Action::Wait { attempt, delay } => {
                self.publish(SenderState::Waiting);
                self.resource = Resource::Timer(Box::pin(sleep(delay)));
                tracing::debug!(attempt, ?delay, "waiting to reconnect");
                Ok(())
            }
            Action::Connect(attempt) => {
                self.resource = Resource::Attempt(self.settings.connect(&self.client, attempt));
                Ok(())
            }
            Action::Stop(reason) => {
                self.publish(SenderState::Stopped);
                self.resource = Resource::None;
                match reason {
                    StopReason::Closed => Ok(()),
                    StopReason::Failed(error) => Err(error.into()),
                    StopReason::Lost(error) => Err(error),
                    StopReason::GaveUp { attempts, last } => {
                        Err(ConnectError::GaveUp { attempts, last: Box::new(last) }.into())
                    }
                }
            }
        }
    }
}

/// Returns random bits, which spread attempts over time.
fn random_bits() -> u64 {
    u64::from_ne_bytes(random::bytes())
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("client", &self.client)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}
