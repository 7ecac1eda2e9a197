//! WebSockets on tokio.

#[cfg(feature = "axum")]
pub mod axum;
mod client;
mod error;
mod opening;
mod outcome;
mod random;
mod server;
#[cfg(feature = "tls")]
mod tls;
mod transport;
pub mod upgrade;
mod websocket;

pub use client::{Client, ConnectError, Stage, connect};
pub use error::{Error, Result};
pub use outcome::Outcome;
pub use server::Server;
#[cfg(feature = "deflate")]
pub use sockeye_proto::deflate::{self, Deflate};
pub use sockeye_proto::{
    CloseCode, CloseFrame, Config, Kind, Message, MessageRef, ProtocolError, TimedOut, UsageError,
    Utf8Bytes, close, frame, handshake, mask, text,
};
pub use upgrade::UpgradeError;
pub use websocket::WebSocket;
