//! Messages that are encoded once and sent many times.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::frame::Header;
use crate::message::{Message, MessageRef};

/// Length, in bytes, from which on an unchanged payload is written from its own buffer. Below it, a
/// copy into the output costs less than another slice of a vectored write.
pub(crate) const IN_PLACE_FROM: usize = 4096;

/// A message that is encoded at most once, and compressed at most once for each level and window,
/// however many connections it is sent to. A clone costs a reference count.
///
/// A server's frames are the same on every connection with the same agreement, so sending a
/// prepared message appends encoded bytes or, from 4 KiB on, shares them. A client masks every
/// frame with a fresh key (RFC 6455 section 5.3), and therefore sends the original message.
///
/// [`Prepared::new`] creates a prepared message, which costs nothing before it is first sent, and
/// keeps its encoded frames as long as a clone lives: beside the message itself, a frame for each
/// of the at most 70 pairs of level and window in use.
///
/// # Compression
/// A prepared message is compressed by itself. On a connection with context takeover, sending a
/// prepared message resets the compressor, because the peer's window then holds data that the
/// compressor has not seen: the next message that is not prepared is compressed without context
/// (RFC 7692 section 7.1.1 leaves that to the sender).
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
    inner: Arc<Inner>,
}

struct Inner {
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

/// The frame for one level and window, in a list that only grows: a reader waits only for a writer
/// that is compressing.
#[cfg(feature = "deflate")]
struct Compressed {
    key: crate::deflate::CompressorKey,
    frame: Frame,
    next: OnceLock<Box<Compressed>>,
}

impl Prepared {
    /// Creates a prepared message, whose payload is shared and not copied.
    pub fn new(message: impl Into<Message>) -> Self {
        let message = message.into();
        Self {
            inner: Arc::new(Inner {
                message,
                plain: OnceLock::new(),
                #[cfg(feature = "deflate")]
                compressed: OnceLock::new(),
            }),
        }
    }

    /// Returns the message.
    pub fn message(&self) -> &Message {
        &self.inner.message
    }

    /// Returns the message, borrowed.
    pub fn as_ref(&self) -> MessageRef<'_> {
        self.inner.message.as_ref()
    }

    /// Returns the payload's length, in bytes.
    pub fn len(&self) -> usize {
        self.inner.message.len()
    }

    /// Returns whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.inner.message.is_empty()
    }

    /// Appends the uncompressed frame to `out`, or only its beginning, and returns the rest.
    #[inline]
    pub(crate) fn plain(&self, out: &mut Vec<u8>) -> Option<Bytes> {
        let message = &self.inner.message;
        let frame = self.inner.plain.get_or_init(|| {
            let header = Header::new(message.kind().opcode(), message.len() as u64);
            Frame::new(&header, message.clone().into_bytes())
        });
        frame.append(out)
    }

    /// Appends the frame like [`Prepared::plain`], compressed with the level and window of
    /// `deflater`.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, deflater: &Deflater, out: &mut Vec<u8>) -> Option<Bytes> {
        let mut entry = &self.inner.compressed;
        loop {
            let compressed = entry.get_or_init(|| Box::new(self.compress(deflater)));
            if compressed.key == deflater.key() {
                return compressed.frame.append(out);
            }
            entry = &compressed.next;
        }
    }

    #[cfg(feature = "deflate")]
    fn compress(&self, deflater: &Deflater) -> Compressed {
        use crate::frame::Reserved;

        let message = &self.inner.message;
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
        f.debug_struct("Prepared").field("message", &self.inner.message).finish_non_exhaustive()
    }
}
