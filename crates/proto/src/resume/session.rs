use std::time::Duration;

use bytes::Bytes;

use super::error::{FrameError, ResumeError};
use super::frame::{Attach, EncodedFrame, Frame, Position};
use super::receiving::Receiving;
use super::sending::Sending;
use super::{Limits, Token};

/// One end of a session, without clock, randomness and sockets: bytes of the program and frames of
/// the WebSocket go in and come out.
///
/// ```text
///              connect               welcome, attached
///   Detached ───────────► Opening ──────────────────────► Attached      a client
///      ▲                     │ detach                        │ detach
///      └─────────────────────┴───────────────────────────────┘
///
///                           attach
///   Detached ◄──────────────────────────────────────────► Attached      a server, which begins
///                           detach                                      with `Attached`
/// ```
///
/// From every state, an error leads to the end: [`error`](Self::error) returns it, and one last
/// frame notifies the other end. A session without a WebSocket [expires](Limits::expiry).
///
/// A driver sends each frame of [`poll_transmit`](Self::poll_transmit) as one binary message, and
/// passes each message that arrives to [`handle`](Self::handle). It calls
/// [`detach`](Self::detach) when the WebSocket has ended, and drops frames of a WebSocket that is
/// no longer attached. At [`poll_timeout`](Self::poll_timeout) it calls
/// [`handle_timeout`](Self::handle_timeout) and `poll_transmit`. Times are durations since a moment
/// that the driver chooses once.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    link: Link,
    /// `None` on a client before the server's answer.
    token: Option<Token>,
    /// The number of the last attempt to attach a WebSocket.
    attempt: u32,
    /// A frame that precedes all others on this WebSocket.
    first: Option<Vec<u8>>,
    sending: Sending,
    receiving: Receiving,
    error: Option<ResumeError>,
    /// `true` if the other end is still to be notified of `error`.
    owes_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// There is no WebSocket since this time; `None` before the first one.
    Detached {
        since: Option<Duration>,
    },
    /// The client waits for the server's answer.
    Opening {
        since: Option<Duration>,
    },
    Attached,
}

impl Session {
    /// Creates a client's end, without a WebSocket. A client may write before the session begins.
    pub fn client(limits: Limits) -> Self {
        Self::new(limits, Link::Detached { since: None })
    }

    /// Creates a server's end, with the WebSocket on which [`Frame::Hello`] arrived and the window
    /// of that frame.
    pub fn server(limits: Limits, token: Token, window: u32) -> Self {
        let mut session = Self::new(limits, Link::Attached);
        session.token = Some(token);
        session.sending.set_window(window);
        let expiry = limits.expiry_millis();
        session.first = Some(Frame::Welcome { token, window: limits.window, expiry }.encode());
        session
    }

    fn new(limits: Limits, link: Link) -> Self {
        Self {
            limits,
            link,
            token: None,
            attempt: 0,
            first: None,
            sending: Sending::new(limits.buffer as usize),
            receiving: Receiving::new(limits.window as usize, limits.ack_delay),
            error: None,
            owes_end: false,
        }
    }

    /// Returns the token, once it is known.
    pub const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Returns the error that ended the session.
    pub const fn error(&self) -> Option<ResumeError> {
        self.error
    }

    /// Returns the time for which the session is kept without a WebSocket.
    pub const fn expiry(&self) -> Duration {
        self.limits.expiry
    }

    /// Returns whether a WebSocket is attached, and on a client, whether the server has answered.
    pub fn is_attached(&self) -> bool {
        self.link == Link::Attached
    }

    /// Returns the allocated memory of both buffers, in bytes.
    pub fn memory(&self) -> usize {
        self.sending.memory() + self.receiving.memory()
    }

    /// Takes as many bytes as fit the buffer, and returns their number.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        if self.error.is_some() { 0 } else { self.sending.write(bytes) }
    }

    /// Removes as many bytes from `bytes` as fit the buffer. Many bytes are not copied.
    pub fn write_chunk(&mut self, bytes: &mut Bytes) {
        if self.error.is_none() {
            self.sending.write_chunk(bytes);
        }
    }

    /// Returns how many bytes that were written no WebSocket has taken.
    pub fn unsent(&self) -> u64 {
        self.sending.unsent()
    }

    /// Returns how many bytes [`write`](Self::write) takes.
    pub fn write_capacity(&self) -> usize {
        if self.error.is_some() { 0 } else { self.sending.capacity() }
    }

    /// Ends the local direction.
    pub const fn finish(&mut self) {
        self.sending.finish();
    }

    /// Returns whether the local direction was ended.
    pub const fn is_finished(&self) -> bool {
        self.sending.is_finished()
    }

    /// Returns whether a WebSocket has taken everything that was written.
    pub fn is_sent(&self) -> bool {
        self.error.is_none() && self.sending.is_sent()
    }

    /// Returns whether the other program has read everything that was written.
    pub fn is_acknowledged(&self) -> bool {
        self.error.is_none() && self.sending.is_acked()
    }

    /// Moves received bytes to `into`, and returns their number.
    pub fn read(&mut self, into: &mut [u8], now: Duration) -> usize {
        self.receiving.read(into, now)
    }

    /// Returns the next received bytes, at most `max`; none if there are none. Many bytes are not
    /// copied.
    pub fn read_chunk(&mut self, max: usize, now: Duration) -> Bytes {
        self.receiving.read_chunk(max, now)
    }

    /// Returns whether there are bytes to read.
    pub fn is_readable(&self) -> bool {
        self.receiving.is_readable()
    }

    /// Returns whether the program has read everything up to the end of the other direction.
    pub fn is_read(&self) -> bool {
        self.error.is_none() && self.receiving.is_read()
    }

    /// Drops received bytes from now on, as if the program read them.
    pub fn discard_input(&mut self, now: Duration) {
        self.receiving.discard(now);
    }

    /// Returns whether both programs have read everything and the other end knows: the WebSocket
    /// can be closed. A server should keep the session until its expiry even so, since its last
    /// acknowledgement may be lost with the WebSocket.
    pub fn is_complete(&self) -> bool {
        self.is_finished() && self.is_acknowledged() && self.receiving.is_announced()
    }

    /// Begins to use a new WebSocket, on a client.
    pub fn connect(&mut self) {
        if self.error.is_some() {
            return;
        }
        let since = match self.link {
            Link::Detached { since } | Link::Opening { since } => since,
            Link::Attached => None,
        };
        self.link = Link::Opening { since };
        self.first = Some(match self.token {
            None => Frame::Hello { window: self.limits.window }.encode(),
            Some(token) => {
                self.attempt = self.attempt.saturating_add(1);
                let position = self.receiving.position();
                self.receiving.on_announced();
                Frame::Attach(Attach { token, attempt: self.attempt, position }).encode()
            }
        });
    }

    /// Attaches a WebSocket, on a server, in place of another one if there is one. The driver has
    /// checked the token.
    ///
    /// # Errors
    /// The session's error if it has ended, [`ResumeError::Replaced`] for an attempt that is not
    /// later than the last one, whose frames were delayed, and [`ResumeError::Gap`]. The WebSocket
    /// is not attached, and the driver sends [`Frame::End`] with the reason. Only a gap ends the
    /// session.
    pub fn attach(&mut self, attach: &Attach) -> Result<(), ResumeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if attach.attempt <= self.attempt {
            return Err(ResumeError::Replaced);
        }
        self.attempt = attach.attempt;
        if let Err(error) = self.sending.attach(attach.position) {
            self.fail(error);
            self.owes_end = false;
            return Err(error);
        }
        self.link = Link::Attached;
        self.first = Some(Frame::Attached(self.receiving.position()).encode());
        self.receiving.on_announced();
        Ok(())
    }

    /// Records that the WebSocket has ended.
    pub fn detach(&mut self, now: Duration) {
        self.first = None;
        self.link = match self.link {
            Link::Attached => Link::Detached { since: Some(now) },
            Link::Opening { since } | Link::Detached { since } => Link::Detached { since },
        };
    }

    /// Handles the payload of a binary message.
    ///
    /// # Errors
    /// The error that ends the session, after a frame that notifies the other end unless the error
    /// came from there.
    pub fn handle(&mut self, payload: &[u8], now: Duration) -> Result<(), ResumeError> {
        self.handle_payload(payload, None, now)
    }

    /// Handles the payload of a binary message, of which long data is kept without a copy.
    ///
    /// # Errors
    /// Those of [`handle`](Self::handle).
    pub fn handle_message(&mut self, payload: &Bytes, now: Duration) -> Result<(), ResumeError> {
        self.handle_payload(payload, Some(payload), now)
    }

    fn handle_payload(
        &mut self,
        payload: &[u8],
        message: Option<&Bytes>,
        now: Duration,
    ) -> Result<(), ResumeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let frame = Frame::decode(payload).map_err(ResumeError::from);
        if let Ok(Frame::End(reason)) = frame {
            self.fail(reason.error());
            self.owes_end = false;
            return Err(reason.error());
        }
        let handled = frame.and_then(|frame| self.handle_frame(frame, message, now));
        handled.inspect_err(|&error| self.fail(error))
    }

    /// Ends the session.
    pub fn fail(&mut self, error: ResumeError) {
        if self.error.is_none() {
            self.error = Some(error);
            self.owes_end = true;
            self.first = None;
            self.sending.clear();
            self.receiving.clear();
        }
    }

    /// Returns the next frame to send, if there is a WebSocket.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.poll_frame(now).map(EncodedFrame::concat)
    }

    /// Returns the next frame to send like [`poll_transmit`](Self::poll_transmit), with its data
    /// apart.
    pub fn poll_frame(&mut self, now: Duration) -> Option<EncodedFrame> {
        if let Link::Detached { .. } = self.link {
            return None;
        }
        if let Some(error) = self.error {
            let owed = std::mem::take(&mut self.owes_end);
            return owed.then(|| Frame::End(error.reason()).into());
        }
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        if self.link != Link::Attached {
            return None;
        }
        match self.receiving.poll_ack(now) {
            Some(read) => Some(Frame::Ack { read }.into()),
            None => self.sending.poll_transmit(),
        }
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) or
    /// [`poll_transmit`](Self::poll_transmit) have something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.link {
            _ if self.error.is_some() => None,
            Link::Attached => self.receiving.ack_at(),
            Link::Detached { since } | Link::Opening { since } => {
                Some(since?.saturating_add(self.limits.expiry))
            }
        }
    }

    /// Ends the session if it has expired.
    pub fn handle_timeout(&mut self, now: Duration) {
        let detached = self.link != Link::Attached;
        if detached && self.poll_timeout().is_some_and(|at| at <= now) {
            self.fail(ResumeError::Expired { after: Some(self.limits.expiry) });
        }
    }

    fn handle_frame(
        &mut self,
        frame: Frame<'_>,
        message: Option<&Bytes>,
        now: Duration,
    ) -> Result<(), ResumeError> {
        let is_opening = matches!(self.link, Link::Opening { .. });
        match frame {
            Frame::Welcome { token, window, expiry } if is_opening && self.token.is_none() => {
                self.token = Some(token);
                self.sending.set_window(window);
                self.limits.expiry = Duration::from_millis(expiry.into());
                self.link = Link::Attached;
            }
            Frame::Attached(position) if is_opening && self.token.is_some() => {
                self.on_attached(position)?;
            }
            Frame::Data { offset, data } if self.is_attached() => {
                self.receiving.handle_data(offset, data, message, now)?;
            }
            Frame::Fin { offset } if self.is_attached() => {
                self.receiving.handle_fin(offset, now)?;
            }
            Frame::Ack { read } if self.is_attached() => self.sending.acknowledge(read)?,
            frame => return Err(FrameError::Unexpected { kind: frame.kind() }.into()),
        }
        Ok(())
    }

    fn on_attached(&mut self, position: Position) -> Result<(), ResumeError> {
        self.sending.attach(position)?;
        self.link = Link::Attached;
        Ok(())
    }
}
