use std::any::Any;

use sockeye_proto::frame::Header;
use sockeye_proto::handshake::{Refusal, Request};
use sockeye_proto::{CloseFrame, MessageRef};

use super::{Answer, Connection};
use crate::Error;

/// The callbacks of a program for the events of its connections.
///
/// Every worker creates one handler, on its own thread, and calls it for all of its connections,
/// one callback at a time: the handler's fields are state of the worker and need no lock. State of
/// one connection belongs in the connection's [data](Connection::set_data). State that all workers
/// share belongs in, for example, an `Arc<Mutex<_>>` that the function passed to
/// [`Server::new`](super::Server::new) clones.
///
/// ```text
///  upgrade ──► open ──► message, frame, ping, pong, tick, event, drained ──► error ──► close
///     │                 (in the order of arrival)                          (0 or 1)  (1, last)
///     └── refused: none of the others
/// ```
///
/// All callbacks of one connection run on one thread. Messages that they send are corked, and are
/// written together once the current input is handled. Callbacks for input and posted events run in
/// a `tracing` span `websocket` with the connection's id, at debug level. A panic in a callback
/// ends its connection, or the server: see [`OnPanic`](super::OnPanic).
#[allow(unused_variables, reason = "the default methods ignore their arguments")]
pub trait Handler: 'static {
    /// Decides whether to admit a client. The request is a valid opening handshake from an allowed
    /// origin. The callback may add headers to the answer, choose another subprotocol, and attach
    /// data to the connection.
    ///
    /// Like every callback, `upgrade` must not block. Decide from local data: a signature, or a
    /// table that another thread keeps up to date. If the decision depends on another service, let
    /// [`open`](Self::open) start a task on an async runtime that queries the service. Give that
    /// task the connection's [`Handle`](super::Handle), to close a client that is not admitted,
    /// with 1008 or a code of the application (4000 to 4999). Share a slot for the result between
    /// the task and the connection's [data](Connection::set_data), such as an
    /// `Arc<OnceLock<User>>`, so that [`message`](Self::message) knows whether the result has
    /// arrived: see the example `push_auth`. A server that must wait before it answers 401 or 403
    /// is better written with [`Server::admit`](crate::Server::admit).
    ///
    /// # Errors
    /// A returned [`Refusal`] is the server's answer to the client.
    fn upgrade(&mut self, request: &Request<'_>, answer: &mut Answer) -> Result<(), Refusal> {
        Ok(())
    }

    /// Handles a connection that has just opened. Messages sent here follow the answer at once.
    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {}

    /// Handles a message. The message is borrowed from the receive buffer, or from the buffer in
    /// which its fragments were reassembled. Passing the message to [`Connection::send`] does not
    /// copy a payload of 4 KiB or more.
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {}

    /// Handles the header of a data frame or control frame. The other callbacks receive the payload
    /// once it is complete. Called only with
    /// [`Config::report_frames`](crate::Config::report_frames()).
    fn frame(&mut self, connection: &mut Connection, header: &Header) {}

    /// Handles a ping, which was already answered.
    fn ping(&mut self, connection: &mut Connection, payload: &[u8]) {}

    /// Handles a pong.
    fn pong(&mut self, connection: &mut Connection, payload: &[u8]) {}

    /// Handles the tick that [`Connection::tick_after`] requested.
    fn tick(&mut self, connection: &mut Connection) {}

    /// Handles an event that [`Handle::post`](super::Handle::post) posted to the connection:
    /// `event.downcast()` recovers its type.
    fn event(&mut self, connection: &mut Connection, event: Box<dyn Any + Send>) {}

    /// Handles the end of backpressure: all output that the transport did not accept at once has
    /// been written. See [`Connection::unwritten`].
    fn drained(&mut self, connection: &mut Connection) {}

    /// Handles the error that ends the connection. [`close`](Self::close) follows.
    fn error(&mut self, connection: &mut Connection, error: &Error) {}

    /// Handles the end of the connection: by a closing handshake, with the peer's close frame, or
    /// by an [`error`](Self::error), an abort, or a panic in a callback. Nothing can be sent any
    /// more.
    fn close(&mut self, connection: &mut Connection, frame: Option<&CloseFrame>) {}
}
