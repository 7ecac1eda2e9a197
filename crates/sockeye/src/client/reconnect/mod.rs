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

mod event;
mod link;
mod settings;
mod split;

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use sockeye_proto::reconnect::{Attempts, pause};
use sockeye_proto::{CloseCode, Message, Utf8Bytes};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::{Client, ConnectError};
use crate::close_payload::ClosePayload;
use crate::{Error, Result, WebSocket, random};
pub use event::Event;
use link::Link;
use settings::{Attempt, Settings};
pub use sockeye_proto::reconnect::Backoff;
use split::SenderState;
pub use split::{Receiver, Sender};

/// Maximum number of events kept for [`Reconnecting::next`] while [`Reconnecting::send`] connects:
/// those of 20 attempts.
const MAX_EVENTS: usize = 40;

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
    state: State,
    events: VecDeque<Event>,
    attempts: Attempts,
    /// The origin of the times passed to `attempts`.
    epoch: Instant,
    /// `true` once the program has called [`close`](Self::close).
    closing: bool,
    /// The channel through which the senders obtain the connection, after [`split`](Self::split).
    slot: Option<watch::Sender<SenderState>>,
}

enum State {
    Idle,
    Waiting(Pin<Box<Sleep>>),
    Connecting(Attempt),
    Open { link: Link, since: Instant },
    Over,
}

impl Reconnecting {
    /// Creates a `Reconnecting` for the client with the default [`Backoff`]; the first call of
    /// another method connects.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            settings: Settings::default(),
            state: State::Idle,
            events: VecDeque::new(),
            attempts: Attempts::new(Backoff::new()),
            epoch: Instant::now(),
            closing: false,
            slot: None,
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
            if let Some(event) = self.events.pop_front() {
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
            match received {
                Ok(Some(message)) => return Ok(Some(Event::Message(message))),
                Ok(None) => self.on_close()?,
                Err(error) => self.lost(error)?,
            }
        }
    }

    /// Returns the next message, over any number of connections, and skips other events. Returns
    /// `None` as [`next`](Self::next) does.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
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
            let sent = match &mut self.state {
                State::Over => return Err(Error::Closed(None)),
                State::Open { link, .. } => link.send(message.clone()).await,
                _ => {
                    self.advance().await?;
                    continue;
                }
            };
            match sent {
                // The server has closed this connection: the message was not sent, and the next
                // connection can send it.
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

    /// Closes the connection permanently, as [`WebSocket::close`] does; without a connection, this
    /// returns at once.
    ///
    /// # Errors
    /// Those of [`WebSocket::close`].
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
        self.closing = true;
        let closed = match &mut self.state {
            State::Open { link, .. } => link.close(payload).await,
            _ => Ok(()),
        };
        self.events.clear();
        self.end();
        closed
    }

    /// Drops the connection without a closing handshake and reconnects at once. For programs that
    /// know that the connection is no longer usable, such as after the machine was suspended or
    /// changed networks. Also cuts short a delay or an attempt in progress.
    ///
    /// [`Event::Lost`] with [`Error::Disconnected`] reports the dropped connection, and
    /// [`Event::Connecting`] the attempt. After [`close`](Self::close) or the end, this does
    /// nothing.
    pub fn reconnect(&mut self) {
        if self.closing {
            return;
        }
        match &self.state {
            State::Over => return,
            State::Open { .. } => {
                self.on_connection_end();
                self.tell(Event::Lost(Error::Disconnected));
                self.attempts.begin(self.epoch.elapsed());
            }
            State::Idle => self.attempts.begin(self.epoch.elapsed()),
            // The attempt was counted when it was scheduled.
            State::Waiting(_) | State::Connecting(_) => {}
        }
        self.wait(Duration::ZERO);
    }

    /// Returns the open connection, if any: for pings, the subprotocol and other details. If the
    /// program closes this connection directly, the client reconnects. To send from other tasks,
    /// use [`split`](Self::split).
    pub fn websocket(&mut self) -> Option<&mut WebSocket> {
        match &mut self.state {
            State::Open { link, .. } => link.websocket(),
            _ => None,
        }
    }

    /// Takes one step towards a connection. All progress is kept in `state`, so that the future may
    /// be dropped.
    async fn advance(&mut self) -> Result<()> {
        match &mut self.state {
            State::Idle => {
                self.attempts.begin(self.epoch.elapsed());
                self.wait(Duration::ZERO);
            }
            State::Waiting(delay) => {
                delay.await;
                self.state =
                    State::Connecting(self.settings.connect(&self.client, self.attempts.count()));
            }
            State::Connecting(attempt) => match attempt.await {
                Ok(ws) => {
                    let link = self.link(ws);
                    self.state = State::Open { link, since: Instant::now() };
                    self.tell(Event::Connected);
                }
                Err(error) => self.failed(error)?,
            },
            State::Open { .. } | State::Over => {}
        }
        Ok(())
    }

    fn failed(&mut self, error: ConnectError) -> Result<()> {
        if !self.settings.retries(&error) {
            self.end();
            return Err(error.into());
        }
        let asked = error.retry_after().unwrap_or_default();
        self.schedule_retry(asked, Event::Failed(error))
    }

    fn lost(&mut self, error: Error) -> Result<()> {
        self.on_connection_end();
        if self.closing {
            self.end();
            return Err(error);
        }
        let asked = match &error {
            Error::ClosedMidMessage(Some(frame)) => pause(frame),
            _ => Duration::ZERO,
        };
        self.schedule_retry(asked, Event::Lost(error))
    }

    /// Handles the end of a closing handshake.
    fn on_close(&mut self) -> Result<()> {
        let frame = match &self.state {
            State::Open { link, .. } => link.close_frame().cloned(),
            _ => None,
        };
        self.on_connection_end();
        if self.closing || !self.settings.reopens(frame.as_ref()) {
            self.tell(Event::Closed(frame));
            self.end();
            return Ok(());
        }
        let asked = frame.as_ref().map_or(Duration::ZERO, pause);
        self.schedule_retry(asked, Event::Closed(frame))
    }

    /// Waits for the end of a connection that is being closed; no further message can arrive on it.
    async fn finish(&mut self) -> Result<()> {
        let ended = match &mut self.state {
            State::Open { link, .. } => link.recv().await,
            _ => return Ok(()),
        };
        match ended {
            Ok(_) => self.on_close(),
            Err(error) => self.lost(error),
        }
    }

    fn on_connection_end(&mut self) {
        if let State::Open { since, .. } = &self.state {
            self.attempts.on_closed(since.elapsed());
        }
    }

    /// Emits the event and schedules the next attempt, unless the limit of attempts is reached.
    fn schedule_retry(&mut self, asked: Duration, event: Event) -> Result<()> {
        let random = u64::from_ne_bytes(random::bytes());
        let Some(delay) = self.attempts.next_attempt(self.epoch.elapsed(), asked, random) else {
            self.end();
            let (attempts, last) = (self.attempts.count(), Box::new(event));
            return Err(ConnectError::GaveUp { attempts, last }.into());
        };
        self.tell(event);
        self.wait(delay);
        Ok(())
    }

    /// Starts the delay before the scheduled attempt.
    fn wait(&mut self, delay: Duration) {
        let attempt = self.attempts.count();
        self.publish(SenderState::Waiting);
        self.state = State::Waiting(Box::pin(sleep(delay)));
        tracing::debug!(attempt, ?delay, "another connection is to be made");
        self.tell(Event::Connecting { attempt, delay });
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn end(&mut self) {
        self.publish(SenderState::Over);
        self.state = State::Over;
    }
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
