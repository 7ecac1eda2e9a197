use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::bus::BusError;

/// The reason why [`Nats`](super::Nats) failed, within [`BusError::Broker`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsError {
    /// The prefix is not 1 to 32 letters, digits, `-` and `_`.
    Prefix(Box<str>),
    /// Positions would be kept for less than the 5 minutes for which publications' ids are.
    PositionsKept,
    /// The text is no address of a server. It may hold a password, and is not shown.
    Address {
        /// The index of the text among those between the commas.
        index: usize,
    },
    /// No server answered on this subject of JetStream: JetStream is not enabled, the account may
    /// not use it, or no server leads the stream.
    NoJetStream(Box<str>),
    /// JetStream refused a request.
    Refused {
        /// The subject of the request.
        subject: Box<str>,
        /// JetStream's code of the error.
        code: u32,
        /// JetStream's description of the error.
        description: Box<str>,
    },
    /// An existing stream does not fit its rooms.
    Stream {
        /// The name of the stream.
        stream: Box<str>,
        /// The expected property.
        expected: Box<str>,
    },
    /// The rooms of the hub have more different retentions than
    /// [`Nats::MAX_RETENTIONS`](super::Nats::MAX_RETENTIONS).
    TooManyRetentions,
    /// The id of a publication has more than 1,024 bytes.
    IdTooLong {
        /// The length of the id in bytes.
        length: usize,
    },
    /// A reply to a request on this subject has an unexpected form.
    Reply(Box<str>),
}

impl fmt::Display for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => {
                write!(f, "the prefix {prefix:?} is not 1 to 32 letters, digits, '-' and '_'")
            }
            Self::PositionsKept => f.write_str("positions have to be kept for 5 minutes or longer"),
            Self::Address { index } => {
                let number = index + 1;
                write!(f, "server {number} is no address such as nats://127.0.0.1:4222")
            }
            Self::NoJetStream(subject) => {
                write!(f, "JetStream does not answer on {subject}: is it enabled for this account?")
            }
            Self::Refused { subject, code, description } => {
                write!(f, "JetStream refused {subject}: {description} ({code})")
            }
            Self::Stream { stream, expected } => {
                write!(f, "the stream {stream} exists with other properties: expected {expected}")
            }
            Self::TooManyRetentions => {
                let max = super::Nats::MAX_RETENTIONS;
                write!(f, "the hub's rooms have more than {max} different retentions")
            }
            Self::IdTooLong { length } => {
                let max = super::MAX_ID_LENGTH;
                write!(f, "the id of a publication has {length} bytes, more than {max}")
            }
            Self::Reply(subject) => {
                write!(f, "the reply to {subject} has a form that this version does not know")
            }
        }
    }
}

impl Error for NatsError {}

impl From<NatsError> for BusError {
    fn from(error: NatsError) -> Self {
        Self::Broker(Arc::new(error))
    }
}

/// The reason why an operation on a stream failed.
#[derive(Debug)]
pub(super) enum Failure {
    Bus(BusError),
    /// The stream does not exist, or no server leads it.
    NoStream,
    /// The room's last record is not the expected one.
    OtherLastRecord,
    /// The first reply of several did not arrive: what the others do not contain is not known.
    LostReply,
    /// The servers of the stream are about to store another publication with this id.
    IdInProcess,
}

impl<E: Into<BusError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Bus(error.into())
    }
}
