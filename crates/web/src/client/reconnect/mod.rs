//! A client that connects again when its connection is lost.
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

/// A connection that is made again when it is lost.
///
/// Whoever calls [`next`](Self::next) or [`recv`](Self::recv) drives it: there is no task behind it, and between calls
/// nothing happens. Nothing happens before the first call either.
///
/// # What is sent again
/// Nothing. A message whose [`send`](Self::send) returned may be lost on its way, as the browser takes messages for a
/// connection of which it does not know yet that it is gone; it is not sent a second time. What the server has to know of
/// the past, as subscriptions or the last message seen, is for the program to send after [`Event::Connected`].
///
/// # When it gives up
/// When an attempt fails for a reason that will not go away ([`ConnectError::is_transient`], or what
/// [`retry_when`](Self::retry_when) says), when as many attempts failed as [`Backoff`] allows, and when the server closes
/// the connection with a code that says that the same would happen again: see [`reopen_when`](Self::reopen_when).
///
/// A browser hides why there was no connection. So a server that refuses it for good, with 401 or 404, looks like one that is
/// down, and is tried as often as [`Backoff`] allows. A server tells a page by a close code, after the handshake.
///
/// # When it waits longer
/// The hint in a close frame, as servers of `sockeye` give when they stop (`retry after 3.4 s`), and without one 5 seconds for
/// the close codes 1012 (service restart) and 1013 (try again later), are the least wait, cut to [`Backoff::cap`]; the jitter
/// comes on top. What a refusal has in `Retry-After` a page does not learn.
///
/// A browser lets the timers of a hidden page ring late: once a second, or once a minute when the page has been hidden for
/// minutes. Its waits are longer by as much. Firefox lets whoever connects to a server that failed wait for some time more, up
/// to a minute, which counts as [`Client::connect_timeout`]. A wait is 24.8 days at most, as a browser's timers are, and the browser's clock,
/// by which [`Backoff::max_elapsed`] and [`Backoff::reset_after`] go, may stand still while the machine sleeps.
///
/// # Cancel safety
/// Every future of this type may be dropped at any await point: waits and attempts go on where they were with the next
/// call. What each leaves undone is said there.
///
/// # Drop
/// As [`WebSocket`]: the server is told 4006.
pub struct Reconnecting {
    client: Client,
    settings: Settings,
    state: State,
    kept: Kept,
    attempts: Attempts,
    /// The program has begun to close it.
    closing: bool,
    /// Where the senders of a divided one find the connection.
    place: Option<Place>,
}

enum State {
    Idle,
    Waiting(Sleep),
    Connecting(Attempt),
    Open {
        link: Link,
        /// By the [clock](timer::now).
        since: Duration,
    },
    Over,
}

impl Reconnecting {
    /// Connects as the client does, with the default [`Backoff`]; nothing happens before the first call.
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

    /// Waits for what happens next. `None` says that it is over: the connection was [closed](Self::close), or the server
    /// closed it for good, as the [`Event::Closed`] before told.
    ///
    /// # Errors
    /// [`Error::Connect`] when it gives up: with the error of the attempt where that will not go away, else with
    /// [`ConnectError::GaveUp`]. [`Error::Failed`] with a code after which it does not [connect again](Self::reopen_when). It is
    /// over then, and further calls give `None`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
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

    /// Sends a message, once: it is with the browser, whole, when this returns. While there is no connection it waits for
    /// one; the events of that are kept for [`next`](Self::next), the last 40 of them, and so are all messages that had
    /// arrived before the connection ended.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when the connection was given up, as the server took nothing: the next call connects anew.
    /// [`Error::Connect`] and [`Error::Failed`] as [`next`](Self::next), and [`Error::Closed`] when it is over. [`Error::QueueFull`] when the messages
    /// that are kept fill [`Client::receive_queue`]: [`next`](Self::next) gives them, and it can go on then. In all cases the
    /// message was not taken.
    ///
    /// # Cancel safety
    /// If it is dropped, the message was not taken.
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
                // This connection has ended: the message was not taken, and may go by the next one.
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

    /// Drops the connection, as a dropped [`WebSocket`] does, and makes another one at once: for a program that knows that it
    /// is of no more use, as the page was frozen or the machine has another network. A wait or an attempt that is under way
    /// is cut short likewise.
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
                self.kept.push(Event::Lost(Error::Disconnected));
                self.attempts.begin(timer::now());
            }
            State::Idle => self.attempts.begin(timer::now()),
            // The attempt was counted when it was planned.
            State::Waiting(_) | State::Connecting(_) => {}
        }
        self.wait(Duration::ZERO);
    }

    /// The connection while it is open: for the subprotocol, and what else it has. Whoever closes it by this sees another one
    /// made.
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

    /// Keeps what is left of a connection that takes no messages, until its end.
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
            Ok(None) => self.closed()?,
            Err(error) => self.lost(error)?,
        }
        Ok(())
    }

    fn failed(&mut self, error: ConnectError) -> Result<()> {
        if !self.settings.retries(&error) {
            self.end();
            return Err(error.into());
        }
        self.again(Duration::ZERO, Event::Failed(error))
    }

    fn lost(&mut self, error: Error) -> Result<()> {
        self.left();
        let frame = match &error {
            Error::Failed(frame) => Some(frame),
            _ => None,
        };
        if self.closing || frame.is_some_and(|frame| !self.settings.reopens(Some(frame))) {
            self.end();
            return Err(error);
        }
        let asked = frame.map_or(Duration::ZERO, pause);
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
            self.kept.push(Event::Closed(frame));
            self.end();
            return Ok(());
        }
        let asked = frame.as_ref().map_or(Duration::ZERO, pause);
        self.again(asked, Event::Closed(frame))
    }

    fn left(&mut self) {
        if let State::Open { since, .. } = &self.state {
            self.attempts.left(timer::now().saturating_sub(*since));
        }
    }

    /// Tells what happened and plans the next attempt, unless there were enough.
    fn again(&mut self, asked: Duration, event: Event) -> Result<()> {
        let Some(delay) = self.attempts.again(timer::now(), asked, random()) else {
            self.end();
            let (attempts, last) = (self.attempts.count(), Box::new(event));
            return Err(ConnectError::GaveUp { attempts, last }.into());
        };
        self.kept.push(event);
        self.wait(delay);
        Ok(())
    }

    /// Waits before the attempt that is planned.
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

/// Random bits, which spread attempts and protect nothing.
fn random() -> u64 {
    // 53 bits of it; a negative number cannot be.
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
