//! The output buffer of a transport, common to all drivers of a connection.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::{Buf, Bytes};

/// Maximum number of payloads that wait in place; the next one is copied. This bounds the slices of
/// a vectored write, and suffices for one read of the handler server in messages of 16 KiB.
const MAX_PIECES: usize = 32;

/// Maximum number of slices of a vectored write.
pub(crate) const MAX_SLICES: usize = 2 * MAX_PIECES + 1;

/// Minimum length of written data in the buffer, in bytes, from which it is discarded when it is
/// also most of the buffer.
const COMPACT_FROM: usize = 64 * 1024;

/// Maximum capacity of the empty buffer that an idle connection keeps, in bytes: enough for a batch
/// of small messages without an allocation at every wake-up.
const MAX_IDLE_CAPACITY: usize = 1024;

/// Frames in order: headers and short payloads are copied into one buffer, long payloads stay in
/// place.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Headers and short payloads.
    copied: Vec<u8>,
    /// Length of the part of `copied` that was written.
    written: usize,
    /// Long payloads, each with the end of the bytes before it in `copied`.
    pieces: VecDeque<(usize, Piece)>,
    /// Length of the unwritten part of `pieces`, in bytes.
    in_place: usize,
}

/// A payload that was not copied.
#[derive(Debug)]
enum Piece {
    Shared(Bytes),
    /// A payload in the input that is being handled. The input moves with the driver's buffer, so
    /// the payload is identified by its position.
    Input(Range<usize>),
}

impl Output {
    /// Returns the buffer to which the protocol appends.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Returns the number of unwritten bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.copied.len() - self.written + self.in_place
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.copied.len() == self.written && self.pieces.is_empty()
    }

    /// Returns whether all unwritten bytes are in one slice, that of [`Output::front`].
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns the unwritten part of the copied bytes.
    #[inline]
    pub(crate) fn front(&self) -> &[u8] {
        &self.copied[self.written..]
    }

    /// Discards the copied bytes, which must be all that is unwritten.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.copied.clear();
        self.written = 0;
    }

    /// Inserts `earlier` before all other output, without its first `written` bytes, and replaces
    /// `earlier` with an empty buffer.
    pub(crate) fn prepend(&mut self, earlier: &mut Vec<u8>, written: usize) {
        let before = earlier.len();
        earlier.extend_from_slice(self.front());
        for (end, _) in &mut self.pieces {
            *end = *end - self.written + before;
        }
        std::mem::swap(&mut self.copied, earlier);
        self.written = written;
        earlier.clear();
    }

    /// Adds the payload whose header was just appended.
    pub(crate) fn push_shared(&mut self, payload: Bytes) {
        if self.pieces.len() == MAX_PIECES {
            self.copied.extend_from_slice(&payload);
            return;
        }
        self.in_place += payload.len();
        self.pieces.push_back((self.copied.len(), Piece::Shared(payload)));
    }

    /// Adds a payload as [`Output::push_shared`] does, where the payload is in the input at
    /// `range`. [`Output::copy_input`] must be called before the input changes.
    pub(crate) fn push_input(&mut self, range: Range<usize>, payload: &[u8]) {
        if self.pieces.len() == MAX_PIECES {
            self.copied.extend_from_slice(payload);
            return;
        }
        self.in_place += range.len();
        self.pieces.push_back((self.copied.len(), Piece::Input(range)));
    }

    /// Copies the unwritten payloads out of the input.
    pub(crate) fn copy_input(&mut self, input: &[u8]) {
        for (_, piece) in &mut self.pieces {
            if let Piece::Input(range) = piece {
                *piece = Piece::Shared(Bytes::copy_from_slice(&input[range.clone()]));
            }
        }
    }

    /// Returns the unwritten slices, in order and without empty ones: a transport without vectored
    /// writes would write only an empty first slice. `input` holds the payloads of
    /// [`Output::push_input`].
    pub(crate) fn slices<'a, 's>(
        &'a self,
        input: &'a [u8],
        slots: &'s mut [IoSlice<'a>; MAX_SLICES],
    ) -> &'s [IoSlice<'a>] {
        let mut count = 0;
        let mut add = |slice: &'a [u8]| {
            if !slice.is_empty() {
                slots[count] = IoSlice::new(slice);
                count += 1;
            }
        };
        let mut from = self.written;
        for (end, piece) in &self.pieces {
            add(&self.copied[from..*end]);
            add(piece.bytes(input));
            from = *end;
        }
        add(&self.copied[from..]);
        &slots[..count]
    }

    /// Records that the transport accepted the first `written` bytes. Returns whether all output is
    /// written.
    #[inline]
    pub(crate) fn advance(&mut self, written: usize) -> bool {
        if self.pieces.is_empty() && written == self.copied.len() - self.written {
            self.written = 0;
            self.copied.clear();
        } else {
            self.advance_within(written);
        }
        self.is_empty()
    }

    fn advance_within(&mut self, mut written: usize) {
        while let Some((end, piece)) = self.pieces.front_mut() {
            let of_copied = written.min(*end - self.written);
            self.written += of_copied;
            written -= of_copied;
            let of_piece = written.min(piece.len());
            piece.advance(of_piece);
            self.in_place -= of_piece;
            written -= of_piece;
            if self.written < *end || piece.len() > 0 {
                return self.compact();
            }
            self.pieces.pop_front();
        }
        self.written += written;
        if self.written < self.copied.len() {
            return self.compact();
        }
        self.written = 0;
        self.copied.clear();
    }

    /// Releases an empty buffer that is larger than an idle connection may keep.
    #[inline]
    pub(crate) fn shrink(&mut self) {
        if self.copied.capacity() > MAX_IDLE_CAPACITY && self.is_empty() {
            self.copied = Vec::new();
        }
    }

    /// Discards written bytes when they are most of the buffer and worth the move, since with a
    /// slow reader the buffer may never become empty.
    fn compact(&mut self) {
        if self.written < COMPACT_FROM.max(self.copied.len() / 2) {
            return;
        }
        self.copied.drain(..self.written);
        for (end, _) in &mut self.pieces {
            *end -= self.written;
        }
        self.written = 0;
    }
}

impl Piece {
    fn bytes<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Input(range) => &input[range.clone()],
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Shared(bytes) => bytes.len(),
            Self::Input(range) => range.len(),
        }
    }

    fn advance(&mut self, length: usize) {
        match self {
            Self::Shared(bytes) => bytes.advance(length),
            Self::Input(range) => range.start += length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_order_whatever_is_written_at_a_time() {
        let input: Vec<u8> = (0..=255).collect();
        for step in 1..40 {
            let mut output = Output::default();
            let mut expected = Vec::new();
            // More payloads than may wait in place.
            for index in 0..(u8::try_from(MAX_PIECES).unwrap() + 4) {
                let header = vec![index; usize::from(index % 3)];
                output.buffer().extend_from_slice(&header);
                expected.extend_from_slice(&header);
                let at = usize::from(index);
                let payload = &input[at..at + 7];
                expected.extend_from_slice(payload);
                if index % 2 == 0 {
                    output.push_input(at..at + 7, payload);
                } else {
                    output.push_shared(Bytes::copy_from_slice(payload));
                }
            }
            let mut written = Vec::new();
            while !output.is_empty() {
                let mut slots = [IoSlice::new(&[]); MAX_SLICES];
                let rest: Vec<u8> =
                    output.slices(&input, &mut slots).iter().flat_map(|s| s.to_vec()).collect();
                assert_eq!(rest.len(), output.len());
                let length = step.min(rest.len());
                written.extend_from_slice(&rest[..length]);
                output.advance(length);
                if written.len() > 100 {
                    output.copy_input(&input);
                }
            }
            assert_eq!(written, expected, "{step} bytes at a time");
            assert_eq!(output.len(), 0);
        }
    }
}
