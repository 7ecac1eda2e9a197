//! The handler server: callbacks on a worker per core, for the highest load.
//!
//! ```no_run
//! use sockeye::MessageRef;
//! use sockeye::push::{Connection, Handler, Server};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
//!         connection.send(message);
//!     }
//! }
//!
//! fn main() -> sockeye::Result<()> {
//!     Server::new(|| Echo).listen("127.0.0.1:8080")?.run()
//! }
//! ```
//!
//! Each worker is a thread with its own event loop, listener, [`Handler`] and connections, so
//! callbacks need no locks. A worker handles the messages of one read one by one, borrowed from the
//! receive buffer, and sends all replies with one write. A callback must not block: it would delay
//! every other connection of its worker.
//!
//! | to | use |
//! |---|---|
//! | handle messages, pings, closes, failures | [`Handler`], or [`Callbacks`] for closures |
//! | reply | [`Connection`] |
//! | set a timer | [`Connection::tick_after`] |
//! | send from another thread, at any time | [`Handle`] |
//! | run code on a connection from another thread | [`Handle::post`], [`Handler::event`] |
//! | send to all connections | [`Broadcaster`], [`Connection::broadcast`] |
//! | send to some connections, such as a chat room | a map from room to [`Handle`]s, which the handlers of all workers share, and a [`Multicast`](crate::Multicast) for each message |
//! | refuse a request, or attach data to its connection | [`Handler::upgrade`] |
//! | set limits, TLS, workers | [`Server`] |
//! | survive a panic in a callback, or stop | [`OnPanic`] |
//! | stop the server | [`ServerHandle`], [`Shutdown`](crate::Shutdown) |
//!
//! A program whose connections wait for anything besides their peers is better written with tasks:
//! see [`Server`](crate::Server) and [`WebSocket`](crate::WebSocket).

mod acceptor;
mod answer;
mod backend;
mod backlog;
mod broadcaster;
mod callbacks;
mod command_queue;
mod connection;
mod handle;
mod handle_error;
mod handler;
mod id;
mod listener;
mod multicast;
mod on_panic;
mod readiness;
mod send_capacity;
mod server;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "io-uring", target_os = "linux"))]
mod uring;
mod worker;
mod writer;

pub use answer::Answer;
pub use backend::Backend;
pub use broadcaster::Broadcaster;
pub use callbacks::Callbacks;
pub use connection::{Connection, SendOutcome};
pub use handle::Handle;
pub use handle_error::HandleError;
pub use handler::Handler;
pub use id::ConnectionId;
pub(crate) use multicast::WorkerLists;
pub use on_panic::OnPanic;
pub use server::{Listening, Server, ServerHandle};
