//! Failures with their exit codes, TLS and the opening of WebSockets, for all commands that connect to
//! a server.

pub(crate) mod arguments;
pub(crate) mod failure;
mod headers;
pub(crate) mod opening;
pub(crate) mod tls;
pub(crate) mod token;

pub(crate) use self::arguments::ClientArguments;
pub(crate) use self::failure::{Failure, FailureKind};
