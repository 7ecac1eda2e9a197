use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Side, TAIL, pool};
use crate::error::ProtocolError;

/// Maximum output of one step, in bytes: the output is zeroed first, and should still be in the
/// cache afterwards.
const MAX_STEP: usize = 64 * 1024;

/// Minimum output of one step, in bytes.
const MIN_STEP: usize = 256;

/// The receiving direction of a connection with permessage-deflate (RFC 7692 section 7.2.2).
///
/// The inflater does not check that the peer respects the agreed window: its own window is always
/// the largest.
pub struct Inflater {
    no_context_takeover: bool,
    context: Option<Decompress>,
    /// Set at the start of a DEFLATE stream or of a message: the tail would have no data to
    /// complete.
    complete: bool,
}

impl Inflater {
    pub(super) fn new(side: Side) -> Self {
        Self { no_context_takeover: side.no_context_takeover, context: None, complete: true }
    }

    /// Appends the decompressed form of `payload` to `out`. `payload` is a whole message, or a
    /// piece of a message, cut at any place and from any number of frames. `last` ends the message,
    /// and may come with an empty piece.
    ///
    /// `limit` is the maximum length of `out`, in bytes; at most one byte of capacity is reserved
    /// beyond it. The result does not depend on how the payload is cut. A message that ends inside
    /// a block yields the data that it contains.
    ///
    /// # Errors
    /// [`ProtocolError::MessageTooLong`] as soon as the output exceeds `limit`;
    /// [`ProtocolError::InvalidDeflate`] when the payload is not DEFLATE data. In both cases `out`
    /// holds the valid output until then, and the inflater must not be used again.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        last: bool,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), ProtocolError> {
        if !payload.is_empty() {
            self.append(payload, out, limit)?;
        }
        if !last {
            return Ok(());
        }
        //= https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2
        //# Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the
        //# payload of the message.
        if !self.is_complete() {
            self.append(&TAIL, out, limit)?;
        }
        self.end();
        Ok(())
    }

    /// Decompresses like [`Inflater::inflate`], but appends at most `max_length` bytes to `out`,
    /// and returns the number of bytes of `payload` that were consumed. Used for a message that is
    /// read while it arrives.
    ///
    /// Call again with the rest of the payload, even if that is empty, as long as `max_length`
    /// bytes were appended. A message ends with [`TAIL`](super::TAIL), unless the inflater
    /// [is complete](Self::is_complete), and then [`end`](Self::end).
    ///
    /// # Errors
    /// [`ProtocolError::InvalidDeflate`]; `out` holds the valid output until then, and the inflater
    /// must not be used again.
    pub(crate) fn inflate_piece(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
        max_length: usize,
    ) -> Result<usize, ProtocolError> {
        self.step(payload, out, out.len().saturating_add(max_length))
    }

    /// Returns whether a message that ends now needs no tail.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Ends the message.
    pub(crate) fn end(&mut self) {
        self.complete = true;
        if self.no_context_takeover {
            self.release();
        }
    }

    fn append(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), ProtocolError> {
        if out.len() > limit {
            return Err(ProtocolError::MessageTooLong { limit });
        }
        // Text becomes three to five times longer. For higher ratios the step doubles at each turn.
        let mut step = input.len().saturating_mul(4).clamp(MIN_STEP, MAX_STEP);
        loop {
            let end = out.len().saturating_add(step).min(limit.saturating_add(1));
            grow(out, end, limit);
            let taken = self.step(input, out, end);
            // Checked before any other error: whether the same call reaches that error depends on
            // how the input is cut.
            if out.len() > limit {
                return Err(ProtocolError::MessageTooLong { limit });
            }
            input = &input[taken?..];
            if out.len() == end {
                step = (step * 2).min(MAX_STEP);
            } else if input.is_empty() {
                return Ok(());
            }
        }
    }

    /// Decompresses into `out` up to a length of `end` bytes in all. Returns the number of input
    /// bytes consumed.
    #[inline]
    fn step(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        end: usize,
    ) -> Result<usize, ProtocolError> {
        let context = self.context.get_or_insert_with(pool::take_decompressor);
        let start = out.len();
        out.resize(end, 0);
        let before = (context.total_in(), context.total_out());
        let result = context.decompress(input, &mut out[start..], FlushDecompress::None);
        let taken = difference(before.0, context.total_in());
        let made = difference(before.1, context.total_out());
        out.truncate(start + made);
        let status = result.map_err(|_| ProtocolError::InvalidDeflate)?;
        if status == Status::StreamEnd {
            // Section 7.2.3.4: a block with BFINAL ends a stream, not the message.
            context.reset(false);
            self.complete = true;
        } else if taken > 0 || made > 0 {
            self.complete = false;
        } else if !input.is_empty() {
            // No progress in spite of input and capacity: never observed, but it must not become a
            // loop.
            return Err(ProtocolError::InvalidDeflate);
        }
        Ok(taken)
    }

    fn release(&mut self) {
        if let Some(context) = self.context.take() {
            pool::give_decompressor(context);
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("no_context_takeover", &self.no_context_takeover)
            .field("holds_context", &self.context.is_some())
            .finish_non_exhaustive()
    }
}

/// Reserves capacity for `end` bytes in all: a vector by itself would double its capacity past the
/// limit.
fn grow(out: &mut Vec<u8>, end: usize, limit: usize) {
    if out.capacity() < end {
        let capacity = out.capacity().saturating_mul(2).min(limit.saturating_add(1)).max(end);
        out.reserve_exact(capacity - out.len());
    }
}

/// Returns by how much one of the context's counters advanced over a slice.
fn difference(before: u64, after: u64) -> usize {
    usize::try_from(after - before).expect("a part of a slice")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEOVER: Side = Side { no_context_takeover: false, max_window_bits: 15 };
    const NO_TAKEOVER: Side = Side { no_context_takeover: true, max_window_bits: 15 };

    /// Inflates the messages in turn, each in two pieces, and asserts equal results for every cut.
    fn inflated(
        side: Side,
        messages: &[&[u8]],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let longest = messages.iter().map(|message| message.len()).max().unwrap_or(0);
        let mut results = (0..=longest).map(|at| {
            let mut inflater = Inflater::new(side);
            let one = |message: &&[u8]| {
                let (head, tail) = message.split_at(at.min(message.len()));
                let mut out = Vec::new();
                inflater.inflate(head, false, &mut out, limit)?;
                inflater.inflate(tail, true, &mut out, limit)?;
                Ok(out)
            };
            messages.iter().map(one).collect()
        });
        let first = results.next().unwrap();
        for result in results {
            assert_eq!(result, first);
        }
        first
    }

    fn hello(side: Side, messages: &[&[u8]]) {
        let expected = messages.iter().map(|_| b"Hello".to_vec()).collect();
        assert_eq!(inflated(side, messages, 5), Ok(expected));
    }

    #[test]
    fn the_examples_of_the_rfc_inflate() {
        // Section 7.2.3.1: one block.
        hello(NO_TAKEOVER, &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]]);
        // Section 7.2.3.2: the window still holds the previous message.
        hello(
            TAKEOVER,
            &[
                &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
                &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
                &[0xf2, 0x00, 0x11, 0x00, 0x00],
            ],
        );
        // Section 7.2.3.3: a block without compression.
        let stored: &[u8] = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        hello(TAKEOVER, &[stored, stored]);
        // Section 7.2.3.4: a block with BFINAL.
        let last: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        hello(TAKEOVER, &[last, last]);
        hello(NO_TAKEOVER, &[last, last]);
        // Section 7.2.3.5: two blocks.
        let two: &[u8] =
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        hello(TAKEOVER, &[two, two]);
        // Section 7.2.3.6: an empty message.
        assert_eq!(inflated(TAKEOVER, &[&[0x00]], 0), Ok(vec![vec![]]));
    }

    #[test]
    fn data_after_a_block_with_bfinal_belongs_to_the_message() {
        let blocks =
            [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let expected = Ok(vec![b"HelloHello".to_vec(); 2]);
        assert_eq!(inflated(TAKEOVER, &[&blocks, &blocks], 10), expected);
    }

    #[test]
    fn a_message_without_anything_after_bfinal_is_complete() {
        let bare: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        hello(TAKEOVER, &[bare, bare]);
        hello(NO_TAKEOVER, &[bare, bare]);
        assert_eq!(inflated(TAKEOVER, &[&[], &[]], 0), Ok(vec![vec![], vec![]]));
    }

    #[test]
    fn without_takeover_nothing_can_be_referred_to() {
        let messages: [&[u8]; 2] =
            [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00]];
        let refused = Err(ProtocolError::InvalidDeflate);
        assert_eq!(inflated(NO_TAKEOVER, &messages, 5), refused);
    }

    #[test]
    fn what_is_not_deflate_data_is_refused() {
        for garbage in [
            // A reserved block type.
            &[0x06][..],
            // A stored block whose two lengths do not agree.
            &[0x00, 0x05, 0x00, 0x05, 0x00, 0x48],
            // A distance before the beginning.
            &[0x4b, 0x04, 0x12, 0x00],
            b"\xff\xff\xff\xff",
        ] {
            let refused = Err(ProtocolError::InvalidDeflate);
            assert_eq!(inflated(TAKEOVER, &[garbage], 100), refused, "{garbage:x?}");
        }
    }

    #[test]
    fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
        let message: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        for limit in 0..5 {
            let refused = Err(ProtocolError::MessageTooLong { limit });
            assert_eq!(inflated(TAKEOVER, &[message], limit), refused);
        }
        for limit in [5, 6, usize::MAX] {
            assert_eq!(inflated(TAKEOVER, &[message], limit), Ok(vec![b"Hello".to_vec()]));
        }
    }

    #[test]
    fn too_long_comes_before_what_is_wrong_after_it() {
        let message: &[u8] = &[0x5b, 0x44, 0xfe, 0xff, 0xff, 0xff, 0x2b];
        let refused = Err(ProtocolError::MessageTooLong { limit: 0 });
        assert_eq!(inflated(TAKEOVER, &[message], 0), refused);
        let refused = Err(ProtocolError::InvalidDeflate);
        assert_eq!(inflated(TAKEOVER, &[message], 1), refused);
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit_without_capacity_for_more() {
        let mut bomb = Vec::new();
        let zeros = vec![0; 1 << 24];
        let side = TAKEOVER;
        super::super::Deflater::new(&super::super::Deflate::new(), side)
            .compress(&zeros, true, &mut bomb);
        assert!(bomb.len() < 1 << 18, "{}", bomb.len());
        for limit in [0, 1, 1000, 65_535, 65_536, 1 << 20, (1 << 20) + 1, (1 << 24) - 1] {
            let mut out = Vec::new();
            let result = Inflater::new(side).inflate(&bomb, true, &mut out, limit);
            assert_eq!(result, Err(ProtocolError::MessageTooLong { limit }));
            assert_eq!(out.len(), limit + 1);
            assert!(out.capacity() <= limit + 64, "{} for {limit}", out.capacity());
        }
        let mut out = Vec::new();
        Inflater::new(side).inflate(&bomb, true, &mut out, 1 << 24).unwrap();
        assert_eq!(out, zeros);
    }
}
