use bytes::Bytes;

use super::Connection;
use super::sending::Sending;
use crate::close::CloseFrame;
use crate::error::UsageError;
use crate::frame::OpCode;
use crate::message::{Kind, MessageRef};
use crate::prepared::Prepared;

/// The sending part of a [`Connection`], split off by [`Connection::sending_half`]. It holds the
/// compressor, so that compressing a message does not block receiving.
///
/// The connection continues to receive, and to answer with control frames. The driver decides the
/// order of both outputs on the wire, and must write nothing after a close frame of either.
#[derive(Debug)]
pub struct SendingHalf(Sending);

impl Connection {
    /// Splits off the part that sends messages. Messages that the connection itself sends
    /// afterwards are not compressed.
    pub fn sending_half(&mut self) -> SendingHalf {
        SendingHalf(self.sending.split_off())
    }
}

impl SendingHalf {
    /// Appends a message, or only its header; see [`Connection::send_in_place`].
    ///
    /// # Errors
    /// Same as [`Connection::send_in_place`].
    pub fn send_in_place(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        self.0.in_place(message, out)
    }

    /// Appends a prepared message; see [`Connection::send_prepared`].
    ///
    /// # Errors
    /// Same as [`Connection::send_prepared`].
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, UsageError> {
        self.0.prepared(prepared, out)
    }

    /// Begins a message that is sent in fragments; see [`Connection::begin_message`].
    ///
    /// # Errors
    /// Same as [`Connection::begin_message`].
    pub fn begin_message(&mut self, kind: Kind) -> Result<(), UsageError> {
        self.0.begin(kind)
    }

    /// Appends a fragment of the message in progress; see [`Connection::append_fragment`].
    ///
    /// # Errors
    /// Same as [`Connection::append_fragment`].
    pub fn append_fragment(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.0.fragment(payload, false, out)
    }

    /// Appends the last fragment of the message in progress; see [`Connection::finish_message`].
    ///
    /// # Errors
    /// Same as [`Connection::finish_message`].
    pub fn finish_message(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.0.fragment(payload, true, out)
    }

    /// Appends a ping; see [`Connection::ping`].
    ///
    /// # Errors
    /// Same as [`Connection::ping`].
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.0.control(OpCode::Ping, payload, out)
    }

    /// Appends a close frame to `out`, after which this half sends nothing.
    ///
    /// # Errors
    /// Same as [`Connection::close`].
    pub fn close(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.0.close(frame, out)
    }
}
