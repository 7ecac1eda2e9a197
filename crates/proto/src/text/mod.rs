//! UTF-8: the incremental check of text messages, and the string type of received text messages.

mod utf8_bytes;
mod validator;

pub use utf8_bytes::Utf8Bytes;
pub use validator::{InvalidUtf8, Validator};
