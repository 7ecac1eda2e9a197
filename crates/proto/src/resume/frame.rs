use bytes::Bytes;

use super::error::{EndReason, FrameError};
use super::token::{TOKEN_SIZE, Token};

/// Maximum length of the data that a [`Session`](super::Session) sends in one frame, in bytes: long
/// enough to make the header negligible, short enough that an acknowledgement does not wait long
/// behind it. A record of [`mux`](crate::mux) with 32 KiB of data and its headers fits. A receiver
/// accepts any length within its window.
pub const MAX_DATA_LENGTH: usize = 33 * 1024;

const HELLO: u8 = 0x01;
const WELCOME: u8 = 0x02;
const ATTACH: u8 = 0x03;
const ATTACHED: u8 = 0x04;
const DATA: u8 = 0x05;
const ACK: u8 = 0x06;
const FIN: u8 = 0x07;
const END: u8 = 0x08;

/// A frame of the protocol: the payload of one binary message. Numbers are big-endian.
///
/// ```text
/// 0x01 hello     window: u32
/// 0x02 welcome   token: 32 bytes, window: u32, expiry: u32 (milliseconds)
/// 0x03 attach    token: 32 bytes, attempt: u32, received: u64, read: u64
/// 0x04 attached  received: u64, read: u64
/// 0x05 data      offset: u64, data: the rest, at least one byte
/// 0x06 ack       read: u64
/// 0x07 fin       offset: u64
/// 0x08 end       reason: u8
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The client's first frame: begins a session.
    Hello {
        /// The client's window, in bytes.
        window: u32,
    },
    /// The server's answer to `Hello`.
    Welcome {
        /// The token of the new session.
        token: Token,
        /// The server's window, in bytes.
        window: u32,
        /// The time for which a session without a WebSocket is kept, in milliseconds.
        expiry: u32,
    },
    /// The client's first frame: attaches this WebSocket to a session.
    Attach(Attach),
    /// The server's answer to `Attach`.
    Attached(Position),
    /// Bytes of the stream.
    Data {
        /// The number of bytes before these.
        offset: u64,
        /// The bytes; never empty.
        data: &'a [u8],
    },
    /// States how much the sender's program has read.
    Ack {
        /// See [`Position::read`].
        read: u64,
    },
    /// The end of the sender's direction.
    Fin {
        /// The length of the stream, in bytes.
        offset: u64,
    },
    /// The end of the session, for a reason other than that both programs have read everything.
    End(EndReason),
}

/// The content of [`Frame::Attach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attach {
    /// The token of the session.
    pub token: Token,
    /// The number of this attempt, which grows from attempt to attempt: a server refuses an attempt
    /// that is not later than the last one that it has seen.
    pub attempt: u32,
    /// The client's position.
    pub position: Position,
}

/// The position up to which an end has received the stream of the other end. As in TCP, the end of
/// the stream counts as one position after the last byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of bytes received.
    pub received: u64,
    /// The number of bytes that the program has read, at most `received`.
    pub read: u64,
}

impl<'a> Frame<'a> {
    /// Decodes the payload of a message.
    ///
    /// # Errors
    /// A [`FrameError`] other than [`Unexpected`](FrameError::Unexpected),
    /// [`Offset`](FrameError::Offset) and [`Window`](FrameError::Window).
    pub fn decode(payload: &'a [u8]) -> Result<Self, FrameError> {
        let (&kind, mut rest) = payload.split_first().ok_or(FrameError::Empty)?;
        let decoded = match kind {
            HELLO => take_u32(&mut rest).map(|window| Self::Hello { window }),
            WELCOME => decode_welcome(&mut rest),
            ATTACH => decode_attach(&mut rest),
            ATTACHED => take_position(&mut rest).map(Self::Attached),
            DATA => take_u64(&mut rest)
                .map(|offset| Self::Data { offset, data: std::mem::take(&mut rest) }),
            ACK => take_u64(&mut rest).map(|read| Self::Ack { read }),
            FIN => take_u64(&mut rest).map(|offset| Self::Fin { offset }),
            END => take::<1>(&mut rest).map(|[reason]| Self::End(EndReason(reason))),
            _ => return Err(FrameError::UnknownType { kind }),
        };
        match decoded.filter(|_| rest.is_empty()) {
            None | Some(Self::Data { data: [], .. }) => {
                Err(FrameError::Length { kind, length: payload.len() })
            }
            Some(Self::Hello { window: 0 } | Self::Welcome { window: 0, .. }) => {
                Err(FrameError::NoWindow)
            }
            Some(frame) => Ok(frame),
        }
    }

    /// Returns the payload of the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_head();
        if let Self::Data { data, .. } = self {
            out.extend_from_slice(data);
        }
        out
    }

    /// Returns the payload of the message up to the data.
    fn encode_head(&self) -> Vec<u8> {
        let mut out = vec![self.kind()];
        match self {
            Self::Hello { window } => out.extend(window.to_be_bytes()),
            Self::Welcome { token, window, expiry } => {
                out.extend(token.as_bytes());
                out.extend(window.to_be_bytes());
                out.extend(expiry.to_be_bytes());
            }
            Self::Attach(attach) => {
                out.extend(attach.token.as_bytes());
                out.extend(attach.attempt.to_be_bytes());
                put_position(&mut out, attach.position);
            }
            Self::Attached(position) => put_position(&mut out, *position),
            Self::Data { offset: number, .. }
            | Self::Ack { read: number }
            | Self::Fin { offset: number } => out.extend(number.to_be_bytes()),
            Self::End(EndReason(reason)) => out.push(*reason),
        }
        out
    }

    /// Returns the type.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => HELLO,
            Self::Welcome { .. } => WELCOME,
            Self::Attach(_) => ATTACH,
            Self::Attached(_) => ATTACHED,
            Self::Data { .. } => DATA,
            Self::Ack { .. } => ACK,
            Self::Fin { .. } => FIN,
            Self::End(_) => END,
        }
    }
}

/// A frame to send: the payload of one message, in two parts, so that data is not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The part before the data.
    pub head: Vec<u8>,
    /// The data; empty in most frames.
    pub data: Bytes,
}

impl EncodedFrame {
    pub(super) fn data(offset: u64, data: Bytes) -> Self {
        Self { head: Frame::Data { offset, data: &[] }.encode_head(), data }
    }

    /// Returns the payload in one piece.
    pub fn concat(self) -> Vec<u8> {
        let mut payload = self.head;
        payload.extend_from_slice(&self.data);
        payload
    }
}

impl From<Frame<'_>> for EncodedFrame {
    fn from(frame: Frame<'_>) -> Self {
        Self { head: frame.encode(), data: Bytes::new() }
    }
}

impl From<Vec<u8>> for EncodedFrame {
    fn from(head: Vec<u8>) -> Self {
        Self { head, data: Bytes::new() }
    }
}

fn decode_welcome<'a>(rest: &mut &[u8]) -> Option<Frame<'a>> {
    let token = Token::new(take::<TOKEN_SIZE>(rest)?);
    Some(Frame::Welcome { token, window: take_u32(rest)?, expiry: take_u32(rest)? })
}

fn decode_attach<'a>(rest: &mut &[u8]) -> Option<Frame<'a>> {
    let token = Token::new(take::<TOKEN_SIZE>(rest)?);
    let attempt = take_u32(rest)?;
    Some(Frame::Attach(Attach { token, attempt, position: take_position(rest)? }))
}

fn take_position(rest: &mut &[u8]) -> Option<Position> {
    Some(Position { received: take_u64(rest)?, read: take_u64(rest)? })
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn put_position(out: &mut Vec<u8>, position: Position) {
    out.extend(position.received.to_be_bytes());
    out.extend(position.read.to_be_bytes());
}
