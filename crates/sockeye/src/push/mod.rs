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
//! Each worker is a thread with an event loop, a listener, a [`Handler`] and connections of its own: nothing in a callback
//! needs a lock. What one read brings is handled message by message, borrowed from the buffer that it was read into, and all
//! answers leave with one write. A callback must not block: it holds up every other connection of its worker.
//!
//! | to | use |
//! |---|---|
//! | see messages, pings, closes, failures | [`Handler`], or [`Callbacks`] for closures |
//! | answer | [`Connection`] |
//! | do something later | [`Connection::tick_after`] |
//! | send from elsewhere, at any time | [`Handle`] |
//! | run code on a connection from elsewhere | [`Handle::post`], [`Handler::event`] |
//! | send to all | [`Broadcaster`], [`Connection::broadcast`] |
//! | refuse a request, or attach data to its connection | [`Handler::upgrade`] |
//! | set limits, TLS, workers | [`Server`] |
//! | survive a panic, or not | [`OnPanic`] |
//! | stop | [`Stopper`], [`Shutdown`](crate::Shutdown) |
//!
//! A program whose connections wait for other things than their peers is better written with tasks: see
//! [`Server`](crate::Server) and [`WebSocket`](crate::WebSocket).

mod acceptor;
mod answer;
mod backend;
mod broadcaster;
mod callbacks;
mod command_queue;
mod connection;
mod handle;
mod handler;
mod id;
mod listener;
mod on_panic;
mod readiness;
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
pub use connection::{Connection, Sent};
pub use handle::{Handle, HandleError};
pub use handler::Handler;
pub use id::ConnectionId;
pub use on_panic::OnPanic;
pub use server::{Listening, Server, Stopper};
