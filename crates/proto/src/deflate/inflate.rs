use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Side, TAIL, pool};
use crate::error::ProtocolError;

/// The most that is decompressed at a time, in bytes: it is zeroed first, and should still be in the cache then.
const MAX_STEP: usize = 64 * 1024;

/// The least, in bytes.
const MIN_STEP: usize = 256;

/// The receiving direction of a connection with permessage-deflate (RFC 7692 section 7.2.2).
///
/// It does not check that the peer keeps to the window that was agreed: the largest is held in any case.
pub struct Inflater {
    no_context_takeover: bool,
    context: Option<Decompress>,
    /// Whether the message stands at the start of a DEFLATE stream or of the message itself: nothing came since
    /// that the tail would have to complete.
    complete: bool,
}

impl Inflater {
    pub(super) fn new(side: Side) -> Self {
        Self { no_context_takeover: side.no_context_takeover, context: None, complete: true }
    }

    /// Appends to `out` what `payload` decompresses to: the payload of a whole message or, in any pieces and from
    /// any number of frames, of its parts. `last` ends the message, and may come with an empty piece.
    ///
    /// `limit` is the most that `out` may come to hold, in bytes; room for more than one byte beyond it is not made.
    /// How the payload is cut has no influence on the result. A message that ends inside a block is taken for as
    /// much as it holds.
    ///
    /// # Errors
    /// [`ProtocolError::MessageTooLong`] when there is more than `limit`, as soon as there is;
    /// [`ProtocolError::InvalidDeflate`] when it is not DEFLATE data. In both cases `out` holds what was good until
    /// then, and the inflater is of no more use.
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

    /// As [`Inflater::inflate`], but adds at most `room` bytes to `out`, and gives how much of `payload` it took: for a
    /// message that is used while it arrives.
    ///
    /// Go on with the rest of the payload, even if there is none, while `room` was used up. A message ends with
    /// [`TAIL`](super::TAIL), unless it [is complete](Self::is_complete), and then [`end`](Self::end).
    ///
    /// # Errors
    /// [`ProtocolError::InvalidDeflate`]; `out` holds what was good until then, and the inflater is of no more use.
    pub(crate) fn inflate_piece(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<usize, ProtocolError> {
        self.step(payload, out, out.len().saturating_add(room))
    }

    /// Whether a message that ends now needs no tail.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The message is over.
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
        // Text becomes three to five times longer. What is longer still gets more at each turn.
        let mut step = input.len().saturating_mul(4).clamp(MIN_STEP, MAX_STEP);
        loop {
            let end = out.len().saturating_add(step).min(limit.saturating_add(1));
            grow(out, end, limit);
            let taken = self.step(input, out, end);
            // Before any other error: whether that is reached by the same call depends on how the input is cut.
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

    /// Decompresses what fits `out` up to `end` bytes in all. Returns how much of the input was taken.
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
            // There is room and input, and nothing can be done: not seen, but it must not become a loop.
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

/// Makes room for `end` bytes in all: a vector by itself would double its room past the limit.
fn grow(out: &mut Vec<u8>, end: usize, limit: usize) {
    if out.capacity() < end {
        let capacity = out.capacity().saturating_mul(2).min(limit.saturating_add(1)).max(end);
        out.reserve_exact(capacity - out.len());
    }
}

/// How far one of the context's counters went on over a slice.
fn difference(before: u64, after: u64) -> usize {
    usize::try_from(after - before).expect("a part of a slice")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEOVER: Side = Side { no_context_takeover: false, max_window_bits: 15 };
    const NO_TAKEOVER: Side = Side { no_context_takeover: true, max_window_bits: 15 };

    /// One message after another, each in two pieces cut at every place.
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
        // Section 7.2.3.2: the window is shared with the message before.
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
    fn a_bomb_is_stopped_at_the_limit_without_room_for_more() {
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
