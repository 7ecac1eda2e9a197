use std::fmt;
use std::mem;

/// Bytes from the transport, from which [`Connection::receive`](crate::Connection::receive) takes
/// the part that it needs for one event. Payloads are unmasked in place.
///
/// A connection that returns no event has taken all of the input: the connection copies the
/// received part of an incomplete frame, so the buffer behind the input is free for another
/// connection.
pub struct Input<'a> {
    bytes: &'a mut [u8],
}

impl<'a> Input<'a> {
    /// Creates an input of all of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// Returns the bytes that were not taken yet.
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Returns the number of bytes that were not taken yet.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether all bytes were taken.
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
