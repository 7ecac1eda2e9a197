/// What becomes of a [`Server`](super::Server) when a callback of its [`Handler`](super::Handler) panics.
///
/// A panic that is compiled to end the process (`panic = "abort"`) ends it either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPanic {
    /// The connection of the callback is closed with 1011, and all others go on. What the callback sent before it panicked is
    /// still written; [`Handler::close`](super::Handler::close) follows. A panic in
    /// [`Handler::upgrade`](super::Handler::upgrade) is answered with 500.
    ///
    /// The handler of the worker goes on as the panic left it. One that changes its own state in steps of which a
    /// panic may leave out some does so in an order that can be borne, or its server names [`StopServer`](Self::StopServer).
    ///
    /// Each panic is logged by `tracing` as an error, with its message, and counted as a connection that failed with the cause
    /// `panic`.
    #[default]
    CloseConnection,
    /// The server stops, and [`Listening::run`](super::Listening::run) panics with what the callback panicked with.
    StopServer,
}
