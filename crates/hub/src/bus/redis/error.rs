use std::error::Error;
use std::fmt;

use redis::RedisError;

use super::options::RedisOptionsError;

/// The reason why a [`Redis`](super::Redis) bus could not be created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The text is not the URL of a Redis server, such as `redis://:password@127.0.0.1:6379/0`.
    Url(RedisError),
    /// A setting is out of its range.
    Options(RedisOptionsError),
    /// The server was not reached, or refused the connection.
    Server(RedisError),
    /// The server is older than Redis 6.2.
    TooOld {
        /// The server's major and minor version.
        version: (u32, u32),
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => {
                write!(f, "expected a URL such as redis://127.0.0.1:6379: {error}")
            }
            Self::Options(error) => error.fmt(f),
            Self::Server(error) => write!(f, "no connection to the Redis server: {error}"),
            Self::TooOld { version: (major, minor) } => {
                write!(f, "Redis {major}.{minor} is older than 6.2")
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url(error) | Self::Server(error) => Some(error),
            Self::Options(error) => Some(error),
            Self::TooOld { .. } => None,
        }
    }
}
