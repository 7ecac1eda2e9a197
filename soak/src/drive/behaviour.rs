use std::fmt;

/// The behaviour of a connection of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Sends messages of many sizes, compressed or not, one or several at a time, and verifies the
    /// echoes.
    Echo,
    /// Does the same in fragments.
    Fragments,
    /// Answers pings for some time, and closes.
    Idle,
    /// Requests much data, and reads slowly.
    SlowReader,
    /// Requests much data, and stops reading.
    Stopped,
    /// Floods with small messages.
    Flood,
    /// Floods with pings, and reads the pongs or not.
    Pings,
    /// Connects and sends nothing.
    Silent,
    /// Stops in the middle of its request.
    HalfHead,
    /// Stops in the middle of a frame.
    HalfFrame,
    /// Sends random bytes in place of a request.
    RandomRequest,
    /// Sends random bytes in place of frames.
    RandomFrames,
    /// Sends a message beyond the limit.
    TooLong,
    /// Resets the connection in its request, in a frame or between frames.
    Reset,
    /// Leaves the closing handshake, started by either side, unfinished.
    Unfinished,
    /// Connects again and again.
    ReconnectStorm,
    /// Sends many messages at once, and always reads.
    Bursts,
    /// Reads the messages that precede a close frame with pauses longer than the close timeout.
    Pauses,
}

/// Share of each behaviour, in percent of the connections.
const SHARES: [(Behaviour, usize); 18] = [
    (Behaviour::Echo, 32),
    (Behaviour::Fragments, 6),
    (Behaviour::Idle, 8),
    (Behaviour::SlowReader, 8),
    (Behaviour::Stopped, 5),
    (Behaviour::Flood, 2),
    (Behaviour::Pings, 2),
    (Behaviour::Silent, 4),
    (Behaviour::HalfHead, 4),
    (Behaviour::HalfFrame, 4),
    (Behaviour::RandomRequest, 4),
    (Behaviour::RandomFrames, 4),
    (Behaviour::TooLong, 3),
    (Behaviour::Reset, 4),
    (Behaviour::Unfinished, 4),
    (Behaviour::ReconnectStorm, 2),
    (Behaviour::Bursts, 2),
    (Behaviour::Pauses, 2),
];

impl Behaviour {
    /// Returns all behaviours, in the order of the table.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        SHARES.into_iter().map(|(behaviour, _)| behaviour)
    }

    /// Returns the behaviour of the connection with this number.
    pub(super) fn of(number: usize) -> Self {
        let mut place = number % 100;
        for (behaviour, share) in SHARES {
            if place < share {
                return behaviour;
            }
            place -= share;
        }
        Self::Echo
    }

    /// Returns whether the behaviour follows the protocol, so that no such session may fail.
    pub(super) const fn is_honest(self) -> bool {
        matches!(self, Self::Echo | Self::Fragments | Self::Idle)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echo => "echo, verified",
            Self::Fragments => "fragments, verified",
            Self::Idle => "idle",
            Self::SlowReader => "slow reader",
            Self::Stopped => "stops reading",
            Self::Flood => "flood of messages",
            Self::Pings => "flood of pings",
            Self::Silent => "sends nothing",
            Self::HalfHead => "half a request",
            Self::HalfFrame => "half a frame",
            Self::RandomRequest => "random request",
            Self::RandomFrames => "random frames",
            Self::TooLong => "over the limit",
            Self::Reset => "resets",
            Self::Unfinished => "unfinished closing",
            Self::ReconnectStorm => "reconnect storm",
            Self::Bursts => "bursts, all read",
            Self::Pauses => "pauses before a close",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_connections_have_every_behaviour_in_its_share() {
        for (behaviour, share) in SHARES {
            assert_eq!(
                (0..100).filter(|number| Behaviour::of(*number) == behaviour).count(),
                share
            );
        }
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<usize>(), 100);
    }
}
