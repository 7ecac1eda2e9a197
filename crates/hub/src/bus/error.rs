use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The reason why an operation of a bus failed. Clones share the cause.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BusError {
    /// The link to the broker or to the other nodes is down. Nothing is known of the outcome:
    /// publish again with the same [`PublicationId`](crate::core::PublicationId).
    Down,
    /// The operation took too long. Nothing is known of the outcome, as for [`Down`](Self::Down).
    TimedOut,
    /// The broker refused or failed the operation.
    Broker(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("the link of the bus is down"),
            Self::TimedOut => f.write_str("the bus did not answer in time"),
            Self::Broker(error) => write!(f, "the broker of the bus failed: {error}"),
        }
    }
}

impl Error for BusError {}
