//! The WebSocket protocol without I/O.

pub mod close;
pub mod error;
pub mod extension;
pub mod frame;
pub mod mask;
pub mod message;
pub mod text;
mod token;

pub use close::{CloseCode, CloseFrame};
pub use error::{ProtocolError, UsageError};
pub use frame::OpCode;
pub use message::{Kind, Message, MessageCow, MessageRef};
pub use text::Utf8Bytes;
