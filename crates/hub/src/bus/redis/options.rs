use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The settings of a [`Redis`](super::Redis) bus.
///
/// ```
/// use std::time::Duration;
///
/// use sockeye_hub::bus::redis::RedisOptions;
///
/// let options = RedisOptions::new().prefix("chat:").timeout(Duration::from_secs(2));
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(super) prefix: Box<str>,
    pub(super) readers: usize,
    pub(super) timeout: Duration,
    pub(super) max_requests: usize,
    pub(super) max_bytes: usize,
}

impl RedisOptions {
    /// The maximum of [`readers`](Self::readers).
    pub const MAX_READERS: usize = 64;

    /// The maximum of [`timeout`](Self::timeout): the window in which the id of a publication is
    /// known is longer, so that a publication that is sent again is found.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(120);

    /// Creates the default settings.
    pub fn new() -> Self {
        Self {
            prefix: "sockeye:".into(),
            readers: 2,
            timeout: Duration::from_secs(5),
            max_requests: 16_384,
            max_bytes: 64 << 20,
        }
    }

    /// Sets the text that all keys and channels begin with. All nodes of a hub have the same
    /// prefix; hubs that share a Redis server have different ones, also if they use different
    /// databases, as channels belong to all databases. In a cluster, a prefix has no `{` and `}`,
    /// which would choose the slot. Default: `sockeye:`.
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets the number of connections that receive publications: each room belongs to one. In a
    /// cluster, each primary has this number. 1 to [`MAX_READERS`](Self::MAX_READERS); default: 2.
    pub fn readers(self, readers: usize) -> Self {
        Self { readers, ..self }
    }

    /// Sets the time after which an operation fails, including the time for which it waits for the
    /// link. 1 ms to [`MAX_TIMEOUT`](Self::MAX_TIMEOUT); default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the maximum number of operations at a time, and of the bytes that they send. While the
    /// link is up, further operations wait; while it is down, they fail with
    /// [`BusError::Down`](crate::bus::BusError::Down). An operation that alone exceeds the bytes is
    /// carried out alone. Messages between nodes have bounds of their own. Default: 16,384
    /// operations of 64 MiB; 0 counts as 1.
    pub fn max_requests(self, requests: usize, bytes: usize) -> Self {
        Self { max_requests: requests, max_bytes: bytes, ..self }
    }

    pub(super) fn check(&self, is_cluster: bool) -> Result<(), RedisOptionsError> {
        if is_cluster && self.prefix.contains(['{', '}']) {
            return Err(RedisOptionsError::PrefixWithBraces);
        }
        if self.readers == 0 || self.readers > Self::MAX_READERS {
            return Err(RedisOptionsError::Readers { readers: self.readers });
        }
        if self.timeout < Duration::from_millis(1) || self.timeout > Self::MAX_TIMEOUT {
            return Err(RedisOptionsError::Timeout { timeout: self.timeout });
        }
        Ok(())
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A setting of [`RedisOptions`] is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisOptionsError {
    /// The prefix has a `{` or `}`, which cannot be used in a cluster.
    PrefixWithBraces,
    /// The number of readers is 0 or more than [`RedisOptions::MAX_READERS`].
    Readers {
        /// The number.
        readers: usize,
    },
    /// The timeout is less than 1 ms or more than [`RedisOptions::MAX_TIMEOUT`].
    Timeout {
        /// The timeout.
        timeout: Duration,
    },
}

impl fmt::Display for RedisOptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrefixWithBraces => f.write_str("a prefix in a cluster has no braces"),
            Self::Readers { readers } => {
                write!(f, "{readers} readers are not 1 to {}", RedisOptions::MAX_READERS)
            }
            Self::Timeout { timeout } => {
                let max = RedisOptions::MAX_TIMEOUT;
                write!(f, "a timeout of {timeout:?} is not 1 ms to {max:?}")
            }
        }
    }
}

impl Error for RedisOptionsError {}
