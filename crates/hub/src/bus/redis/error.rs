use std::error::Error;
use std::fmt;

use redis::RedisError;

use super::options::RedisOptionsError;
use super::tls::RedisTlsError;
use super::url::{Address, RedisUrlError};

/// The reason why a [`Redis`](super::Redis) bus could not be created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The text is not a URL such as `redis://:password@127.0.0.1:6379/0`.
    Url(RedisUrlError),
    /// A setting is out of its range.
    Options(RedisOptionsError),
    /// The files for TLS cannot be used.
    Tls(RedisTlsError),
    /// A server or a sentinel was not reached, refused the connection, or does not know what it was
    /// asked for.
    Server {
        /// The address of the server or sentinel.
        address: String,
        /// The error.
        error: RedisError,
    },
    /// The server is older than Redis 6.2, or than 7.0 in a cluster.
    TooOld {
        /// The server's major and minor version.
        version: (u32, u32),
        /// The required version.
        minimum: (u32, u32),
    },
    /// The server is a sentinel or belongs to a cluster, and the URL is of another scheme.
    Mode {
        /// `sentinel` or `cluster`.
        mode: String,
    },
}

/// The reason why a link was not made, for the log.
pub(super) type BoxedError = Box<dyn Error + Send + Sync>;

/// An error, and the address of the server or sentinel that it is from.
#[derive(Debug)]
pub(super) struct ServerError {
    pub(super) address: Address,
    pub(super) error: RedisError,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => {
                write!(f, "expected a URL such as redis://127.0.0.1:6379: {error}")
            }
            Self::Options(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "TLS cannot be used: {error}"),
            Self::Server { address, error } => {
                write!(f, "no connection to Redis at {address}: {error}")
            }
            Self::TooOld { version: (major, minor), minimum: (min_major, min_minor) } => {
                write!(f, "Redis {major}.{minor} is older than {min_major}.{min_minor}")
            }
            Self::Mode { mode } => {
                write!(f, "the server is in the mode {mode}: expected a URL with redis+{mode}://")
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Server { error, .. } => Some(error),
            Self::Options(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::TooOld { .. } | Self::Mode { .. } => None,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

impl Error for ServerError {}

impl From<ServerError> for ConnectError {
    fn from(error: ServerError) -> Self {
        Self::Server { address: error.address.to_string(), error: error.error }
    }
}
