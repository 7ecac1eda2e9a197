//! The WebSocket protocol without I/O: RFC 6455 and RFC 7692 as state machines over byte slices.
//!
//! This crate opens no socket, reads no clock and generates no randomness: time and mask keys are
//! arguments. Programs on tokio use the crate `sockeye`, which drives this crate and re-exports its
//! types. This crate is for programs with their own event loop, transport or buffers, and builds
//! for `wasm32-unknown-unknown`.
//!
//! The layers, from the bottom up; each can be used alone:
//!
//! - [`frame`] and [`mask`]: single headers and payloads.
//! - [`handshake`]: from the bytes of a request, or the types of an HTTP library, to an agreed
//!   subprotocol and extensions.
//! - [`connection`]: everything between the opening handshake and the end of the transport, as one
//!   state machine for both roles. The example on [`Connection`] is the complete drive loop.
//!
//! The file `NOT_IMPLEMENTED.md`, beside the crate's manifest, lists the rules that are not
//! implemented, with the reasons.

mod assembler;
mod budget;
pub mod close;
mod close_code;
mod closing;
mod compact_duration;
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
pub mod mux;
mod prepared;
pub mod reconnect;
pub mod resume;
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
