//! The WebSocket protocol without I/O: RFC 6455 and RFC 7692 as state machines over byte slices.
//!
//! Nothing here opens a socket, reads a clock or makes randomness: those are arguments. Programs on tokio use the crate
//! `sockeye`, which drives this one and re-exports its vocabulary; this one is for those who bring their own event loop,
//! transport or buffers, and builds for `wasm32-unknown-unknown`.
//!
//! The layers, from the bottom up, of which each can be used alone:
//!
//! - [`frame`] and [`mask`]: headers and payloads by hand.
//! - [`handshake`]: from a request's bytes, or an HTTP library's types, to an agreement on subprotocol and extensions.
//! - [`connection`]: everything between the opening handshake and the end of the transport, in one machine for both roles.
//!   The example on [`Connection`] is the whole of its drive loop.
//!
//! What is left out, and why, is in the file `NOT_IMPLEMENTED.md` beside the crate's manifest.

mod assembler;
pub mod backoff;
mod budget;
pub mod close;
mod closing;
pub mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod error;
mod error_chain;
mod escape;
mod excerpt;
pub mod extension;
pub mod frame;
pub mod handshake;
mod keepalive;
pub mod mask;
pub mod message;
mod prepared;
pub mod reconnect;
mod span;
pub mod text;
mod token;

pub use budget::{Charge, MemoryBudget};
pub use close::{CloseCode, CloseFrame};
pub use connection::{
    Config, Connection, Event, Input, Role, Rtt, State, TimedOut, TransportStatus,
};
pub use error::{ProtocolError, UsageError};
pub use error_chain::ErrorChain;
pub use escape::{Escaped, escape};
pub use frame::OpCode;
pub use message::{Kind, Message, MessageCow, MessageRef};
pub use prepared::Prepared;
pub use text::Utf8Bytes;
