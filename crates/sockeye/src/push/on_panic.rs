/// The reaction of a [`Server`](super::Server) to a panic in a callback of its
/// [`Handler`](super::Handler).
///
/// In a program whose panics abort (`panic = "abort"`), a panic ends the process with either
/// variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPanic {
    /// The connection of the callback is closed with 1011, and all others continue. Messages that
    /// the callback sent before the panic are still written;
    /// [`Handler::close`](super::Handler::close) follows. A panic in
    /// [`Handler::upgrade`](super::Handler::upgrade) is answered with 500.
    ///
    /// The panic may leave the state of the worker's handler half updated. A handler that changes
    /// its state in several steps must do so in an order that tolerates this, or its server must
    /// use [`StopServer`](Self::StopServer).
    ///
    /// Each panic is logged by `tracing` as an error, with its message, and counted as a failed
    /// connection with the cause `panic`.
    #[default]
    CloseConnection,
    /// The server stops, and [`Listening::run`](super::Listening::run) panics with the payload of
    /// the callback's panic.
    StopServer,
}
