use std::fmt;
use std::mem;

/// Bytes from the transport, of which [`Connection::receive`](crate::Connection::receive) takes the part that it
/// needs for one event. Payloads are unmasked in place.
///
/// A connection that has no more event to give has taken all of it: what is left of a frame that has not fully
/// arrived is kept by the connection, so that the buffer behind it is free for another connection.
pub struct Input<'a> {
    bytes: &'a mut [u8],
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// What was not taken yet.
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The number of bytes not taken yet.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all was taken.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes the first `length` bytes, or all if there are fewer.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> &'a mut [u8] {
        let bytes = mem::take(&mut self.bytes);
        let (taken, rest) = bytes.split_at_mut(length.min(bytes.len()));
        self.bytes = rest;
        taken
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.len()).finish()
    }
}
