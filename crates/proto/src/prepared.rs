//! Messages that are encoded once and sent many times.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::frame::Header;
use crate::message::{Message, MessageRef};

/// From this length on, in bytes, a payload that is sent as it is, is written from where it is. Below, a copy into the
/// output costs less than one more piece of a vectored write.
pub(crate) const IN_PLACE_FROM: usize = 4096;

/// A message that is encoded at most once, and compressed at most once for each level and window, whatever the number of
/// connections that it is sent to. A clone costs a reference count.
///
/// A server's frames are the same on every connection that agreed on the same, so that to send a prepared message is to
/// append ready bytes or, if they are 4 KiB or more, to share them. A client masks every frame with a key of its own
/// (RFC 6455 section 5.3): there it is sent as the message that it was made from.
///
/// It is made by [`Prepared::new`], costs nothing before it is first sent, and keeps what was encoded for as long as some
/// clone of it lives: beside the message itself, a frame for each of the at most 70 pairs of level and window in use.
///
/// # Compression
/// A prepared message is compressed by itself. On a connection with context takeover the compressor then forgets what it
/// has seen, as the peer's window has moved on without it: the next message that is not prepared is compressed from a fresh
/// start (RFC 7692 section 7.1.1 leaves that to the sender).
///
/// ```
/// use sockeye_proto::{Config, Connection, Prepared};
///
/// let prepared = Prepared::new("to all");
/// for mut connection in [Connection::server(&Config::new()), Connection::server(&Config::new())] {
///     let mut out = Vec::new();
///     let rest = connection.send_prepared(&prepared, &mut out)?;
///     assert_eq!((&out[..], rest), (&b"\x81\x06to all"[..], None));
/// }
/// # Ok::<(), sockeye_proto::UsageError>(())
/// ```
#[derive(Clone)]
pub struct Prepared {
    inside: Arc<Inside>,
}

struct Inside {
    message: Message,
    plain: OnceLock<Frame>,
    #[cfg(feature = "deflate")]
    compressed: OnceLock<Box<Compressed>>,
}

/// A frame as it is on the wire.
struct Frame {
    /// The header, and the payload if it is short.
    front: Box<[u8]>,
    payload: Option<Bytes>,
}

/// Frames for each way to compress, in a list that only grows: whoever reads it waits for nobody but whoever compresses.
#[cfg(feature = "deflate")]
struct Compressed {
    key: crate::deflate::Key,
    frame: Frame,
    next: OnceLock<Box<Compressed>>,
}

impl Prepared {
    /// Prepares a message, whose payload is shared and not copied.
    pub fn new(message: impl Into<Message>) -> Self {
        let message = message.into();
        Self {
            inside: Arc::new(Inside {
                message,
                plain: OnceLock::new(),
                #[cfg(feature = "deflate")]
                compressed: OnceLock::new(),
            }),
        }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.inside.message
    }

    /// The message, borrowed.
    pub fn as_ref(&self) -> MessageRef<'_> {
        self.inside.message.as_ref()
    }

    /// The payload's length, in bytes.
    pub fn len(&self) -> usize {
        self.inside.message.len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.inside.message.is_empty()
    }

    /// Appends the frame as it is without compression to `out`, or only the beginning of it, and gives the rest.
    #[inline]
    pub(crate) fn plain(&self, out: &mut Vec<u8>) -> Option<Bytes> {
        let message = &self.inside.message;
        let frame = self.inside.plain.get_or_init(|| {
            let header = Header::new(message.kind().opcode(), message.len() as u64);
            Frame::new(&header, message.clone().into_bytes())
        });
        frame.append(out)
    }

    /// As [`Prepared::plain`], compressed as `deflater` does it.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, deflater: &Deflater, out: &mut Vec<u8>) -> Option<Bytes> {
        let mut place = &self.inside.compressed;
        loop {
            let compressed = place.get_or_init(|| Box::new(self.compress(deflater)));
            if compressed.key == deflater.key() {
                return compressed.frame.append(out);
            }
            place = &compressed.next;
        }
    }

    #[cfg(feature = "deflate")]
    fn compress(&self, deflater: &Deflater) -> Compressed {
        use crate::frame::Reserved;

        let message = &self.inside.message;
        let mut payload = Vec::new();
        deflater.alone().compress(message.as_bytes(), true, &mut payload);
        payload.shrink_to_fit();
        let header = Header::new(message.kind().opcode(), payload.len() as u64);
        let frame = Frame::new(&Header { reserved: Reserved::RSV1, ..header }, payload.into());
        Compressed { key: deflater.key(), frame, next: OnceLock::new() }
    }
}

impl Frame {
    fn new(header: &Header, payload: Bytes) -> Self {
        let mut front = Vec::new();
        header.encode(&mut front);
        if payload.len() >= IN_PLACE_FROM {
            return Self { front: front.into(), payload: Some(payload) };
        }
        front.extend_from_slice(&payload);
        Self { front: front.into(), payload: None }
    }

    #[inline]
    fn append(&self, out: &mut Vec<u8>) -> Option<Bytes> {
        out.extend_from_slice(&self.front);
        self.payload.clone()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("message", &self.inside.message).finish_non_exhaustive()
    }
}
