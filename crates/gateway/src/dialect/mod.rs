//! The wire formats of clients.

pub mod framing;
