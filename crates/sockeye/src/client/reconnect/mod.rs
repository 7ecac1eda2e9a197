//! A client that connects again when its connection is lost.
//!
//! ```no_run
//! # async fn example() -> sockeye::Result<()> {
//! use sockeye::Client;
//! use sockeye::reconnect::{Event, Reconnecting};
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

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use sockeye_proto::reconnect::{Attempts, pause};
use sockeye_proto::{CloseCode, Message, Utf8Bytes};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::{Client, ConnectError};
use crate::websocket::ClosePayload;
use crate::{Error, Result, WebSocket, random};
pub use event::Event;
use link::Link;
use settings::{Attempt, Settings};
pub use sockeye_proto::reconnect::Backoff;
use split::Slot;
pub use split::{Receiver, Sender};

/// How many events are kept for [`Reconnecting::next`] while [`Reconnecting::send`] connects: those of 20 attempts.
const MAX_EVENTS: usize = 40;

/// A connection that is made again when it is lost.
///
/// Whoever calls [`next`](Self::next) or [`recv`](Self::recv) drives it: there is no task behind it, and between calls
/// nothing happens. Nothing happens before the first call either.
///
/// # What is sent again
/// Nothing. A message whose [`send`](Self::send) returned an error, or was dropped, may have arrived or not, and it is
/// not sent a second time; neither is one whose `send` returned and that was lost on its way. What the server has to
/// know of the past, as subscriptions or the last message seen, is for the program to send after [`Event::Connected`].
///
/// # When it gives up
/// When an attempt fails for a reason that will not go away ([`ConnectError::is_transient`], or what
/// [`retry_when`](Self::retry_when) says), when as many attempts failed as [`Backoff`] allows, and when the server closes
/// the connection with a code that says that the same would happen again: see [`reopen_when`](Self::reopen_when).
///
/// # When it waits longer
/// `Retry-After` on a refusal, the hint in a close frame ([`Shutdown::retry_hint`](crate::Shutdown::retry_hint)), and without
/// one 5 seconds for the close codes 1012 (service restart) and 1013 (try again later), are the least wait, cut to
/// [`Backoff::cap`]; the jitter comes on top.
///
/// # Cancel safety
/// Every future of this type may be dropped at any await point: waits and attempts go on where they were with the next
/// call. What each leaves undone is said there.
pub struct Reconnecting {
    client: Client,
    settings: Settings,
    state: State,
    events: VecDeque<Event>,
    attempts: Attempts,
    /// What `attempts` counts its times from.
    epoch: Instant,
    /// The program has begun to close it.
    closing: bool,
    /// Where the senders of a divided one find the connection.
    slot: Option<watch::Sender<Slot>>,
}

enum State {
    Idle,
    Waiting(Pin<Box<Sleep>>),
    Connecting(Attempt),
    Open { link: Link, since: Instant },
    Over,
}

impl Reconnecting {
    /// Connects as the client does, with the default [`Backoff`]; nothing happens before the first call.
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

    /// Waits for what happens next. `None` says that it is over: the connection was [closed](Self::close), or the server
    /// closed it for good, as the [`Event::Closed`] before told.
    ///
    /// # Errors
    /// [`Error::Connect`] when it gives up: with the error of the attempt where that will not go away, else with
    /// [`ConnectError::GaveUp`]. It is over then, and further calls give `None`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
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
                Ok(None) => self.closed()?,
                Err(error) => self.lost(error)?,
            }
        }
    }

    /// Waits for the next message, over however many connections; other events are passed over. `None` as
    /// [`next`](Self::next) has it.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    /// Nothing is lost but events that are no messages.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        while let Some(event) = self.next().await? {
            if let Event::Message(message) = event {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Sends a message, once: it is with the transport, whole, when this returns. While there is no connection it waits
    /// for one; the events of that are kept for [`next`](Self::next), the last 40 of them.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when the connection was lost while the message was under way: it is not sent again, and
    /// the next call connects anew. [`Error::Connect`] as [`next`](Self::next), and [`Error::Closed`] when it is over:
    /// then nothing was sent.
    ///
    /// # Cancel safety
    /// If it is dropped while it waits for a connection or for room, the message was not taken. If it is dropped later,
    /// the message will be written by the next call of any kind, unless the connection is lost before.
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
                // The server has closed this connection: the message was not taken, and may go by the next one.
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

    /// Closes the connection for good, as [`WebSocket::close`] does; without one, it is over at once.
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::close`]; [`next`](Self::next) finishes what it began, and does not connect again.
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

    /// Drops the connection, without a closing handshake, and makes another one at once: for a program that knows that it is
    /// of no more use, as the machine has slept or has another network. A wait or an attempt that is under way is cut short
    /// likewise.
    ///
    /// [`Event::Lost`] with [`Error::Disconnected`] tells of a connection that was dropped, and [`Event::Connecting`] of the
    /// attempt. After [`close`](Self::close), and when it is over, nothing happens.
    pub fn reconnect(&mut self) {
        if self.closing {
            return;
        }
        match &self.state {
            State::Over => return,
            State::Open { .. } => {
                self.left();
                self.tell(Event::Lost(Error::Disconnected));
                self.attempts.begin(self.epoch.elapsed());
            }
            State::Idle => self.attempts.begin(self.epoch.elapsed()),
            // The attempt was counted when it was planned.
            State::Waiting(_) | State::Connecting(_) => {}
        }
        self.wait(Duration::ZERO);
    }

    /// The connection while it is open: for pings, the subprotocol, and what else it has. Whoever closes it by this sees
    /// another one made. To send from other tasks, [`split`](Self::split) it.
    pub fn websocket(&mut self) -> Option<&mut WebSocket> {
        match &mut self.state {
            State::Open { link, .. } => link.websocket(),
            _ => None,
        }
    }

    /// Takes one step towards a connection. Whatever is under way stays in `state`, so that it may be dropped.
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
        self.again(asked, Event::Failed(error))
    }

    fn lost(&mut self, error: Error) -> Result<()> {
        self.left();
        if self.closing {
            self.end();
            return Err(error);
        }
        let asked = match &error {
            Error::ClosedMidMessage(Some(frame)) => pause(frame),
            _ => Duration::ZERO,
        };
        self.again(asked, Event::Lost(error))
    }

    /// After a closing handshake.
    fn closed(&mut self) -> Result<()> {
        let frame = match &self.state {
            State::Open { link, .. } => link.close_frame().cloned(),
            _ => None,
        };
        self.left();
        if self.closing || !self.settings.reopens(frame.as_ref()) {
            self.tell(Event::Closed(frame));
            self.end();
            return Ok(());
        }
        let asked = frame.as_ref().map_or(Duration::ZERO, pause);
        self.again(asked, Event::Closed(frame))
    }

    /// Waits for the end of a connection that is being closed; no message can come by it any more.
    async fn finish(&mut self) -> Result<()> {
        let ended = match &mut self.state {
            State::Open { link, .. } => link.recv().await,
            _ => return Ok(()),
        };
        match ended {
            Ok(_) => self.closed(),
            Err(error) => self.lost(error),
        }
    }

    fn left(&mut self) {
        if let State::Open { since, .. } = &self.state {
            self.attempts.left(since.elapsed());
        }
    }

    /// Tells what happened and plans the next attempt, unless there were enough.
    fn again(&mut self, asked: Duration, event: Event) -> Result<()> {
        let random = u64::from_ne_bytes(random::bytes());
        let Some(delay) = self.attempts.again(self.epoch.elapsed(), asked, random) else {
            self.end();
            let (attempts, last) = (self.attempts.count(), Box::new(event));
            return Err(ConnectError::GaveUp { attempts, last }.into());
        };
        self.tell(event);
        self.wait(delay);
        Ok(())
    }

    /// Waits before the attempt that is planned.
    fn wait(&mut self, delay: Duration) {
        let attempt = self.attempts.count();
        self.publish(Slot::Waiting);
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
        self.publish(Slot::Over);
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
