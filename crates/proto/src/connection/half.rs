use bytes::Bytes;

use super::Connection;
use super::sending::Sending;
use crate::close::CloseFrame;
use crate::error::UsageError;
use crate::frame::OpCode;
use crate::message::{Kind, MessageRef};
use crate::prepared::Prepared;

/// The part of a [`Connection`] that sends messages, taken off it by [`Connection::sending_half`]: it holds the
/// compressor, so that whoever compresses a message keeps nobody from receiving.
///
/// The connection goes on to receive, and to answer with control frames. The order of both outputs on the wire is the
/// driver's matter, and so is to write nothing after a close frame of either.
#[derive(Debug)]
pub struct SendingHalf(Sending);

impl Connection {
    /// Takes off the part that sends messages. What the connection itself sends after that is not compressed.
    pub fn sending_half(&mut self) -> SendingHalf {
        SendingHalf(self.sending.take_off())
    }
}

impl SendingHalf {
    /// As [`Connection::send_in_place`].
    ///
    /// # Errors
    /// As there.
    pub fn send_in_place(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        self.0.in_place(message, out)
    }

    /// As [`Connection::send_prepared`].
    ///
    /// # Errors
    /// As there.
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut Vec<u8>,
    ) -> Result<Option<Bytes>, UsageError> {
        self.0.prepared(prepared, out)
    }

    /// As [`Connection::begin_message`].
    ///
    /// # Errors
    /// As there.
    pub fn begin_message(&mut self, kind: Kind) -> Result<(), UsageError> {
        self.0.begin(kind)
    }

    /// As [`Connection::append_fragment`].
    ///
    /// # Errors
    /// As there.
    pub fn append_fragment(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.0.fragment(payload, false, out)
    }

    /// As [`Connection::finish_message`].
    ///
    /// # Errors
    /// As there.
    pub fn finish_message(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.0.fragment(payload, true, out)
    }

    /// As [`Connection::ping`].
    ///
    /// # Errors
    /// As there.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.0.control(OpCode::Ping, payload, out)
    }

    /// Appends a close frame to `out`, after which this half sends nothing.
    ///
    /// # Errors
    /// As [`Connection::close`].
    pub fn close(
        &mut self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.0.close(frame, out)
    }
}
