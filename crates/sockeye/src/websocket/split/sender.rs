use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye_proto::{CloseCode, Kind, Message, Prepared, Utf8Bytes};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::outbox::{Closed, Outbox, Refused, WriteOutcome};
use super::queue::{Content, Entry};
use super::stream::StreamSender;
use super::{Dropped, WhenFull};
use crate::close_payload::ClosePayload;
use crate::error::Result;
use crate::websocket::MessageWriter;

/// Size that a message counts in addition to its length, in bytes: about its size in memory.
const ENTRY_SIZE: usize = 64;

/// The sending half: cheap to clone, usable from any task and thread at once.
///
/// Messages are queued in the order of the calls, and a separate task writes as many at a time as
/// there are: a sender waits for queue capacity only. Pings are answered ahead of queued messages.
///
/// # Two ends that both send
/// While the queue is full, [`send`](Self::send) waits for the peer to read. If the waiting task is
/// also the one that receives, and the peer waits likewise, neither makes progress until
/// [`Config::write_timeout`](crate::Config::write_timeout()). If both ends may send more than the
/// queues and the transport hold before either reads, await
/// [`Receiver::recv`](super::Receiver::recv) in a separate task: `recv` never waits for the
/// senders, so that the peer's messages are still received, and the peer continues to read.
///
/// # Drop
/// When the last sender is dropped, the [`Receiver`](super::Receiver) remains usable, and queued
/// messages are still written.
#[derive(Clone)]
pub struct Sender {
    outbox: Arc<Outbox>,
}

/// The reason why a message was not queued, with the message where the call took it:
/// [`Sender::try_send`] gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T = Message> {
    /// The queue has no capacity for the message at present.
    Full(T),
    /// The closing handshake has begun, or the connection is over.
    Closed(T),
}

impl<T> TrySendError<T> {
    fn map<U>(self, value: impl FnOnce(T) -> U) -> TrySendError<U> {
        match self {
            Self::Full(given) => TrySendError::Full(value(given)),
            Self::Closed(given) => TrySendError::Closed(value(given)),
        }
    }
}

impl Sender {
    pub(super) const fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox }
    }

    /// Queues a message to be written. If the queue is full, its [`WhenFull`] policy applies; a
    /// message that the policy drops is [counted](Self::dropped), and is no error.
    ///
    /// Policies other than [`WhenFull::Wait`] apply only when the transport itself takes nothing:
    /// until then the call writes queued messages, or lets the runtime poll the transport again, so
    /// that a peer that reads loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when the connection is closing or over. After an
    /// error ended the connection, that error, which the [`Receiver`](super::Receiver) returns as
    /// well.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits, the message was not queued.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        self.push(message.into().into(), None).await
    }

    /// Sends a prepared message like [`send`](Self::send), except that a server reuses what was
    /// encoded or compressed before, and writes a frame of 4 KiB or more without a copy.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Same as [`send`](Self::send).
    pub async fn send_prepared(&self, prepared: &Prepared) -> Result<()> {
        self.push(prepared.into(), None).await
    }

    /// Sends a message like [`send`](Self::send), in place of a queued message with the same key:
    /// for values of which only the latest is of interest. In a full queue, the capacity of the
    /// replaced message is enough.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Same as [`send`](Self::send).
    pub async fn send_latest(&self, key: &str, message: impl Into<Message>) -> Result<()> {
        self.push(message.into().into(), Some(key)).await
    }

    /// Queues a message if it fits, whatever the queue's [`WhenFull`]. If the queue is full, the
    /// call first writes as much as the transport takes at once.
    ///
    /// # Errors
    /// [`TrySendError`], with the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.try_push(message.into().into()).map_err(|error| error.map(Content::into_message))
    }

    /// Queues a prepared message like [`try_send`](Self::try_send).
    ///
    /// # Errors
    /// [`TrySendError`].
    pub fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>> {
        let bytes = self.bytes_for(prepared.len());
        self.try_reserve(bytes)?;
        let entry = Entry::new(prepared.into(), bytes, None);
        self.outbox.push(entry).map_err(|Closed| TrySendError::Closed(()))
    }

    /// Waits until [`try_send_prepared`](Self::try_send_prepared) may take a message of `length`
    /// bytes, or the connection is closing. Others may use the capacity up meanwhile.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time, and has no effect on others that wait.
    pub async fn wait_for_capacity(&self, length: usize) {
        self.outbox.wait_for_capacity(self.bytes_for(length)).await;
    }

    /// Begins a message that is written as a stream, in fragments of 64 KiB, like
    /// [`WebSocket::send_stream`]. Only one such message is sent at a time: the call waits until
    /// the previous one is written to the transport.
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
    /// The message takes its place in the queue with its first fragment, after 64 KiB or a flush:
    /// messages queued before are written first, and messages queued later wait until this one is
    /// finished, since fragments of one message may not stand between those of another (RFC 6455
    /// section 5.4). Pings, pongs and close frames pass. The task that writes the message must not
    /// wait for queue capacity before the message is finished.
    ///
    /// The message does not count against the [capacity](super::SendQueue::capacity) of the queue,
    /// but takes the memory of three fragments: two on their way, and one being gathered. Writing
    /// waits when there are more, whatever the queue's [`WhenFull`].
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped, no message was begun.
    ///
    /// # Drop
    /// See [`MessageWriter`]: dropping it when a part of the message was sent closes the connection
    /// with 1011, and drops the messages queued behind it. [`close`](Self::close) does the same
    /// with the given code.
    ///
    /// [`WebSocket::send_stream`]: crate::WebSocket::send_stream
    pub async fn send_stream(&self, kind: Kind) -> Result<MessageWriter<'static>> {
        let stream = StreamSender::begin(self.outbox.clone(), kind).await?;
        Ok(MessageWriter::of_split(stream, kind))
    }

    /// Waits until all messages queued so far, by any clone, are written to the transport, or
    /// dropped by the queue's [`WhenFull`]. If a message was [replaced](Self::send_latest)
    /// meanwhile, this waits for its replacement.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when some of the messages were lost with the
    /// connection.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the messages.
    pub async fn flush(&self) -> Result<()> {
        self.outbox.flush().await.map_err(|_| self.outbox.send_error())
    }

    /// Sends a ping ahead of queued messages, and waits for its pong. Returns the time between the
    /// call and the pong: the round trip, preceded by the time that the transport takes for output
    /// being written.
    ///
    /// The [`Receiver`](super::Receiver) handles the pong, so that [`recv`](super::Receiver::recv)
    /// must be awaited meanwhile, in another task or concurrently with this call. There is no
    /// built-in timeout: `tokio::time::timeout` sets one. Any number of calls may wait at the same
    /// time; those whose ping is not on its way yet share one.
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
    /// Same as [`send`](Self::send), also when the connection ends before the pong arrives.
    ///
    /// # Cancel safety
    /// If the future is dropped, the ping is sent all the same, and its pong is ignored.
    pub async fn ping(&self) -> Result<Duration> {
        let requested_at = Instant::now();
        let pong = self.outbox.ping().map_err(|Closed| self.outbox.send_error())?;
        let answered_at = pong.await.map_err(|_| self.outbox.send_error())?;
        Ok(answered_at.saturating_duration_since(requested_at))
    }

    /// Begins the closing handshake: the close frame follows the messages queued before, however
    /// slowly the peer reads them, as long as the peer takes some output within
    /// [`Config::write_timeout`](crate::Config::write_timeout()). The [`Receiver`](super::Receiver)
    /// observes the end; if nothing more is received, the transport is dropped
    /// [`Config::close_timeout`](crate::Config::close_timeout()) after the close frame was written.
    /// 1005 with an empty reason sends an empty close frame.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a code that must not be sent or a reason of more
    /// than 123 bytes; the connection is then still open.
    pub fn close(&self, code: impl Into<CloseCode>, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.close_with(ClosePayload::new(code, reason)?);
        Ok(())
    }

    pub(crate) fn close_with(&self, payload: ClosePayload) {
        self.outbox.close(payload);
    }

    /// Drops the connection without a closing handshake, and discards queued messages and output
    /// that is not yet with the system; the peer sees 1006. Over plain TCP the connection is reset,
    /// so that the system discards its output as well. Does nothing once the connection is over.
    ///
    /// The [`Receiver`](super::Receiver) reads no more: it returns the messages that it has read,
    /// then [`Error::Closed`](crate::Error::Closed), and releases the transport then or when it is
    /// dropped.
    pub fn abort(&self) {
        self.outbox.abort();
    }

    /// Returns whether the connection is closing or over, so that no more messages are taken.
    pub fn is_closed(&self) -> bool {
        self.outbox.is_closing()
    }

    /// Returns the number of messages that wait to be written.
    pub fn queued(&self) -> usize {
        self.outbox.metrics().0
    }

    /// Returns the number of messages written to the transport.
    pub fn sent(&self) -> u64 {
        self.outbox.metrics().1
    }

    /// Returns the numbers of dropped messages, by reason.
    pub fn dropped(&self) -> Dropped {
        self.outbox.metrics().2
    }

    fn try_push(&self, content: Content) -> Result<(), TrySendError<Content>> {
        let bytes = self.bytes_of(&content);
        match self.try_reserve(bytes) {
            Err(TrySendError::Full(())) => return Err(TrySendError::Full(content)),
            Err(TrySendError::Closed(())) => return Err(TrySendError::Closed(content)),
            Ok(()) => {}
        }
        // A clone only increments a reference count, and `push` does not return the message.
        let kept = content.clone();
        self.outbox
            .push(Entry::new(content, bytes, None))
            .map_err(|Closed| TrySendError::Closed(kept))
    }

    /// Reserves capacity without waiting, if need be by writing.
    #[inline]
    fn try_reserve(&self, bytes: u32) -> Result<(), TrySendError<()>> {
        match self.outbox.try_reserve(bytes) {
            Ok(()) => Ok(()),
            // A full queue may only mean that the writer task has not run: the transport decides.
            Err(Refused::Full) => match self.outbox.drive(bytes) {
                WriteOutcome::Reserved => Ok(()),
                WriteOutcome::Closed => Err(TrySendError::Closed(())),
                WriteOutcome::Blocked | WriteOutcome::Held | WriteOutcome::Contended => {
                    Err(TrySendError::Full(()))
                }
            },
            Err(Refused::Closed) => Err(TrySendError::Closed(())),
        }
    }

    async fn push(&self, content: Content, key: Option<&str>) -> Result<()> {
        let bytes = self.bytes_of(&content);
        let mut entry = Entry::new(content, bytes, key);
        match self.outbox.try_reserve(entry.bytes) {
            Ok(()) => {}
            Err(Refused::Closed) => return Err(self.outbox.send_error()),
            Err(Refused::Full) => {
                if key.is_some() {
                    match self.outbox.replace(entry) {
                        Ok(()) => return Ok(()),
                        Err(refused) => entry = refused,
                    }
                }
                match self.reserve(entry.bytes).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(Closed) => return Err(self.outbox.send_error()),
                }
            }
        }
        self.outbox.push(entry).map_err(|Closed| self.outbox.send_error())
    }

    /// Reserves capacity in a full queue: waits for it, or applies the queue's policy once the
    /// transport takes nothing. Returns whether capacity was reserved.
    async fn reserve(&self, bytes: u32) -> Result<bool, Closed> {
        let when_full = self.outbox.options.when_full;
        if when_full == WhenFull::Wait {
            return self.outbox.reserve(bytes).await.map(|()| true);
        }
        // A blocked transport is stale knowledge until the runtime has polled it again, which a
        // yield allows.
        let mut retried = false;
        let driven = loop {
            match self.outbox.drive(bytes) {
                WriteOutcome::Reserved => return Ok(true),
                WriteOutcome::Closed => return Err(Closed),
                driven @ (WriteOutcome::Blocked | WriteOutcome::Held) if retried => {
                    break driven;
                }
                driven => retried = driven != WriteOutcome::Contended,
            }
            yield_now().await;
        };
        if when_full == WhenFull::Disconnect && driven == WriteOutcome::Held {
            // Another sender holds up the queue, not the peer.
            return self.outbox.reserve(bytes).await.map(|()| true);
        }
        self.overflow(bytes)
    }

    /// Applies the policy of a full queue. Returns whether the policy reserved capacity.
    pub(super) fn overflow(&self, bytes: u32) -> Result<bool, Closed> {
        match self.outbox.options.when_full {
            WhenFull::Wait => Ok(false),
            WhenFull::DropNewest => self.outbox.drop_newest().map(|()| false),
            WhenFull::DropOldest => loop {
                match self.outbox.try_reserve(bytes) {
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
    fn bytes_of(&self, content: &Content) -> u32 {
        self.bytes_for(content.len())
    }

    /// Returns the capacity that a message of `length` bytes takes.
    #[inline]
    fn bytes_for(&self, length: usize) -> u32 {
        let bytes = u32::try_from(length.saturating_add(ENTRY_SIZE)).unwrap_or(u32::MAX);
        bytes.min(self.outbox.options.capacity)
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

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the send queue is full",
            Self::Closed(_) => "the connection is closed",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for TrySendError<T> {}
