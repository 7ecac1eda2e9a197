//! A client that reconnects when its connection is lost.
//!
//! ```no_run
//! # async fn example() -> sockeye_web::Result<()> {
//! use sockeye_web::Client;
//! use sockeye_web::reconnect::{Event, Reconnecting};
//!
//! let mut feed = Reconnecting::new(Client::new("wss://example.com/feed"));
//! while let Some(event) = feed.next().await? {
//!     match event {
//!         Event::Connected => feed.send("subscribe:prices").await?,
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
use std::future::poll_fn;
use std::time::Duration;

use sockeye_proto::reconnect::{Action, StateMachine, StopReason, requested_delay};
use sockeye_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};

use super::{Client, ConnectError};
use crate::timer::{self, Sleep};
use crate::websocket::check_close_frame;
use crate::{Error, Result, WebSocket};
use maybe_split::MaybeSplit;
use settings::{Attempt, Settings};
pub use sockeye_proto::reconnect::Backoff;
use split::{Publisher, SenderState};
pub use split::{Receiver, Sender};

/// An event of a [`Reconnecting`].
pub type Event = sockeye_proto::reconnect::Event<ConnectError, Error>;

/// A client that reconnects when its connection is lost.
///
/// Calls of [`next`](Self::next) or [`recv`](Self::recv) drive the client: there is no background
/// task, and nothing happens between calls or before the first call.
///
/// # What is sent again
/// Nothing. A message whose [`send`](Self::send) returned may be lost, because the browser accepts
/// messages for a connection that it does not yet know to be gone; the message is not sent again.
/// The program has to send any state that the server needs, such as subscriptions or the last
/// message seen, after [`Event::Connected`].
///
/// # When it gives up
/// The client gives up when an attempt fails with a permanent error ([`ConnectError::is_transient`]
/// or [`retry_when`](Self::retry_when)), when the number of failed attempts reaches the limit of
/// [`Backoff`], and when the server closes the connection with a code that a new connection would
/// end with as well: see [`reopen_when`](Self::reopen_when).
///
/// A browser hides why a connection attempt failed. A server that refuses the connection
/// permanently, with 401 or 404, is therefore indistinguishable from one that is down, and is tried
/// as often as [`Backoff`] allows. A server can inform a page by a close code, after the handshake.
///
/// # When it waits longer
/// The retry hint in a close frame, which `sockeye` servers send on shutdown (`retry after 3.4 s`),
/// is the minimum delay, limited to [`Backoff::cap`]; without a hint, the minimum is 5 seconds for
/// the close codes 1012 (service restart) and 1013 (try again later). The jitter is added to it. A
/// page cannot read `Retry-After` of a refusal.
///
/// A browser delays the timers of a hidden page: they fire once a second, or once a minute when the
/// page has been hidden for minutes, and delays between attempts grow accordingly. Firefox makes a
/// page that connects to a server that failed wait longer, up to a minute, which counts towards
/// [`Client::connect_timeout`]. A delay is at most 24.8 days, the limit of the browser's timers.
/// The browser's clock, which [`Backoff::max_elapsed`] and [`Backoff::reset_after`] use, may stop
/// while the machine sleeps.
///
/// # Cancel safety
/// Every future of this type may be dropped at any await point: the next call continues delays and
/// attempts in progress. Each method documents the effect of dropping its future.
///
/// # Drop
/// Same as [`WebSocket`]: the connection is closed with 4006.
pub struct Reconnecting {
    client: Client,
    settings: Settings,
    machine: StateMachine<ConnectError, Error>,
    resource: Resource,
    /// The state shared with the senders, if this client was split.
    publisher: Option<Publisher>,
}

/// The resource that the state machine last asked for.
enum Resource {
    /// At the beginning and at the end.
    None,
    Timer(Sleep),
    Attempt(Attempt),
    Connection(MaybeSplit),
}

impl Reconnecting {
    /// Creates a client that connects as `client` does, with the default [`Backoff`]. Nothing
    /// happens before the first call.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            settings: Settings::default(),
            machine: StateMachine::new(Backoff::new()),
            resource: Resource::None,
            publisher: None,
        }
    }

    /// Waits for the next event. Returns `None` when the client has stopped: the connection was
    /// [closed](Self::close), or the server closed it permanently, as the preceding
    /// [`Event::Closed`] reported.
    ///
    /// # Errors
    /// [`Error::Connect`] when the client gives up: with the error of the attempt if that error is
    /// permanent, else with [`ConnectError::GaveUp`]. [`Error::Failed`] with a code after which the
    /// client does not [reconnect](Self::reopen_when). The client has then stopped, and further
    /// calls return `None`.
    ///
    /// # Cancel safety
    /// If the future is dropped, no event is lost.
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
            let received = connection.recv().await;
            self.on_received(received)?;
        }
    }

    /// Waits for the next message, across any number of connections; other events are skipped.
    /// Returns `None` as [`next`](Self::next) does.
    ///
    /// # Errors
    /// Same as [`next`](Self::next).
    ///
    /// # Cancel safety
    /// If the future is dropped, only events other than messages may be lost.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        while let Some(event) = self.next().await? {
            if let Event::Message(message) = event {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Sends a message, once. When this returns, the browser has taken the whole message. Without a
    /// connection, opens one first; [`next`](Self::next) returns the events of that later: the last
    /// 40 of them, and all messages that had arrived before the connection ended.
    ///
    /// # Errors
    /// [`Error::Disconnected`] if the connection was given up because the server stopped reading:
    /// the next call reconnects. [`Error::Connect`] and [`Error::Failed`] as for
    /// [`next`](Self::next), and [`Error::Closed`] if the client has stopped. [`Error::QueueFull`]
    /// if the kept messages fill [`Client::receive_queue`]: receive them with [`next`](Self::next),
    /// then send again. In all cases the message was not sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message was not sent.
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
                // This connection has ended: the message was not sent, and may be sent on the next
                // one.
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

    /// Closes the connection permanently, as [`WebSocket::close`] does. Without a connection, the
    /// client stops at once.
    ///
    /// # Errors
    /// Same as [`WebSocket::close`].
    ///
    /// # Cancel safety
    /// Same as [`WebSocket::close`]; [`next`](Self::next) finishes the closing handshake, and does
    /// not reconnect.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        let frame = CloseFrame::from(code.into()).with_reason(reason);
        check_close_frame(&frame)?;
        self.machine.close();
        let closed = match &mut self.resource {
            Resource::Connection(connection) => connection.close(frame).await,
            _ => Ok(()),
        };
        let action = self.machine.end();
        self.perform(action)?;
        closed
    }

    /// Drops the connection, as dropping a [`WebSocket`] does, and opens another one at once: for a
    /// program that knows that the connection is useless, because the page was frozen or the
    /// machine has changed networks. A delay or an attempt in progress is cut short as well.
    ///
    /// [`Event::Lost`] with [`Error::Disconnected`] reports a dropped connection, and
    /// [`Event::Scheduled`] the attempt. After [`close`](Self::close), or when the client has
    /// stopped, this has no effect.
    pub fn reconnect(&mut self) {
        if let Some(action) = self.machine.reconnect(Error::Disconnected, timer::now()) {
            // The action is to wait, which succeeds.
            drop(self.perform(action));
        }
    }

    /// Sets whether the next connections use `WebSocketStream` where the browser supports it.
    pub(crate) fn websocket_stream(self, enabled: bool) -> Self {
        Self { client: self.client.websocket_stream(enabled), ..self }
    }

    /// Ends the delay before the next attempt, if there is one.
    pub(crate) fn end_delay(&mut self) {
        if let Resource::Timer(_) = self.resource {
            self.reconnect();
        }
    }

    /// Returns the open connection, if any, for example to read its subprotocol. If the caller
    /// closes the connection through this reference, the client reconnects.
    pub fn websocket(&mut self) -> Option<&mut WebSocket> {
        match &mut self.resource {
            Resource::Connection(connection) => connection.websocket(),
            _ => None,
        }
    }

    /// Takes one step towards a connection. An operation in progress stays in `resource`, so that
    /// the future may be dropped.
    async fn advance(&mut self) -> Result<()> {
        let action = match &mut self.resource {
            Resource::None => self.machine.start(timer::now()),
            Resource::Timer(delay) => {
                poll_fn(|cx| delay.poll(cx)).await;
                self.machine.on_delay_passed()
            }
            Resource::Attempt(attempt) => match attempt.await {
                Ok(ws) => {
                    self.machine.on_connected(timer::now());
                    self.resource = Resource::Connection(self.wrap(ws));
                    return Ok(());
                }
                Err(error) => {
                    let retry = self.settings.retries(&error).then_some(Duration::ZERO);
                    self.machine.on_failed(error, retry, timer::now(), random())
                }
            },
            Resource::Connection(_) => return Ok(()),
        };
        self.perform(action)
    }

    /// Keeps the remaining messages of a connection that no longer accepts messages, until its end.
    async fn finish(&mut self) -> Result<()> {
        while let Resource::Connection(connection) = &mut self.resource {
            let limit = self.client.receive_queue;
            if self.machine.kept_messages_size() >= limit {
                return Err(Error::QueueFull { limit });
            }
            let received = connection.recv().await;
            self.on_received(received)?;
        }
        Ok(())
    }

    fn on_received(&mut self, received: Result<Option<Message>>) -> Result<()> {
        match received {
            Ok(Some(message)) => self.machine.on_message(message),
            Ok(None) => self.on_closed()?,
            Err(error) => self.on_lost(error)?,
        }
        Ok(())
    }

    /// Handles the end of the connection after a closing handshake.
    fn on_closed(&mut self) -> Result<()> {
        let frame = match &self.resource {
            Resource::Connection(connection) => connection.close_frame().cloned(),
            _ => None,
        };
        let reopens = self.settings.reopens(frame.as_ref());
        let action = self.machine.on_closed(frame, reopens, timer::now(), random());
        self.perform(action)
    }

    /// Handles the end of the connection without a closing handshake, which the caller has seen
    /// through [`websocket`](Self::websocket).
    pub(crate) fn on_lost(&mut self, error: Error) -> Result<()> {
        let retry = match &error {
            Error::Failed(frame) => {
                self.settings.reopens(Some(frame)).then(|| requested_delay(frame))
            }
            _ => Some(Duration::ZERO),
        };
        let action = self.machine.on_lost(error, retry, timer::now(), random());
        self.perform(action)
    }

    /// Performs an action of the state machine.
    fn perform(&mut self, action: Action<ConnectError, Error>) -> Result<()> {
        match action {
            Action::Wait { delay, .. } => {
                self.publish(SenderState::Waiting);
                self.resource = Resource::Timer(Sleep::new(delay));
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

/// Returns random bits. They spread attempts over time and protect nothing.
fn random() -> u64 {
    // At most 53 random bits; never negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in 0..2^64")]
    let bits = (js_sys::Math::random() * 18_446_744_073_709_551_616.0) as u64;
    bits
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("client", &self.client)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}
