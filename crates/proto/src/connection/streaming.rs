use super::{Connection, Input};
use crate::error::{ProtocolError, UsageError};
use crate::message::{Kind, MessageRef};

/// Methods that receive and send messages in parts, for messages too long to be in memory at once.
impl Connection {
    /// Sets whether messages that begin from now on are delivered in pieces while they arrive: as
    /// [`Event::Begin`](super::Event::Begin), any number of [`Event::Piece`](super::Event::Piece),
    /// and [`Event::End`](super::Event::End), in place of
    /// [`Event::Message`](super::Event::Message). A message in progress continues as it began.
    /// Default: no.
    ///
    /// Memory is bounded whatever the peer sends: by the length of one input, and by 64 KiB for a
    /// decompressed piece. One input may therefore bring many pieces: the caller continues to
    /// [receive](Connection::receive), even with an empty input, until that returns `None`.
    /// [`Config::max_streamed_length`](super::Config::max_streamed_length()) limits such messages.
    pub fn stream_messages(&mut self, on: bool) {
        self.receiving.set_streaming(on);
    }

    /// Takes an uncompressed message that is complete, in one frame, at the front of the input: a
    /// fast path for the usual case, for a driver that streams all other messages. Returns `None`
    /// if nothing was taken and the input must be [received](Connection::receive): always so while
    /// messages are [streamed](Connection::stream_messages).
    ///
    /// # Errors
    /// Same as [`Connection::receive`].
    #[inline]
    pub fn receive_whole<'a>(
        &mut self,
        input: &mut Input<'a>,
        out: &mut Vec<u8>,
    ) -> Option<Result<MessageRef<'a>, ProtocolError>> {
        self.whole_message(input, out)
    }

    /// Returns whether no message or frame is partly received or partly sent. At such a point, the
    /// caller can take over the handling of frames.
    pub fn is_between_messages(&self) -> bool {
        self.receiving.is_between_messages() && self.sending.is_between_messages()
    }

    /// Begins a message that is sent in fragments: the caller then calls
    /// [`append_fragment`](Connection::append_fragment) any number of times, and
    /// [`finish_message`](Connection::finish_message) once. `begin_message` itself sends nothing.
    /// Until the message is finished no other message can be sent; control frames can (RFC 6455
    /// section 5.4).
    ///
    /// # Errors
    /// [`UsageError::MessageInProgress`], and [`UsageError::Closing`] after the close frame was
    /// sent.
    pub fn begin_message(&mut self, kind: Kind) -> Result<(), UsageError> {
        self.sending.begin(kind)
    }

    /// Appends a fragment of the message in progress to `out`. A fragment of text may end within a
    /// character.
    ///
    /// On a connection with permessage-deflate the message is compressed, and flushed with each
    /// fragment, so that the peer can decompress all fragments so far: short fragments compress
    /// badly.
    ///
    /// # Errors
    /// [`UsageError::NoMessage`] if no message was begun; [`UsageError::InvalidUtf8`] for bytes
    /// that cannot continue the text, which are not sent; [`UsageError::Closing`] after the close
    /// frame was sent.
    pub fn append_fragment(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.fragment(payload, false, out)
    }

    /// Appends the last fragment of the message in progress to `out`. `payload` may be empty.
    ///
    /// # Errors
    /// Same as [`append_fragment`](Connection::append_fragment); [`UsageError::InvalidUtf8`] also
    /// for a text that ends within a character.
    pub fn finish_message(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.fragment(payload, true, out)
    }

    /// Discards a message that was begun and of which nothing was sent, if there is one. Returns
    /// whether whole messages can be sent now: `false` if a fragment was sent, which cannot be
    /// taken back.
    pub fn cancel_message(&mut self) -> bool {
        self.sending.cancel()
    }
}
