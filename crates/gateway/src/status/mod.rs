//! gRPC status codes, their HTTP forms, and bodies of errors.
//!
//! A [`Status`] is read from the trailers of a gRPC response, and written in the form of each
//! dialect: as trailers, as the JSON of REST ([`rest_body`]) or as the JSON of Connect
//! ([`ConnectError`]).

pub(crate) mod base64_any;
mod code;
mod connect;
mod details;
mod message;
mod rest;
mod retry_info;
mod trailers;

pub use self::code::Code;
pub use self::connect::{ConnectDetail, ConnectError};
pub use self::details::{Detail, StatusDetails};
pub use self::message::{decode_message, encode_message};
pub use self::rest::rest_body;
pub use self::trailers::{GRPC_MESSAGE, GRPC_STATUS, GRPC_STATUS_DETAILS_BIN, Status};
pub use crate::wire::MalformedMessage;
