use std::time::Duration;

use super::Connection;

impl Connection {
    /// Whether each direction ends by itself, as those of a byte stream do; `None`, the default, is that a close frame ends
    /// both.
    ///
    /// - A close frame of the peer with a code [that tells of no failure](crate::CloseCode::is_orderly), and between
    ///   messages, is not answered at once: the connection is [`State::PeerClosed`](super::State::PeerClosed), and goes on
    ///   to send until [`close`](Connection::close) answers.
    /// - After the local close frame the peer may go on to send, as long as it is never silent for `silence`: that takes the
    ///   place of [`Config::close_timeout`](super::Config::close_timeout) until the peer's close frame is there. It is
    ///   measured without reading the clock for each message, so that up to twice as much may pass after the last byte.
    ///
    /// A deadline that was told stays: what changes is the next one.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    //# An endpoint MAY delay sending a Close frame until its current message
    //# is sent (for instance, if the majority of a fragmented message is
    //# already sent, an endpoint MAY send the remaining fragments before
    //# sending a Close frame).
    pub fn allow_half_close(&mut self, silence: Option<Duration>) {
        self.closing.allow_half_close(silence);
    }
}
