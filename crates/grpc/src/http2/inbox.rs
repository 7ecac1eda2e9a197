//! A queue of unread bytes.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Length below which a piece is copied, in bytes: beside a slot and a reference of 64 bytes,
/// sharing the piece saves less than keeping alive the buffer that it is a part of costs.
const SHORT: usize = 1024;

/// Length up to which short pieces are merged, in bytes: the longest DATA frame that h2 sends by
/// default.
const PIECE: usize = 16 * 1024;

/// A queue of bytes whose memory is proportional to the number of bytes, not to the number of
/// pieces in which they arrived.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pieces: VecDeque<Bytes>,
    /// The last bytes, merged from short pieces.
    tail: BytesMut,
}

impl Inbox {
    pub(super) fn push(&mut self, piece: Bytes) {
        // A reader that keeps up gets each piece as it arrived.
        let is_short = piece.len() < SHORT && !self.is_empty();
        if !is_short || self.tail.len() + piece.len() > PIECE {
            self.end_tail();
        }
        if is_short {
            self.tail.extend_from_slice(&piece);
        } else {
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.end_tail();
        }
        self.pieces.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tail.is_empty()
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.pieces.push_back(tail.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pieces: impl IntoIterator<Item = Vec<u8>>) -> Inbox {
        let mut inbox = Inbox::default();
        pieces.into_iter().for_each(|piece| inbox.push(piece.into()));
        inbox
    }

    fn drain(mut inbox: Inbox) -> Vec<Bytes> {
        std::iter::from_fn(|| inbox.pop()).collect()
    }

    #[test]
    fn bytes_come_out_in_the_order_in_which_they_went_in() {
        for lengths in [vec![1; 100], vec![1, 5000, 1, 1, 5000, 1], vec![5000; 3], vec![1023; 40]] {
            let pieces: Vec<Vec<u8>> =
                (0_u8..).zip(lengths).map(|(n, length)| vec![n; length]).collect();
            assert_eq!(drain(filled(pieces.clone())).concat(), pieces.concat());
        }
    }

    #[test]
    fn short_pieces_are_put_together() {
        let pieces = drain(filled(vec![vec![7]; 100_000]));
        assert!(pieces.len() <= 2 + 100_000 / PIECE, "{} pieces", pieces.len());
    }

    #[test]
    fn a_piece_that_is_read_at_once_is_not_copied() {
        let mut inbox = Inbox::default();
        let piece = Bytes::from_static(b"short");
        inbox.push(piece.clone());
        assert_eq!(inbox.pop().map(|popped| popped.as_ptr()), Some(piece.as_ptr()));
        assert!(inbox.is_empty());
    }
}
