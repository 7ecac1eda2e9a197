//! Failures with their exit codes, tokens and TLS, for all commands that connect to a server.

pub(crate) mod failure;
pub(crate) mod tls;
pub(crate) mod token;

pub(crate) use self::failure::{Failure, FailureKind};
