use std::fmt;
use std::mem;

use flate2::{Compress, FlushCompress};

use super::pool::{self, CompressorKey};
use super::{Deflate, Side, TAIL};

/// Capacity that is reserved at a time, in bytes: enough for all of a usual message, and little
/// enough that a long message which compresses well does not reserve its own length.
const STEP: usize = 64 * 1024;

/// Capacity below which more is reserved, in bytes: zlib repeats its flush marker when there is no
/// capacity for the 5 bytes of one.
const MIN_CAPACITY: usize = 16;

/// The sending direction of a connection with permessage-deflate (RFC 7692 section 7.2.1).
pub struct Deflater {
    key: CompressorKey,
    no_context_takeover: bool,
    threshold: usize,
    context: Option<Compress>,
    /// Set when the context must be reset before its next use.
    stale: bool,
}

impl Deflater {
    pub(super) fn new(config: &Deflate, side: Side) -> Self {
        // zlib has no window of 256 bytes. In one of 512 bytes it refers back 250 bytes at most,
        // because it keeps 262 bytes (its longest match and some more) out of reach. That fits the
        // smaller window, and a test verifies it.
        let window_bits = side.max_window_bits.max(9);
        Self {
            key: CompressorKey { level: config.level, window_bits },
            no_context_takeover: side.no_context_takeover,
            threshold: config.threshold,
            context: None,
            stale: false,
        }
    }

    /// Returns the settings that, together with the input, determine the output.
    pub(crate) const fn key(&self) -> CompressorKey {
        self.key
    }

    /// Returns a compressor of the same settings that compresses each message independently.
    pub(crate) const fn alone(&self) -> Self {
        Self { key: self.key, no_context_takeover: true, threshold: 0, context: None, stale: false }
    }

    /// Returns whether a message of this length, in bytes, should be compressed.
    #[inline]
    pub const fn is_worthwhile(&self, length: usize) -> bool {
        length >= self.threshold
    }

    /// Appends the compressed form of `payload` to `out`. `payload` is a whole message, or one
    /// fragment of a message; `last` ends the message.
    ///
    /// A peer can decompress all input so far from all output so far. An empty fragment before the
    /// last one becomes an empty frame.
    pub fn compress(&mut self, payload: &[u8], last: bool, out: &mut Vec<u8>) {
        if payload.is_empty() {
            // Section 7.2.3.6: the header of an empty block, whose rest is the tail that is not
            // sent. The header is valid after any fragment as well, because each fragment ends with
            // a whole block. No context is needed for it.
            if last {
                out.push(0x00);
                self.end();
            }
            return;
        }
        self.append(payload, out);
        if last {
            //= https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1
            //# Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end.
            debug_assert!(out.ends_with(&TAIL), "a sync flush ends with an empty stored block");
            out.truncate(out.len() - TAIL.len());
            self.end();
        }
    }

    /// Returns the context to the pool between two messages, for an idle connection. Later messages
    /// do not refer to earlier ones then, and the peer need not know. Within a message this is
    /// harmless: the rest of the message is compressed with a fresh context.
    pub fn release(&mut self) {
        self.stale = false;
        if let Some(context) = self.context.take() {
            pool::give_compressor(self.key, context);
        }
    }

    /// Resets the context before its next use, so that later messages do not refer to earlier ones:
    /// a message that was compressed elsewhere has moved the peer's window past them. The caller
    /// must be between two messages. Unlike [`release`](Self::release), `reset_context` keeps the
    /// context, and costs nothing until its next use.
    pub(crate) const fn reset_context(&mut self) {
        self.stale = self.context.is_some();
    }

    fn append(&mut self, mut payload: &[u8], out: &mut Vec<u8>) {
        let context = self.context.get_or_insert_with(|| pool::take_compressor(self.key));
        if mem::take(&mut self.stale) {
            context.reset();
        }
        // Incompressible data becomes an eighth longer at level 1, and hardly longer at others.
        let mut capacity = (payload.len() + payload.len() / 8 + MIN_CAPACITY).min(STEP);
        loop {
            if out.capacity() - out.len() < capacity.max(MIN_CAPACITY) {
                out.reserve(capacity.max(MIN_CAPACITY));
            }
            capacity = STEP.min(payload.len());
            let before = context.total_in();
            context.compress_vec(payload, out, FlushCompress::Sync).expect(
                "a context from the pool is consistent, and only an inconsistent one fails",
            );
            let taken = context.total_in() - before;
            payload = &payload[usize::try_from(taken).expect("a part of the payload")..];
            // zlib indicates that it has flushed everything by leaving capacity unused.
            if payload.is_empty() && out.len() < out.capacity() {
                return;
            }
        }
    }

    fn end(&mut self) {
        if self.no_context_takeover {
            self.release();
        }
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("key", &self.key)
            .field("no_context_takeover", &self.no_context_takeover)
            .field("threshold", &self.threshold)
            .field("holds_context", &self.context.is_some())
            .field("stale", &self.stale)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deflate::Inflater;

    fn deflater(level: u8, side: Side) -> Deflater {
        Deflater::new(&Deflate::new().level(level).unwrap(), side)
    }

    fn compressed(deflater: &mut Deflater, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        deflater.compress(payload, true, &mut out);
        out
    }

    fn inflated(inflater: &mut Inflater, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        inflater.inflate(payload, true, &mut out, usize::MAX).unwrap();
        out
    }

    fn every_side() -> impl Strategy<Value = Side> {
        (any::<bool>(), 8..=15u8).prop_map(|(no_context_takeover, max_window_bits)| Side {
            no_context_takeover,
            max_window_bits,
        })
    }

    /// Generates data that compresses well, not at all, and with references that reach far back.
    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::collection::vec(any::<u8>(), 0..3000);
        let letters = prop::collection::vec(b'a'..b'd', 0..3000);
        let repeated = (prop::collection::vec(any::<u8>(), 1..700), 1..200usize)
            .prop_map(|(pattern, times)| pattern.repeat(times));
        prop_oneof![noise, letters, repeated]
    }

    #[test]
    fn an_empty_message_is_one_byte() {
        for level in [0, 1, 6, 9] {
            let mut deflater =
                deflater(level, Side { no_context_takeover: false, max_window_bits: 15 });
            assert_eq!(compressed(&mut deflater, b""), [0x00]);
            compressed(&mut deflater, b"Hello");
            assert_eq!(compressed(&mut deflater, b""), [0x00]);
        }
    }

    #[test]
    fn takeover_makes_a_repeated_message_shorter() {
        let mut text = Vec::new();
        for number in 0..40u8 {
            text.extend_from_slice(&[number, number ^ 0x55, b' ']);
        }
        let side = Side { no_context_takeover: false, max_window_bits: 15 };
        let mut with = deflater(6, side);
        let first = compressed(&mut with, &text);
        let second = compressed(&mut with, &text);
        assert!(second.len() * 4 < first.len(), "{} and {}", first.len(), second.len());
        // After a release the output equals that of a fresh compressor.
        with.release();
        assert_eq!(compressed(&mut with, &text), first);
        let mut without = deflater(6, Side { no_context_takeover: true, ..side });
        assert_eq!(compressed(&mut without, &text), first);
        assert_eq!(compressed(&mut without, &text), first);
        assert!(without.context.is_none());
    }

    #[test]
    fn the_capacity_of_the_output_makes_no_difference() {
        let side = Side { no_context_takeover: true, max_window_bits: 15 };
        let payload: Vec<u8> = (0..2000u32).map(|n| (n * n % 251) as u8).collect();
        for level in [0, 1, 2, 6, 9] {
            let mut deflater = deflater(level, side);
            let length = compressed(&mut deflater, &payload).len();
            for capacity in (0..20).chain(length - 20..length + 40) {
                let mut out = Vec::with_capacity(capacity);
                deflater.compress(&payload, true, &mut out);
                assert_eq!(inflated(&mut Inflater::new(side), &out), payload, "{level} {capacity}");
            }
        }
    }

    #[test]
    fn a_context_can_move_between_threads() {
        fn is_send<T: Send>() {}
        is_send::<Deflater>();
        is_send::<Inflater>();
    }

    proptest! {
        #[test]
        fn messages_come_back_whole(
            side in every_side(),
            level in 0..=9u8,
            messages in prop::collection::vec((payload(), any::<bool>()), 1..5),
        ) {
            let mut deflater = deflater(level, side);
            let mut inflater = Inflater::new(side);
            for (message, release) in messages {
                if release {
                    deflater.release();
                }
                let wire = compressed(&mut deflater, &message);
                prop_assert_eq!(inflated(&mut inflater, &wire), message);
            }
        }

        #[test]
        fn fragments_are_readable_as_they_come(
            side in every_side(),
            level in 0..=9u8,
            messages in prop::collection::vec(prop::collection::vec(payload(), 1..4), 1..3),
        ) {
            let mut deflater = deflater(level, side);
            let mut inflater = Inflater::new(side);
            for fragments in messages {
                let mut expected = Vec::new();
                let mut out = Vec::new();
                for (index, fragment) in fragments.iter().enumerate() {
                    let last = index + 1 == fragments.len();
                    let mut wire = Vec::new();
                    deflater.compress(fragment, last, &mut wire);
                    expected.extend_from_slice(fragment);
                    inflater.inflate(&wire, last, &mut out, expected.len()).unwrap();
                    prop_assert_eq!(&out[..], &expected[..]);
                }
            }
        }

        #[test]
        fn pieces_of_any_size_inflate_to_the_same(
            side in every_side(),
            level in 0..=9u8,
            message in payload(),
            size in 1..400usize,
        ) {
            let wire = compressed(&mut deflater(level, side), &message);
            let mut inflater = Inflater::new(side);
            for _ in 0..2 {
                let mut out = Vec::new();
                for piece in wire.chunks(size) {
                    inflater.inflate(piece, false, &mut out, message.len()).unwrap();
                }
                inflater.inflate(b"", true, &mut out, message.len()).unwrap();
                prop_assert_eq!(&out[..], &message[..]);
            }
        }
    }
}
