//! The properties that the fuzz targets of `fuzz/` check, each as a function of its input.
//!
//! The properties are a crate of the main workspace, so that an ordinary test replays every known
//! input on a stable compiler.

#![allow(missing_docs, clippy::missing_panics_doc, reason = "a check panics where it fails")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::decimal_bitwise_operands,
    reason = "inputs are cut into settings and wire formats by hand"
)]

pub mod connection_client;
pub mod connection_server;
pub mod connections;
pub mod deflate;
pub mod handshake_request;
pub mod handshake_response;
pub mod header;
pub mod inflate;
pub mod mux;
pub mod oracle;
pub mod resume;
