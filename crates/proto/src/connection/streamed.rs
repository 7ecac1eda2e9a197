use std::borrow::Cow;
use std::slice;

use super::Event;
use super::receiving::as_usize;
#[cfg(feature = "deflate")]
use crate::deflate::{Inflater, TAIL};
use crate::error::ProtocolError;
use crate::message::Kind;
use crate::text::Validator;

/// The longest piece of a compressed message, in bytes: it bounds the memory that a peer can ask for, however well it
/// compresses. As much as the driver of a connection usually reads at a time.
#[cfg(feature = "deflate")]
const MAX_PIECE: usize = 64 * 1024;

/// The least room for a piece, in bytes.
#[cfg(feature = "deflate")]
const MIN_PIECE: usize = 256;

/// A message that is given in pieces while it arrives.
///
/// Payload that is not compressed passes through. Of one that is, the input is held until all that it decompresses to was
/// given, a bounded piece at a time: as much as one input brings.
#[derive(Debug)]
pub(super) struct Streamed {
    kind: Kind,
    compressed: bool,
    limit: u64,
    /// How much was given, in bytes.
    length: u64,
    validator: Validator,
    /// Whether its beginning was told.
    begun: bool,
    /// Whether all of its payload was taken from the input.
    complete: bool,
    /// What comes after the pieces that were given.
    error: Option<ProtocolError>,
    #[cfg(feature = "deflate")]
    held: Held,
}

/// Compressed payload that was taken from the input.
#[cfg(feature = "deflate")]
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// How much of it was decompressed.
    position: usize,
    /// The last piece filled its room, so that there may be more without any further byte.
    more: bool,
    /// The tail of the message was added, where it needed one.
    ended: bool,
}

impl Streamed {
    pub(super) fn new(kind: Kind, compressed: bool, limit: u64) -> Self {
        Self {
            kind,
            compressed,
            limit,
            length: 0,
            validator: Validator::new(),
            begun: false,
            complete: false,
            error: None,
            #[cfg(feature = "deflate")]
            held: Held::default(),
        }
    }

    /// How much was given, in bytes. Unless it is compressed, that is the payload of all frames so far.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Takes the next bytes of payload; `last` when they end the message. [`Streamed::poll`] has given all it could before.
    pub(super) fn take<'a>(&mut self, payload: &'a [u8], last: bool) -> Option<Event<'a>> {
        self.complete = last;
        #[cfg(feature = "deflate")]
        if self.compressed {
            self.held.bytes.clear();
            self.held.bytes.extend_from_slice(payload);
            self.held.position = 0;
            return None;
        }
        Some(Event::Piece(match self.admit(payload) {
            0 => return None,
            good if good < payload.len() => Cow::Owned(payload[..good].to_vec()),
            _ => Cow::Borrowed(payload),
        }))
    }

    /// What can be given without more payload.
    pub(super) fn poll(
        &mut self,
        #[cfg(feature = "deflate")] inflater: Option<&mut Inflater>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(Event::Begin(self.kind)));
        }
        #[cfg(feature = "deflate")]
        if let (true, Some(inflater)) = (self.compressed, inflater) {
            let piece = self.inflate(inflater);
            if !piece.is_empty() {
                return Ok(Some(Event::Piece(Cow::Owned(piece))));
            }
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.complete {
            return Ok(None);
        }
        self.validator.finish().map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(Event::End))
    }

    /// The next piece of what is held; empty when there is none, or only an error left.
    #[cfg(feature = "deflate")]
    fn inflate(&mut self, inflater: &mut Inflater) -> Vec<u8> {
        let mut piece = Vec::new();
        while piece.is_empty() && self.error.is_none() {
            let rest = &self.held.bytes[self.held.position..];
            if rest.is_empty() && !self.held.more {
                if !self.complete || self.held.ended {
                    break;
                }
                self.held.ended = true;
                if inflater.is_complete() {
                    inflater.end();
                    break;
                }
                //= https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2
                //# Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the
                //# payload of the message.
                self.held.bytes.clear();
                self.held.bytes.extend_from_slice(&TAIL);
                self.held.position = 0;
                continue;
            }
            // Text becomes three to five times longer.
            let room = rest.len().saturating_mul(4).clamp(MIN_PIECE, MAX_PIECE);
            let room = if self.held.more { MAX_PIECE } else { room };
            match inflater.inflate_piece(rest, &mut piece, room) {
                Ok(taken) => self.held.position += taken,
                Err(error) => self.error = Some(error),
            }
            self.held.more = piece.len() == room;
            if self.held.ended && !self.held.more && self.held.position == self.held.bytes.len() {
                inflater.end();
            }
            // An error in what was decompressed comes before one that decompression met after it.
            let good = self.admit(&piece);
            piece.truncate(good);
        }
        piece
    }

    /// How much of a piece may be given: all, or what comes before the first byte that breaks a rule.
    fn admit(&mut self, piece: &[u8]) -> usize {
        let room = as_usize(self.limit - self.length);
        let mut good = piece.len();
        if good > room {
            good = room;
            self.error = Some(ProtocolError::MessageTooLong { limit: as_usize(self.limit) });
        }
        if self.kind == Kind::Text {
            let before = self.validator;
            if self.validator.push(&piece[..good]).is_err() {
                good = valid_length(before, &piece[..good]);
                self.error = Some(ProtocolError::InvalidUtf8);
            }
        }
        self.length += good as u64;
        good
    }
}

/// How many bytes come before the one that makes a text invalid.
#[cold]
fn valid_length(mut validator: Validator, piece: &[u8]) -> usize {
    let bad = piece.iter().position(|byte| validator.push(slice::from_ref(byte)).is_err());
    bad.unwrap_or(piece.len())
}
