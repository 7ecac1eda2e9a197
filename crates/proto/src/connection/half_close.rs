use std::time::Duration;

use super::Connection;

impl Connection {
    /// Sets whether each direction ends separately, as in a byte stream. With `None`, the default,
    /// a close frame ends both directions. With a `silence`:
    ///
    /// - A close frame of the peer that arrives between messages, with a code [that reports no
    ///   failure](crate::CloseCode::is_orderly), is not answered at once: the connection becomes
    ///   [`State::PeerClosed`](super::State::PeerClosed), and can send until
    ///   [`close`](Connection::close) answers.
    /// - After the local close frame, the peer may continue to send as long as it is never silent
    ///   for `silence`, which replaces [`Config::close_timeout`](super::Config::close_timeout())
    ///   until the peer's close frame arrives. Silence is measured without reading the clock for
    ///   each message, so up to twice `silence` may pass after the last byte.
    ///
    /// A deadline that [`poll_timeout`](Connection::poll_timeout) has returned is unaffected; the
    /// next deadline changes.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    //# An endpoint MAY delay sending a Close frame until its current message
    //# is sent (for instance, if the majority of a fragmented message is
    //# already sent, an endpoint MAY send the remaining fragments before
    //# sending a Close frame).
    pub fn allow_half_close(&mut self, silence: Option<Duration>) {
        self.closing.allow_half_close(silence);
    }
}
