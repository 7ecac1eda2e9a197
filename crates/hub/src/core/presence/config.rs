use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The times and bounds of a [`Presence`](super::Presence). All nodes of a hub should have the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceConfig {
    /// Interval of the heartbeats that a node sends. Default: 2 s.
    pub heartbeat: Duration,
    /// Time after the last heartbeat of another node at which its members leave. At least three
    /// heartbeats, so that two may be lost or late. Default: 7 s, so that a death is seen within
    /// 8 s.
    pub lease: Duration,
    /// Time between the end of a user's last session in a room and the moment when the user leaves
    /// the room, and between the end of a room's last session and the moment when the room is
    /// vacated. A return within this time is not told. Default: 5 s, which covers a reload of a
    /// page and most reconnects.
    pub grace: Duration,
    /// Time for which the changes of a room are gathered into one
    /// [`PresenceDiff`](super::PresenceDiff). Without it, n sessions that join at once cause n²
    /// deliveries. Default: 250 ms.
    pub diff_delay: Duration,
    /// Time for which a node gathers its own changes into one message to the other nodes. Default:
    /// 50 ms, a fifth of the default of `diff_delay`.
    pub delta_delay: Duration,
    /// Time without an answer after which a snapshot is requested again. Default: 1 s.
    pub request_timeout: Duration,
    /// Maximum number of sessions in rooms, over all nodes. Own sessions beyond are refused with
    /// [`PresenceError::Full`](super::PresenceError::Full); those of other nodes are left out,
    /// counted by [`PresenceMetrics::refused_members`](super::PresenceMetrics), and asked for again
    /// with each heartbeat. A session in a room takes about 150 bytes beside its info and user.
    /// Default: 4,000,000.
    pub max_members: usize,
    /// Maximum number of other nodes. Further nodes are ignored, and counted by
    /// [`PresenceMetrics::refused_nodes`](super::PresenceMetrics). Default: 255.
    pub max_nodes: usize,
    /// Maximum length of a member's info in bytes. Longer infos are refused with
    /// [`PresenceError::InfoTooLong`](super::PresenceError::InfoTooLong). Default: 4,096.
    pub max_info: usize,
    /// Maximum number of sessions and users in a [`PresenceDiff`](super::PresenceDiff). Longer
    /// diffs are divided. Default: 500.
    pub max_diff: usize,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            lease: Duration::from_secs(7),
            grace: Duration::from_secs(5),
            diff_delay: Duration::from_millis(250),
            delta_delay: Duration::from_millis(50),
            request_timeout: Duration::from_secs(1),
            max_members: 4_000_000,
            max_nodes: 255,
            max_info: 4_096,
            max_diff: 500,
        }
    }
}

impl PresenceConfig {
    /// The longest time that a configuration may contain: one day.
    pub const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

    pub(super) fn check(&self) -> Result<(), PresenceConfigError> {
        use PresenceConfigError as E;

        let times = [self.heartbeat, self.lease, self.grace, self.diff_delay, self.delta_delay];
        if times.into_iter().chain([self.request_timeout]).any(|time| time > Self::MAX_TIME) {
            return Err(E::TimeTooLong);
        }
        if self.heartbeat.is_zero() || self.request_timeout.is_zero() {
            return Err(E::TimeIsZero);
        }
        if self.lease < self.heartbeat * 3 {
            return Err(E::LeaseTooShort { lease: self.lease, heartbeat: self.heartbeat });
        }
        if self.max_diff == 0 {
            return Err(E::EmptyDiffs);
        }
        Ok(())
    }
}

/// A [`PresenceConfig`] contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceConfigError {
    /// A time is longer than [`PresenceConfig::MAX_TIME`].
    TimeTooLong,
    /// `heartbeat` or `request_timeout` is zero.
    TimeIsZero,
    /// `lease` is shorter than three heartbeats.
    LeaseTooShort {
        /// The lease.
        lease: Duration,
        /// The interval of heartbeats.
        heartbeat: Duration,
    },
    /// `max_diff` is zero.
    EmptyDiffs,
}

impl fmt::Display for PresenceConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeTooLong => f.write_str("a time of the presence is longer than a day"),
            Self::TimeIsZero => f.write_str("the presence's heartbeat or request_timeout is zero"),
            Self::LeaseTooShort { lease, heartbeat } => {
                write!(f, "a lease of {lease:?} is shorter than three heartbeats of {heartbeat:?}")
            }
            Self::EmptyDiffs => f.write_str("max_diff is zero"),
        }
    }
}

impl Error for PresenceConfigError {}
