use std::any::Any;

use sockeye_proto::frame::Header;
use sockeye_proto::handshake::{Refusal, Request};
use sockeye_proto::{CloseFrame, MessageRef};

use super::{Answer, Connection};
use crate::Error;

/// What a program does when something happens on a connection.
///
/// Every worker makes a handler of its own, on its own thread, and calls it for all connections of that worker, one callback at a
/// time: its fields are state of the worker, which needs no lock. What belongs to one connection is kept as the connection's
/// [data](Connection::set_data), and what all workers share in something like an `Arc<Mutex<_>>` that the function given to
/// [`Server::new`](super::Server::new) clones.
///
/// ```text
///  upgrade ──► open ──► message, frame, ping, pong, tick, event, drained ──► error ──► close
///     │                 (in the order of arrival)                          (0 or 1)  (always, once, last)
///     └── refused: none of the others
/// ```
///
/// All callbacks of one connection come from one thread. What they send is corked, and leaves with one write when the input
/// at hand was handled. Those that input leads to run in a `tracing` span `websocket` with the connection's id, at the level of
/// debugging. A callback that panics ends its connection, or the server: see [`OnPanic`](super::OnPanic).
#[allow(unused_variables, reason = "the defaults ignore what they are given")]
pub trait Handler: 'static {
    /// A client asks for a connection. The request obeys the handshake's rules and its origin is allowed; headers may be
    /// added to the answer, another subprotocol chosen, and data attached to the connection.
    ///
    /// Like every callback it must not wait. Whether a client may connect is therefore best told from what is at hand: a
    /// signature, or a table that another thread keeps up to date. What has to be asked for elsewhere is asked for in
    /// [`open`](Self::open), by a task on some runtime. It is given the connection's [`Handle`](super::Handle), by which it
    /// closes a client that may not stay, with 1008 or a code of the application's (4000 to 4999); and it shares with the
    /// connection's [data](Connection::set_data) a place for its answer, such as an `Arc<OnceLock<User>>`, so that
    /// [`message`](Self::message) knows whether it is there yet: the example `push_auth` does so. A server that has to answer
    /// 401 or 403 after a wait is better written with [`Server::admit`](crate::Server::admit).
    ///
    /// # Errors
    /// A [`Refusal`] is what the client is answered instead.
    fn upgrade(&mut self, request: &Request<'_>, answer: &mut Answer) -> Result<(), Refusal> {
        Ok(())
    }

    /// The connection is open. What is sent here follows the answer at once.
    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {}

    /// A message arrived. It is borrowed from the receive buffer, or from the buffer that its fragments were put together
    /// in; sending it on does not copy a long payload.
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {}

    /// A frame begins, of a message or a control frame; what it carries is given to the other callbacks once it is there.
    /// Called only with [`Config::report_frames`](crate::Config::report_frames()).
    fn frame(&mut self, connection: &mut Connection, header: &Header) {}

    /// A ping arrived. It has been answered.
    fn ping(&mut self, connection: &mut Connection, payload: &[u8]) {}

    /// A pong arrived.
    fn pong(&mut self, connection: &mut Connection, payload: &[u8]) {}

    /// The time that [`Connection::tick_after`] asked for has come.
    fn tick(&mut self, connection: &mut Connection) {}

    /// An event was posted to the connection by [`Handle::post`](super::Handle::post): `event.downcast()` gives it back.
    fn event(&mut self, connection: &mut Connection, event: Box<dyn Any + Send>) {}

    /// Everything that the transport would not take at once has been written: see [`Connection::unwritten`].
    fn drained(&mut self, connection: &mut Connection) {}

    /// The connection fails. [`close`](Self::close) follows.
    fn error(&mut self, connection: &mut Connection, error: &Error) {}

    /// The connection is over: by a closing handshake, with what the peer's close frame said, or by an
    /// [`error`](Self::error), an abort, or a callback that panicked. Nothing can be sent any more.
    fn close(&mut self, connection: &mut Connection, frame: Option<&CloseFrame>) {}
}
