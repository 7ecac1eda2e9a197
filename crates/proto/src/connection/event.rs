use std::borrow::Cow;

use crate::close::CloseFrame;
use crate::frame::Header;
use crate::message::{Kind, MessageCow};

/// An event received from the peer. An event borrows from the input where possible, and never from
/// the connection, so the caller can encode an answer while it holds the event.
#[derive(Debug)]
pub enum Event<'a> {
    /// A message.
    Message(MessageCow<'a>),
    /// The beginning of a message whose pieces follow. Only while [messages are
    /// streamed](crate::Connection::stream_messages).
    Begin(Kind),
    /// The next bytes of the message in progress, after decompression; not empty. The pieces of a
    /// text so far are a prefix of valid UTF-8, and may end within a character. Control frames may
    /// arrive between pieces. A borrowed piece is the end of the input that was taken.
    Piece(Cow<'a, [u8]>),
    /// The end of the message in progress.
    End,
    /// The header of a frame, which breaks no rule; the content of the frame follows as another
    /// event. Only with [`Config::report_frames`](super::Config::report_frames()).
    Frame(Header),
    /// A ping. The connection has answered it: the pong is in the output, or will be appended as
    /// soon as the output is short enough.
    Ping(Cow<'a, [u8]>),
    /// A pong, solicited or not.
    Pong(Cow<'a, [u8]>),
    /// The peer's close frame; nothing arrives after it. If the peer began the closing handshake,
    /// the answer is in the output, unless [half-close](crate::Connection::allow_half_close) defers
    /// it.
    Close {
        /// The code and reason; `None` if the payload is empty.
        frame: Option<CloseFrame>,
        /// `true` if the close frame arrived between the fragments of a message, whose beginning is
        /// thereby lost.
        mid_message: bool,
    },
}

impl Event<'_> {
    /// Returns the event with its borrowed bytes copied.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(MessageCow::Owned(message.into_owned())),
            Self::Begin(kind) => Event::Begin(kind),
            Self::Piece(piece) => Event::Piece(Cow::Owned(piece.into_owned())),
            Self::End => Event::End,
            Self::Frame(header) => Event::Frame(header),
            Self::Ping(payload) => Event::Ping(Cow::Owned(payload.into_owned())),
            Self::Pong(payload) => Event::Pong(Cow::Owned(payload.into_owned())),
            Self::Close { frame, mid_message } => Event::Close { frame, mid_message },
        }
    }
}
