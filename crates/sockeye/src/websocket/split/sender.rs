use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye_proto::{CloseCode, Kind, Message, Prepared, Utf8Bytes};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::WhenFull;
use super::outbox::{Closed, Driven, Outbox, Refused};
use super::queue::{Content, Entry};
use super::stream::StreamSender;
use crate::error::Result;
use crate::metrics::{self, Reason};
use crate::websocket::MessageWriter;
use crate::websocket::closing::ClosePayload;

/// What a message counts beside its length, in bytes: about its size in memory.
const ENTRY_SIZE: usize = 64;

/// The half that sends: cheap to clone, usable from any task and thread at once.
///
/// Messages are taken in the order of the calls and written by a task of their own, as many at a time as there are: a sender
/// waits for room in the queue only. Pings are answered before messages that wait.
///
/// # Two ends that both send
/// While the queue is full, [`send`](Self::send) waits for the peer to read. If the task that waits there is also the one
/// that receives, and the peer waits likewise, both stand still until
/// [`Config::write_timeout`](crate::Config::write_timeout()). Where both ends may send more than the queues and the transport
/// hold before either reads, await [`Receiver::recv`](super::Receiver::recv) in a task of its own: it never waits for the
/// senders, so that the peer's messages go on to be taken, and the peer goes on to read.
///
/// # Drop
/// When the last of them is dropped, the [`Receiver`](super::Receiver) goes on, and what was taken is still written.
#[derive(Clone)]
pub struct Sender {
    outbox: Arc<Outbox>,
}

/// Why [`Sender::try_send`] did not take a message, which it gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is no room now.
    Full(Message),
    /// The connection is closing or over.
    Closed(Message),
}

/// How many messages were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// By [`WhenFull::DropNewest`], or by [`WhenFull::DropOldest`] when nothing older waited.
    pub newest: u64,
    /// By [`WhenFull::DropOldest`].
    pub oldest: u64,
    /// By [`Sender::send_latest`].
    pub replaced: u64,
    /// Because the connection ended before they were written.
    pub unsent: u64,
}

impl Dropped {
    /// All together.
    pub const fn total(&self) -> u64 {
        self.newest + self.oldest + self.replaced + self.unsent
    }

    pub(super) fn count(&mut self, reason: Reason, messages: u64) {
        *match reason {
            Reason::Newest => &mut self.newest,
            Reason::Oldest => &mut self.oldest,
            Reason::Replaced => &mut self.replaced,
            Reason::Unsent => &mut self.unsent,
        } += messages;
        metrics::count_dropped(reason, messages);
    }
}

impl Sender {
    pub(super) const fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox }
    }

    /// Takes a message to be written. If there is no room, the queue's [`WhenFull`] applies; a message that is dropped by that
    /// is [counted](Self::dropped), and no error.
    ///
    /// Policies other than [`WhenFull::Wait`] apply only when the transport itself takes nothing: until then the call writes
    /// what waits, or lets the runtime look at the transport again, so that a peer that reads loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when the connection is closing or over. After an error ended the connection,
    /// that error, which the [`Receiver`](super::Receiver) is told as well.
    ///
    /// # Cancel safety
    /// If it is dropped while it waits, the message was not taken.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        self.push(message.into().into(), None).await
    }

    /// As [`send`](Self::send), of a prepared message: on a server nothing is encoded or compressed that was so before,
    /// and a frame of 4 KiB or more is written from where it is.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_prepared(&self, prepared: &Prepared) -> Result<()> {
        self.push(prepared.into(), None).await
    }

    /// As [`send`](Self::send), in place of a message with the same key that still waits: for values of which only the
    /// latest is of interest. In a full queue this needs no more room than the message has in whose place it comes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_latest(&self, key: &str, message: impl Into<Message>) -> Result<()> {
        self.push(message.into().into(), Some(key)).await
    }

    /// Takes a message if there is room, whatever the queue's [`WhenFull`]. If there is none, the call first writes what the
    /// transport takes at once.
    ///
    /// # Errors
    /// [`TrySendError`], with the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.try_push(message.into().into())
    }

    /// As [`try_send`](Self::try_send), of a prepared message.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError> {
        self.try_push(prepared.into())
    }

    /// Begins a message that is written as a stream, in fragments of 64 KiB, as [`WebSocket::send_stream`]. There is one at a
    /// time: this waits until the one before is with the transport.
    ///
    /// ```no_run
    /// # use sockeye::Kind;
    /// # async fn example(sender: sockeye::split::Sender, mut file: impl tokio::io::AsyncRead + Unpin) -> sockeye::Result<()> {
    /// let mut message = sender.send_stream(Kind::Binary).await?;
    /// tokio::io::copy(&mut file, &mut message).await?;
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It has its place among the messages from its first fragment on, after 64 KiB or a flush: those that were taken before go
    /// first, and those that are taken later wait in the queue until it is finished, since fragments of one message may not stand
    /// between those of another (RFC 6455 section 5.4). Pings, pongs and close frames pass. Whoever writes it must not wait for
    /// room in the queue before it is finished.
    ///
    /// Beside the [capacity](super::SendQueue::capacity) of the queue, which it does not count in, it takes the memory of three
    /// fragments: two on their way, and one that comes together. It waits when there are more, whatever the queue's
    /// [`WhenFull`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If it is dropped, no message was begun.
    ///
    /// # Drop
    /// As [`MessageWriter`]: a message that is dropped when a part of it was sent closes the connection with 1011, and drops
    /// what waits behind it. So does [`close`](Self::close) with the code that it is given.
    ///
    /// [`WebSocket::send_stream`]: crate::WebSocket::send_stream
    pub async fn send_stream(&self, kind: Kind) -> Result<MessageWriter<'static>> {
        let stream = StreamSender::begin(self.outbox.clone(), kind).await?;
        Ok(MessageWriter::of_half(stream, kind))
    }

    /// Waits until all that was taken so far, by any clone, is with the transport, or was dropped by the queue's [`WhenFull`]. A
    /// message that was [replaced](Self::send_latest) meanwhile is waited for in its place.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when some of it was lost with the connection.
    ///
    /// # Cancel safety
    /// Nothing depends on it.
    pub async fn flush(&self) -> Result<()> {
        self.outbox.flushed().await.map_err(|_| self.outbox.too_late())
    }

    /// Sends a ping, ahead of messages that wait, and waits for its pong. Returns the time between the call and the pong:
    /// the round trip, and before it the time that the transport takes for what is being written.
    ///
    /// The [`Receiver`](super::Receiver) takes the pong, so that [`recv`](super::Receiver::recv) must be awaited meanwhile,
    /// in another task or beside this call. There is no timeout of its own: `tokio::time::timeout` sets one. Any number of
    /// calls may wait at the same time; those for which no ping is on its way yet share one.
    ///
    /// ```no_run
    /// # async fn example(ws: sockeye::WebSocket) -> sockeye::Result<()> {
    /// let (sender, mut receiver) = ws.split();
    /// tokio::spawn(async move { while let Ok(Some(_)) = receiver.recv().await {} });
    /// println!("the peer answers within {:?}", sender.ping().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send), also when the connection ends before the pong arrived.
    ///
    /// # Cancel safety
    /// If it is dropped, the ping is sent all the same, and nobody waits for its pong.
    pub async fn ping(&self) -> Result<Duration> {
        let asked_at = Instant::now();
        let pong = self.outbox.ping().map_err(|Closed| self.outbox.too_late())?;
        let answered_at = pong.await.map_err(|_| self.outbox.too_late())?;
        Ok(answered_at.saturating_duration_since(asked_at))
    }

    /// Begins the closing handshake: the close frame follows what was taken before, however slowly the peer reads that, as
    /// long as it takes some of it within [`Config::write_timeout`](crate::Config::write_timeout()). The
    /// [`Receiver`](super::Receiver) sees the end; if nothing more is received, the transport is dropped
    /// [`Config::close_timeout`](crate::Config::close_timeout()) after the close frame was written. 1005 with an empty reason
    /// sends an empty close frame.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a code that must not be sent or a reason of more than 123 bytes; the
    /// connection then goes on.
    pub fn close(&self, code: impl Into<CloseCode>, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.outbox.close(ClosePayload::new(code, reason)?);
        Ok(())
    }

    /// Whether the connection is closing or over, so that nothing more is taken.
    pub fn is_closed(&self) -> bool {
        self.outbox.is_closing()
    }

    /// How many messages wait to be written.
    pub fn queued(&self) -> usize {
        self.outbox.metrics().0
    }

    /// How many messages were handed to the transport.
    pub fn sent(&self) -> u64 {
        self.outbox.metrics().1
    }

    /// How many messages were dropped.
    pub fn dropped(&self) -> Dropped {
        self.outbox.metrics().2
    }

    fn try_push(&self, content: Content) -> Result<(), TrySendError> {
        let room = self.room_for(&content);
        let refused = match self.outbox.try_reserve(room) {
            Ok(()) => None,
            // Full is for the transport to say: the writer may just not have had its turn.
            Err(Refused::Full) => match self.outbox.drive(room) {
                Driven::Reserved => None,
                Driven::Closed => Some(Refused::Closed),
                Driven::Blocked | Driven::Held | Driven::Contended => Some(Refused::Full),
            },
            closed => closed.err(),
        };
        match refused {
            Some(Refused::Full) => return Err(TrySendError::Full(content.into_message())),
            Some(Refused::Closed) => return Err(TrySendError::Closed(content.into_message())),
            None => {}
        }
        // A clone is a count: what is taken cannot be given back.
        let kept = content.clone();
        self.outbox
            .push(Entry::new(content, room, None))
            .map_err(|_| TrySendError::Closed(kept.into_message()))
    }

    async fn push(&self, content: Content, key: Option<&str>) -> Result<()> {
        let room = self.room_for(&content);
        let mut entry = Entry::new(content, room, key);
        match self.outbox.try_reserve(entry.room) {
            Ok(()) => {}
            Err(Refused::Closed) => return Err(self.outbox.too_late()),
            Err(Refused::Full) => {
                if key.is_some() {
                    match self.outbox.replace(entry) {
                        Ok(()) => return Ok(()),
                        Err(refused) => entry = refused,
                    }
                }
                match self.reserve(entry.room).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(Closed) => return Err(self.outbox.too_late()),
                }
            }
        }
        self.outbox.push(entry).map_err(|Closed| self.outbox.too_late())
    }

    /// Reserves room in a full queue: waits for it, or applies the policy of the queue once the transport takes nothing.
    /// Returns whether there is some.
    async fn reserve(&self, room: u32) -> Result<bool, Closed> {
        let when_full = self.outbox.options.when_full;
        if when_full == WhenFull::Wait {
            return self.wait_for(room).await;
        }
        // That the transport has taken nothing is stale until the runtime has looked at it again, which a yield lets it do.
        let mut looked_again = false;
        let driven = loop {
            match self.outbox.drive(room) {
                Driven::Reserved => return Ok(true),
                Driven::Closed => return Err(Closed),
                driven @ (Driven::Blocked | Driven::Held) if looked_again => break driven,
                driven => looked_again = driven != Driven::Contended,
            }
            yield_now().await;
        };
        if when_full == WhenFull::Disconnect && driven == Driven::Held {
            // The peer is not the one who is slow.
            return self.wait_for(room).await;
        }
        self.overflow(room)
    }

    async fn wait_for(&self, room: u32) -> Result<bool, Closed> {
        self.outbox.capacity.acquire_many(room).await.map_err(|_| Closed)?.forget();
        Ok(true)
    }

    /// Applies the policy of a queue that is full. Returns whether room was reserved by it.
    pub(super) fn overflow(&self, room: u32) -> Result<bool, Closed> {
        match self.outbox.options.when_full {
            WhenFull::Wait => Ok(false),
            WhenFull::DropNewest => self.outbox.drop_newest().map(|()| false),
            WhenFull::DropOldest => loop {
                match self.outbox.try_reserve(room) {
                    Ok(()) => return Ok(true),
                    Err(Refused::Closed) => return Err(Closed),
                    Err(Refused::Full) if self.outbox.drop_oldest()? => {}
                    Err(Refused::Full) => return self.outbox.drop_newest().map(|()| false),
                }
            },
            WhenFull::Disconnect => {
                self.outbox.disconnect();
                Err(Closed)
            }
        }
    }

    #[inline]
    fn room_for(&self, content: &Content) -> u32 {
        let room = u32::try_from(content.len() + ENTRY_SIZE).unwrap_or(u32::MAX);
        room.min(self.outbox.options.capacity)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (queued, sent, dropped) = self.outbox.metrics();
        f.debug_struct("Sender")
            .field("queued", &queued)
            .field("sent", &sent)
            .field("dropped", &dropped)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "there is no room in the send queue",
            Self::Closed(_) => "the connection is closing or over",
        })
    }
}

impl std::error::Error for TrySendError {}
