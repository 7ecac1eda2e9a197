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

mod event;
mod link;
mod settings;
mod split;

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use sockeye_proto::reconnect::{Attempts, pause};
use sockeye_proto::{CloseCode, CloseFrame, Message, Utf8Bytes};

use super::{Client, ConnectError};
use crate::timer::{self, Sleep};
use crate::websocket::check;
use crate::{Error, Result, WebSocket};
pub use event::Event;
use event::Kept;
use link::Link;
use settings::{Attempt, Settings};
pub use sockeye_proto::reconnect::Backoff;
use split::{Place, Slot};
pub use split::{Receiver, Sender};

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
    state: State,
    kept: Kept,
    attempts: Attempts,
    /// Set when the program has begun to close the connection.
    closing: bool,
    /// The state shared with the senders, if this client was split.
    place: Option<Place>,
}

enum State {
    Idle,
    Waiting(Sleep),
    Connecting(Attempt),
    Open {
        link: Link,
        /// When the connection was opened, on the clock of [`timer::now`].
        since: Duration,
    },
    Over,
}

impl Reconnecting {
    /// Creates a client that connects as `client` does, with the default [`Backoff`]. Nothing
    /// happens before the first call.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            settings: Settings::default(),
            state: State::Idle,
            kept: Kept::default(),
            attempts: Attempts::new(Backoff::new()),
            closing: false,
            place: None,
        }
    }

    /// Waits for the next event. Returns `None` when the client is over: the connection was
    /// [closed](Self::close), or the server closed it permanently, as the preceding
    /// [`Event::Closed`] reported.
    ///
    /// # Errors
    /// [`Error::Connect`] when the client gives up: with the error of the attempt if that error is
    /// permanent, else with [`ConnectError::GaveUp`]. [`Error::Failed`] with a code after which the
    /// client does not [reconnect](Self::reopen_when). The client is then over, and further calls
    /// return `None`.
    ///
    /// # Cancel safety
    /// If the future is dropped, no event is lost.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.kept.pop() {
                return Ok(Some(event));
            }
            let received = match &mut self.state {
                State::Over => return Ok(None),
                State::Open { link, .. } => link.recv().await,
                _ => {
                    self.advance().await?;
                    continue;
                }
            };
            self.received(received)?;
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
    /// [`next`](Self::next), and [`Error::Closed`] if the client is over. [`Error::QueueFull`] if
    /// the kept messages fill [`Client::receive_queue`]: receive them with [`next`](Self::next),
    /// then send again. In all cases the message was not sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message was not sent.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        loop {
            let sent = match &mut self.state {
                State::Over => return Err(Error::Closed(None)),
                State::Open { link, .. } => link.send(message.clone()).await,
                _ => {
                    self.advance().await?;
                    continue;
                }
            };
            match sent {
                // This connection has ended: the message was not sent, and may be sent on the next
                // one.
                Err(Error::Closed(_)) => self.finish().await?,
                Err(error @ Error::Usage(_)) => return Err(error),
                Err(error) => {
                    self.lost(error)?;
                    return Err(Error::Disconnected);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Closes the connection permanently, as [`WebSocket::close`] does. Without a connection, the
    /// client is over at once.
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
        check(&frame)?;
        self.closing = true;
        let closed = match &mut self.state {
            State::Open { link, .. } => link.close(frame).await,
            _ => Ok(()),
        };
        self.kept.clear();
        self.end();
        closed
    }

    /// Drops the connection, as dropping a [`WebSocket`] does, and opens another one at once: for a
    /// program that knows that the connection is useless, because the page was frozen or the
    /// machine has changed networks. A delay or an attempt in progress is cut short as well.
    ///
    /// [`Event::Lost`] with [`Error::Disconnected`] reports a dropped connection, and
    /// [`Event::Connecting`] the attempt. After [`close`](Self::close), or when the client is over,
    /// this has no effect.
    pub fn reconnect(&mut self) {
        if self.closing {
            return;
        }
        match &self.state {
            State::Over => return,
            State::Open { .. } => {
                self.on_connection_end();
                self.kept.push(Event::Lost(Error::Disconnected));
                self.attempts.begin(timer::now());
            }
            State::Idle => self.attempts.begin(timer::now()),
            // The attempt was counted when it was scheduled.
            State::Waiting(_) | State::Connecting(_) => {}
        }
        self.wait(Duration::ZERO);
    }

    /// Returns the open connection, if any, for example to read its subprotocol. If the caller
    /// closes the connection through this reference, the client reconnects.
    pub fn websocket(&mut self) -> Option<&mut WebSocket> {
        match &mut self.state {
            State::Open { link, .. } => link.websocket(),
            _ => None,
        }
    }

    /// Takes one step towards a connection. An operation in progress stays in `state`, so that the
    /// future may be dropped.
    async fn advance(&mut self) -> Result<()> {
        match &mut self.state {
            State::Idle => {
                self.attempts.begin(timer::now());
                self.wait(Duration::ZERO);
            }
            State::Waiting(delay) => {
                poll_fn(|cx| delay.poll(cx)).await;
                let attempt = self.settings.connect(&self.client, self.attempts.count());
                self.state = State::Connecting(attempt);
            }
            State::Connecting(attempt) => match attempt.await {
                Ok(ws) => {
                    let link = self.link(ws);
                    self.state = State::Open { link, since: timer::now() };
                    self.kept.push(Event::Connected);
                }
                Err(error) => self.failed(error)?,
            },
            State::Open { .. } | State::Over => {}
        }
        Ok(())
    }

    /// Keeps the remaining messages of a connection that no longer accepts messages, until its end.
    async fn finish(&mut self) -> Result<()> {
        while let State::Open { link, .. } = &mut self.state {
            let limit = self.client.receive_queue;
            if self.kept.size() >= limit {
                return Err(Error::QueueFull { limit });
            }
            let received = link.recv().await;
            self.received(received)?;
        }
        Ok(())
    }

    fn received(&mut self, received: Result<Option<Message>>) -> Result<()> {
        match received {
            Ok(Some(message)) => self.kept.push(Event::Message(message)),
            Ok(None) => self.on_close()?,
            Err(error) => self.lost(error)?,
        }
        Ok(())
    }

    fn failed(&mut self, error: ConnectError) -> Result<()> {
        if !self.settings.retries(&error) {
            self.end();
            return Err(error.into());
        }
        self.schedule_retry(Duration::ZERO, Event::Failed(error))
    }

    fn lost(&mut self, error: Error) -> Result<()> {
        self.on_connection_end();
        let frame = match &error {
            Error::Failed(frame) => Some(frame),
            _ => None,
        };
        if self.closing || frame.is_some_and(|frame| !self.settings.reopens(Some(frame))) {
            self.end();
            return Err(error);
        }
        let asked = frame.map_or(Duration::ZERO, pause);
        self.schedule_retry(asked, Event::Lost(error))
    }

    /// Handles the end of the connection after a closing handshake.
    fn on_close(&mut self) -> Result<()> {
        let frame = match &self.state {
            State::Open { link, .. } => link.close_frame().cloned(),
            _ => None,
        };
        self.on_connection_end();
        if self.closing || !self.settings.reopens(frame.as_ref()) {
            self.kept.push(Event::Closed(frame));
            self.end();
            return Ok(());
        }
        let asked = frame.as_ref().map_or(Duration::ZERO, pause);
        self.schedule_retry(asked, Event::Closed(frame))
    }

    fn on_connection_end(&mut self) {
        if let State::Open { since, .. } = &self.state {
            self.attempts.on_closed(timer::now().saturating_sub(*since));
        }
    }

    /// Records the event and schedules the next attempt, unless the limit of attempts is reached.
    fn schedule_retry(&mut self, asked: Duration, event: Event) -> Result<()> {
        let Some(delay) = self.attempts.next_attempt(timer::now(), asked, random()) else {
            self.end();
            let (attempts, last) = (self.attempts.count(), Box::new(event));
            return Err(ConnectError::GaveUp { attempts, last }.into());
        };
        self.kept.push(event);
        self.wait(delay);
        Ok(())
    }

    /// Starts the delay before the next attempt.
    fn wait(&mut self, delay: Duration) {
        self.publish(Slot::Waiting);
        self.state = State::Waiting(Sleep::new(delay));
        self.kept.push(Event::Connecting { attempt: self.attempts.count(), delay });
    }

    fn end(&mut self) {
        self.publish(Slot::Over);
        self.state = State::Over;
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
        let state = match &self.state {
            State::Idle => "Idle",
            State::Waiting(_) => "Waiting",
            State::Connecting(_) => "Connecting",
            State::Open { .. } => "Open",
            State::Over => "Over",
        };
        f.debug_struct("Reconnecting")
            .field("client", &self.client)
            .field("attempts", &self.attempts)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
