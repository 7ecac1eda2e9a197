//! Streams and datagrams over one connection: QMux without I/O, clock and randomness.
//!
//! QMux (draft-ietf-quic-qmux-02) carries the frames of QUIC over a reliable connection: streams
//! with windows of their own, and a window for all of them, resets, and datagrams. Over a
//! WebSocket, each binary message is a record of frames (draft-lcurley-qmux-websocket). The file
//! `docs/mux.md` of the repository states what is implemented.
//!
//! Programs use `sockeye::mux`, which drives the [`Multiplexer`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use sockeye_proto::Role;
//! use sockeye_proto::mux::{Config, Direction, Framing, Multiplexer, Received};
//!
//! // The driver provides the clock and the WebSocket.
//! let now = Duration::ZERO;
//! let mut client = Multiplexer::new(Role::Client, Config::new(), Framing::Messages, now);
//! let mut server = Multiplexer::new(Role::Server, Config::new(), Framing::Messages, now);
//!
//! // Both ends begin with their limits.
//! client.handle_record(server.poll_transmit(now).unwrap(), now)?;
//! server.handle_record(client.poll_transmit(now).unwrap(), now)?;
//!
//! let id = client.open(Direction::Bidirectional).unwrap();
//! assert_eq!(client.write(id, b"hello"), Ok(5));
//! assert_eq!(client.finish_stream(id), Ok(()));
//! while let Some(record) = client.poll_transmit(now) {
//!     server.handle_record(record, now)?;
//! }
//! assert_eq!(server.accept(Direction::Bidirectional), Some(id));
//! assert_eq!(server.read(id, 100), Ok(Received::Data("hello".into())));
//! assert_eq!(server.read(id, 100), Ok(Received::End));
//! # Ok::<_, sockeye_proto::mux::Violation>(())
//! ```

mod config;
mod control;
mod datagrams;
mod error;
mod frame;
mod liveness;
mod multiplexer;
mod parameters;
mod receiving;
mod record;
mod scheduler;
mod sending;
mod session_window;
mod stream_id;
mod streams;
#[cfg(test)]
mod tests;
mod varint;

pub use config::Config;
pub use datagrams::DroppedDatagrams;
pub use error::{ErrorCode, Violation};
pub use frame::Frame;
pub use multiplexer::{Event, Multiplexer, SessionEnd};
pub use parameters::TransportParameters;
pub use receiving::{ReceiveError, Received};
pub use record::{Framing, RecordDecoder};
pub use sending::SendError;
pub use stream_id::{Direction, StreamId};

/// The subprotocol of a WebSocket whose binary messages are records of QMux, without the name of an
/// application's protocol. Such a name follows after a dot, as in `qmux-02.example`.
pub const SUBPROTOCOL: &str = "qmux-02";
