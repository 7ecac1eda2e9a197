//! Responses with a `Content-Length` that must be ignored.
//!
//! Jetty 12 answers an extended CONNECT with `content-length: 0`, and DATA follows. The header has
//! no meaning there:
//!
//= https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
//# A client MUST ignore any Content-Length or Transfer-Encoding header
//# fields received in a successful response to CONNECT.
//!
//! h2 does not ignore the header: it resets the stream at the first DATA frame, and offers no way
//! to see the header before. So the header is renamed beneath h2. In HPACK, the name of a header in
//! the static table is sent as its index there: `content-length` is 28, and `accept-charset`, which
//! no response has, is 15. Both names have 14 letters, and both indices are equally long in each of
//! the forms, so that nothing else changes: neither the length of the block nor the size of entries
//! in the dynamic table. A name that the server spells out is not renamed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use http::header::{ACCEPT_CHARSET, CONTENT_LENGTH};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The transport beneath an h2 client that opens only tunnels; renames `content-length`.
pub(super) struct RenameContentLength<S> {
    io: S,
    blocks: Blocks,
}

impl<S> RenameContentLength<S> {
    pub(super) fn new(io: S) -> Self {
        Self { io, blocks: Blocks::default() }
    }
}

/// Restores the header's name, for programs that read a response's headers.
pub(super) fn restore(headers: &mut HeaderMap) {
    if let Some(value) = headers.remove(ACCEPT_CHARSET) {
        headers.insert(CONTENT_LENGTH, value);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RenameContentLength<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        this.blocks.rename(&mut buf.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RenameContentLength<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Types and flags of frames (RFC 9113 sections 6.2 and 6.10), and the size of their header.
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const FRAME_HEADER: usize = 9;

/// A parser that finds the header blocks among the frames, at any split of the input.
#[derive(Default)]
struct Blocks {
    header: [u8; FRAME_HEADER],
    filled: usize,
    /// The rest of the current frame, in bytes.
    rest: Rest,
    block: Block,
}

/// The parts of a frame that are still to come, in order.
#[derive(Default)]
struct Rest {
    /// `true` if the next byte is the length of the padding.
    padded: bool,
    /// The bytes to skip before the block.
    before: usize,
    block: usize,
    /// The padding, or the payload of any other frame.
    after: usize,
    /// `true` if this frame ends the block.
    ends: bool,
}

impl Blocks {
    fn rename(&mut self, mut input: &mut [u8]) {
        while !input.is_empty() {
            let taken = self.step(input);
            input = &mut input[taken..];
        }
    }

    /// Handles the beginning of the input; returns the number of bytes consumed, at least 1.
    fn step(&mut self, input: &mut [u8]) -> usize {
        let rest = &mut self.rest;
        if rest.padded {
            rest.padded = false;
            let padding = usize::from(input[0]).min(rest.block);
            rest.block -= padding;
            rest.after = padding;
            1
        } else if rest.before > 0 {
            take(&mut rest.before, input.len())
        } else if rest.block > 0 {
            let taken = take(&mut rest.block, input.len());
            self.block.rename(&mut input[..taken]);
            if rest.block == 0 && rest.ends {
                self.block = Block::default();
            }
            taken
        } else if rest.after > 0 {
            take(&mut rest.after, input.len())
        } else {
            let taken = (FRAME_HEADER - self.filled).min(input.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&input[..taken]);
            self.filled += taken;
            if self.filled == FRAME_HEADER {
                self.filled = 0;
                self.rest = Rest::of(self.header);
            }
            taken
        }
    }
}

/// Subtracts up to `there` from `left`; returns the number subtracted.
fn take(left: &mut usize, there: usize) -> usize {
    let taken = there.min(*left);
    *left -= taken;
    taken
}

impl Rest {
    fn of([high, middle, low, kind, flags, ..]: [u8; FRAME_HEADER]) -> Self {
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let has = |flag| kind == HEADERS && flags & flag != 0;
        if kind != HEADERS && kind != CONTINUATION {
            return Self { after: length, ..Self::default() };
        }
        let (padded, before) = (has(PADDED) && length > 0, if has(PRIORITY) { 5 } else { 0 });
        let length = length - usize::from(padded);
        let before = before.min(length);
        let ends = flags & END_HEADERS != 0;
        Self { padded, before, block: length - before, after: 0, ends }
    }
}

/// The parser's position in a header block (RFC 7541 section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Block {
    /// Before a field.
    #[default]
    Field,
    /// Within an integer whose value is irrelevant, followed by `strings` strings.
    Number { strings: u8 },
    /// After the first byte of a name's index whose 4 bits are all ones.
    Name,
    /// Before `strings` strings, at least one.
    Length { strings: u8 },
    /// Within the length of the first of `strings` strings.
    LongLength { strings: u8, length: usize, shift: u32 },
    /// Within the first of `strings` strings.
    String { strings: u8, left: usize },
}

/// The indices of the names in the static table (RFC 7541 appendix A).
const NUMBER_OF_CONTENT_LENGTH: u8 = 28;
const NUMBER_OF_ACCEPT_CHARSET: u8 = 15;

/// The 4-bit prefix of all ones: the excess of a larger integer follows in further bytes.
const FOUR_BITS: u8 = 15;

impl Block {
    fn rename(&mut self, input: &mut [u8]) {
        for byte in input {
            *self = self.after(byte);
        }
    }

    fn after(self, byte: &mut u8) -> Self {
        let continues = *byte & 0x80 != 0;
        match self {
            Self::Field => Self::begin(byte),
            Self::Number { .. } if continues => self,
            Self::Number { strings } => Self::before_strings(strings),
            Self::Name if continues => Self::Number { strings: 1 },
            Self::Name => {
                if *byte == NUMBER_OF_CONTENT_LENGTH - FOUR_BITS {
                    *byte = NUMBER_OF_ACCEPT_CHARSET - FOUR_BITS;
                }
                Self::Length { strings: 1 }
            }
            Self::Length { strings } => match usize::from(*byte & 0x7f) {
                0x7f => Self::LongLength { strings, length: 0x7f, shift: 0 },
                left => Self::string(strings, left),
            },
            Self::LongLength { strings, length, shift } => {
                // A length that overflows is far beyond any limit of h2, which then fails: its
                // value is irrelevant.
                let part = usize::from(*byte & 0x7f).checked_shl(shift).unwrap_or(0);
                let (length, shift) = (length.saturating_add(part), shift.saturating_add(7));
                if continues {
                    Self::LongLength { strings, length, shift }
                } else {
                    Self::string(strings, length)
                }
            }
            Self::String { strings, left } => Self::string(strings, left - 1),
        }
    }

    /// Handles the first byte of a field.
    fn begin(byte: &mut u8) -> Self {
        match *byte {
            // Both name and value are indexed, or the table's size changes.
            0xff | 0x3f => Self::Number { strings: 0 },
            0x80.. | 0x20..=0x3e => Self::Field,
            // The name is indexed or a string: with a 6-bit index for a field to be added to the
            // table, else with 4 bits.
            0x40 | 0x00 | 0x10 => Self::Length { strings: 2 },
            0x7f => Self::Number { strings: 1 },
            0x0f | 0x1f => Self::Name,
            _ => {
                if *byte == 0x40 | NUMBER_OF_CONTENT_LENGTH {
                    *byte = 0x40 | NUMBER_OF_ACCEPT_CHARSET;
                }
                Self::Length { strings: 1 }
            }
        }
    }

    fn before_strings(strings: u8) -> Self {
        if strings == 0 { Self::Field } else { Self::Length { strings } }
    }

    /// Returns the position within the first of `strings` strings, with `left` bytes of it to come.
    fn string(strings: u8, left: usize) -> Self {
        if left > 0 { Self::String { strings, left } } else { Self::before_strings(strings - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Renames within a copy of these bytes, cut at `split`.
    fn renamed(mut input: Vec<u8>, split: usize) -> Vec<u8> {
        let mut blocks = Blocks::default();
        let (first, rest) = input.split_at_mut(split);
        blocks.rename(first);
        blocks.rename(rest);
        input
    }

    #[test]
    fn content_length_is_renamed_in_every_form_and_at_every_split() {
        let long = [&[0x40, 0x7f, 0x49][..], &[b'a'; 200], &[0x81, 0x5c]].concat();
        // Before and after each: an indexed status, and a field with a literal name whose value
        // looks like the index.
        let around = b"\x88\x40\x01x\x02\x5c\x0f";
        for (from, to) in [
            (&b"\x5c\x010"[..], &b"\x4f\x010"[..]),
            (b"\x0f\x0d\x010", b"\x0f\x00\x010"),
            (b"\x1f\x0d\x010", b"\x1f\x00\x010"),
            // Not renamed: dates, indices in the dynamic table, table sizes, literal names.
            (b"\x61\x01\x5c", b"\x61\x01\x5c"),
            (b"\x0f\x12\x01\x5c", b"\x0f\x12\x01\x5c"),
            (b"\x0f\x8d\x01\x01\x5c", b"\x0f\x8d\x01\x01\x5c"),
            (b"\x7f\x0d\x01\x5c", b"\x7f\x0d\x01\x5c"),
            (b"\xff\x5c", b"\xff\x5c"),
            (b"\x3f\x5c", b"\x3f\x5c"),
            (b"\x00\x01\x5c\x01\x5c", b"\x00\x01\x5c\x01\x5c"),
            (b"\x10\x01\x5c\x00", b"\x10\x01\x5c\x00"),
            (&long, &long),
        ] {
            let all = |field: &[u8]| {
                let block = [around, field, around].concat();
                let (begin, end) = block.split_at(block.len() / 2);
                let prioritized = [&[3, 0, 0, 0, 0, 0x5c][..], begin, &[0x5c; 3]].concat();
                [
                    frame(4, 0, b"\x5c\x5c\x5c\x5c\x5c\x5c"),
                    frame(HEADERS, END_HEADERS, &block),
                    frame(0, 0, b"\x5c\x0f\x0d"),
                    frame(HEADERS, PADDED | PRIORITY, &prioritized),
                    frame(CONTINUATION, END_HEADERS, end),
                    frame(HEADERS, END_HEADERS, b""),
                    frame(8, 0, b"\x5c\x5c\x5c\x5c"),
                ]
                .concat()
            };
            let input = all(from);
            for split in 0..=input.len() {
                assert_eq!(renamed(input.clone(), split), all(to), "{from:x?} at {split}");
            }
        }
    }
}
