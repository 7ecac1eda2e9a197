use std::time::Duration;

use super::error::NatsError;
use super::subjects::Subjects;
use crate::core::history::ID_WINDOW;

/// The settings of a [`Nats`](super::Nats). Every node of a hub must have the same ones.
///
/// ```
/// use sockeye_hub::bus::nats::{NatsOptions, Storage};
///
/// let options = NatsOptions::new().prefix("chat").storage(Storage::Memory);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct NatsOptions {
    pub(super) prefix: String,
    pub(super) storage: Storage,
    pub(super) replicas: usize,
    pub(super) max_bytes: Option<u64>,
    pub(super) positions_kept: Duration,
    pub(super) timeout: Duration,
    pub(super) retry_for: Duration,
}

/// The medium on which the broker keeps the histories of rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk. A broker that loses its power may lose the last two minutes, by its default.
    #[default]
    File,
    /// In memory: a broker of its own loses the histories when it restarts.
    Memory,
}

impl NatsOptions {
    /// Creates the default settings.
    pub fn new() -> Self {
        Self {
            prefix: "hub".into(),
            storage: Storage::File,
            replicas: 1,
            max_bytes: Some(1 << 30),
            positions_kept: Duration::from_secs(30 * 24 * 3600),
            timeout: Duration::from_secs(5),
            retry_for: Duration::from_secs(10),
        }
    }

    /// Sets how all subjects and streams of this hub begin: two hubs on one broker have different
    /// prefixes. 1 to 32 letters, digits, `-` and `_`. Default: `hub`.
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Sets where the broker keeps histories. Default: [`Storage::File`].
    pub fn storage(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// Sets the number of servers that keep each history: an odd number up to 5. Default: 1.
    pub fn replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
    }

    /// Sets the maximum size of the histories of all rooms with one retention, in bytes; `None` for
    /// no limit. The broker reserves this size. Default: 1 GiB.
    ///
    /// Beyond it the broker removes the oldest publications, whatever room they belong to, also the
    /// last ones of quiet rooms, and what gives a room without publications its position. A client
    /// that returns to such a room is told that it may have missed publications, although it has
    /// not. Choose the size so that the busy rooms of a retention do not fill it within the time
    /// for which clients are away.
    pub fn max_bytes(self, max: Option<u64>) -> Self {
        Self { max_bytes: max, ..self }
    }

    /// Sets the time for which the broker keeps the last publications of a quiet room, although
    /// they are not read any more after [`Retention::age`]: by them a client that returns is told
    /// that it has missed nothing. At least 5 minutes. Default: 30 days.
    ///
    /// [`Retention::age`]: crate::core::history::Retention::age
    pub fn positions_kept(self, time: Duration) -> Self {
        Self { positions_kept: time, ..self }
    }

    /// Sets the time after which an operation fails. Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the time for which a publication that has an id is published again and again, when the
    /// broker does not acknowledge it. At most 4 minutes, as the broker knows ids for 5. Default:
    /// 10 s.
    pub fn retry_for(self, time: Duration) -> Self {
        Self { retry_for: time.min(Duration::from_secs(240)), ..self }
    }

    pub(super) fn check(&self) -> Result<(), NatsError> {
        if !Subjects::is_prefix(&self.prefix) {
            return Err(NatsError::Prefix(self.prefix.as_str().into()));
        }
        if self.positions_kept < ID_WINDOW {
            return Err(NatsError::PositionsKept);
        }
        Ok(())
    }
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self::new()
    }
}
