use std::borrow::Cow;

use crate::close::CloseFrame;
use crate::frame::Header;
use crate::message::{Kind, MessageCow};

/// What arrived. It borrows from the input where it can, and never from the connection: the answer can be encoded
/// while the event is still in hand.
#[derive(Debug)]
pub enum Event<'a> {
    /// A message.
    Message(MessageCow<'a>),
    /// A message begins whose pieces follow. Only where
    /// [messages are streamed](crate::Connection::stream_messages).
    Begin(Kind),
    /// The next bytes of the message that began, after decompression; not empty. Those of a text are the beginning of valid
    /// UTF-8, and may end within a character. Control frames may come between. One that is borrowed is the end of the input
    /// that was taken.
    Piece(Cow<'a, [u8]>),
    /// The message that began is whole.
    End,
    /// A frame begins whose header breaks no rule; what it carries follows as another event. Only with
    /// [`Config::report_frames`](super::Config::report_frames).
    Frame(Header),
    /// A ping. It has been answered: the pong is in the output already, or will be as soon as there is room.
    Ping(Cow<'a, [u8]>),
    /// A pong, asked for or not.
    Pong(Cow<'a, [u8]>),
    /// The peer's close frame; nothing arrives after it. If it began the closing handshake, the answer is in the
    /// output.
    Close {
        /// What it says.
        frame: Option<CloseFrame>,
        /// Whether it came between the fragments of a message, of which the beginning is thereby lost.
        mid_message: bool,
    },
}

impl Event<'_> {
    /// The event without its borrow, a copy of what was borrowed.
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
