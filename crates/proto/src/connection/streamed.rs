use std::borrow::Cow;
use std::slice;

use super::Event;
use super::length::as_usize;
#[cfg(feature = "deflate")]
use crate::deflate::{Inflater, TAIL};
use crate::error::ProtocolError;
use crate::message::Kind;
use crate::text::Validator;

/// Maximum length of a piece of a compressed message, in bytes. It bounds the memory that a peer
/// can demand, however well its data compresses. Equal to what the driver of a connection usually
/// reads at a time.
#[cfg(feature = "deflate")]
const MAX_PIECE: usize = 64 * 1024;

/// Minimum capacity for a decompressed piece, in bytes.
#[cfg(feature = "deflate")]
const MIN_PIECE: usize = 256;

/// A message that is delivered in pieces while it arrives.
///
/// Uncompressed payload passes through. Compressed payload is held, one input at a time, until all
/// of its output was delivered in pieces of bounded length.
#[derive(Debug)]
pub(super) struct Streamed {
    kind: Kind,
    compressed: bool,
    limit: u64,
    /// Number of bytes that were delivered.
    length: u64,
    validator: Validator,
    /// `true` once `Event::Begin` was delivered.
    begun: bool,
    /// `true` once the whole payload was taken from the input.
    complete: bool,
    /// The error to return after the pieces before it.
    error: Option<ProtocolError>,
    #[cfg(feature = "deflate")]
    held: Held,
}

/// Compressed payload that was taken from the input.
#[cfg(feature = "deflate")]
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// Number of bytes of `bytes` that were decompressed.
    position: usize,
    /// `true` if the last piece filled its capacity: the inflater may have more output without
    /// further input.
    more: bool,
    /// `true` once the tail of the message was added, if the message needs one.
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

    /// Returns the number of bytes that were delivered. For an uncompressed message, this is the
    /// payload length of all frames so far.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Takes the next bytes of payload; `last` is `true` if they end the message. The caller has
    /// called [`Streamed::poll`] until it returned `None`.
    pub(super) fn take<'a>(&mut self, payload: &'a [u8], last: bool) -> Option<Event<'a>> {
        self.complete = last;
        #[cfg(feature = "deflate")]
        if self.compressed {
            self.held.bytes.clear();
            self.held.bytes.extend_from_slice(payload);
            self.held.position = 0;
            return None;
        }
        Some(Event::Piece(match self.check(payload) {
            0 => return None,
            valid if valid < payload.len() => Cow::Owned(payload[..valid].to_vec()),
            _ => Cow::Borrowed(payload),
        }))
    }

    /// Returns the next event that needs no further payload.
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

    /// Returns the next piece of the held payload; empty if there is none, or only an error
    /// remains.
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
            // Text typically inflates to three to five times its length.
            let max_length = rest.len().saturating_mul(4).clamp(MIN_PIECE, MAX_PIECE);
            let max_length = if self.held.more { MAX_PIECE } else { max_length };
            match inflater.inflate_piece(rest, &mut piece, max_length) {
                Ok(taken) => self.held.position += taken,
                Err(error) => self.error = Some(error),
            }
            self.held.more = piece.len() == max_length;
            if self.held.ended && !self.held.more && self.held.position == self.held.bytes.len() {
                inflater.end();
            }
            // An error in the decompressed bytes precedes an error that the inflater reports after
            // them.
            let valid = self.check(&piece);
            piece.truncate(valid);
        }
        piece
    }

    /// Checks a piece and returns the number of its bytes that may be delivered: all, or those
    /// before the first byte that breaks a rule.
    fn check(&mut self, piece: &[u8]) -> usize {
        let remaining = as_usize(self.limit - self.length);
        let mut valid = piece.len();
        if valid > remaining {
            valid = remaining;
            self.error = Some(ProtocolError::MessageTooLong { limit: as_usize(self.limit) });
        }
        if self.kind == Kind::Text {
            let before = self.validator;
            if self.validator.push(&piece[..valid]).is_err() {
                valid = valid_length(before, &piece[..valid]);
                self.error = Some(ProtocolError::InvalidUtf8);
            }
        }
        self.length += valid as u64;
        valid
    }
}

/// Returns the number of bytes before the one that makes a text invalid.
#[cold]
fn valid_length(mut validator: Validator, piece: &[u8]) -> usize {
    let bad = piece.iter().position(|byte| validator.push(slice::from_ref(byte)).is_err());
    bad.unwrap_or(piece.len())
}
