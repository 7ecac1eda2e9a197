//! WebSockets on tokio.

mod error;
mod random;
mod transport;
mod websocket;

pub use error::{Error, Result};
pub use sockeye_proto::{
    CloseCode, CloseFrame, Config, Kind, Message, MessageRef, ProtocolError, TimedOut, UsageError,
    Utf8Bytes, close, frame, mask, text,
};
pub use websocket::WebSocket;
