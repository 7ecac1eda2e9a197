use super::{Connection, Input};
use crate::error::{ProtocolError, UsageError};
use crate::message::{Kind, MessageRef};

/// Messages in parts, for those that are too long to be in memory at once.
impl Connection {
    /// Whether messages that begin from now on are given in pieces while they arrive: as [`Event::Begin`](super::Event::Begin),
    /// [`Event::Piece`](super::Event::Piece) as often as there is something, and [`Event::End`](super::Event::End), in
    /// place of [`Event::Message`](super::Event::Message). A message in progress goes on as it began. Default: no.
    ///
    /// Memory is bounded whatever the peer sends: by what one input brings and 64 KiB for a piece that is decompressed. So
    /// an input may bring many pieces: go on to [receive](Connection::receive), without input as well, until that gives
    /// `None`. [`Config::max_streamed_length`](super::Config::max_streamed_length) is the limit of such messages.
    pub fn stream_messages(&mut self, on: bool) {
        self.receiving.set_streaming(on);
    }

    /// Takes a message that is whole at the front of the input, in one frame, and as it is: the usual case by the shortest
    /// way, for a driver that streams all others. `None` says that nothing was taken, and that the input is to be
    /// [received](Connection::receive): always where messages are [streamed](Connection::stream_messages).
    ///
    /// # Errors
    /// As [`Connection::receive`].
    #[inline]
    pub fn receive_whole<'a>(
        &mut self,
        input: &mut Input<'a>,
        out: &mut Vec<u8>,
    ) -> Option<Result<MessageRef<'a>, ProtocolError>> {
        self.whole_message(input, out)
    }

    /// Whether no message was received or sent in part, nor a frame: from here on, whoever wants to can handle the frames
    /// itself.
    pub fn is_between_messages(&self) -> bool {
        self.receiving.is_between_messages() && self.sending.is_between_messages()
    }

    /// Begins a message that is sent in fragments: [`append_fragment`](Connection::append_fragment) as often as need be,
    /// then [`finish_message`](Connection::finish_message). Nothing is sent yet. Until it is finished no other message can
    /// be sent; control frames can (RFC 6455 section 5.4).
    ///
    /// # Errors
    /// [`UsageError::MessageInProgress`], and [`UsageError::Closing`] after the close frame was sent.
    pub fn begin_message(&mut self, kind: Kind) -> Result<(), UsageError> {
        self.sending.begin(kind)
    }

    /// Appends a fragment of the message that was begun to `out`. A fragment of text may end within a character.
    ///
    /// On a connection with permessage-deflate the message is compressed, and all that was given can be read from the
    /// fragments so far: short ones compress badly.
    ///
    /// # Errors
    /// [`UsageError::NoMessage`] when none was begun; [`UsageError::InvalidUtf8`] for what cannot continue the text, which
    /// is not sent; [`UsageError::Closing`] after the close frame was sent.
    pub fn append_fragment(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.fragment(payload, false, out)
    }

    /// Appends the last fragment of the message that was begun to `out`: what is left of it, or nothing.
    ///
    /// # Errors
    /// As [`append_fragment`](Connection::append_fragment); [`UsageError::InvalidUtf8`] also for a text that ends within a
    /// character.
    pub fn finish_message(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.sending.fragment(payload, true, out)
    }

    /// Forgets a message that was begun and of which nothing was sent, if there is one. Says whether whole messages can be
    /// sent now: not if some fragment was sent, which cannot be taken back.
    pub fn cancel_message(&mut self) -> bool {
        self.sending.cancel()
    }
}
