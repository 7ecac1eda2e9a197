//! A service for the tests of `sockeye-grpc`, and what they do with it.
//!
//! [`scenarios`] knows no target: native tests and those in a browser run the same, against a server of [`service`].

pub mod proto;
pub mod scenarios;
pub mod service;
