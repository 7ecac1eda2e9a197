use std::fmt;
use std::io;

/// A feature that `io_uring` lacks on this system, so that it cannot be the backend.
#[derive(Debug)]
pub(super) enum Missing {
    /// A ring with one issuer and deferred work (Linux 6.1): the kernel is older, or does not allow
    /// it.
    Ring(io::Error),
    /// Buffers provided through a ring (Linux 5.19).
    BufferRing(io::Error),
    /// The guarantee that memory which a submission points to may be freed once it was submitted
    /// (Linux 5.5).
    StableSubmission,
    /// Waits with a timeout (Linux 5.11).
    Timeout,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(error) => {
                write!(f, "io_uring cannot be set up with one issuer and deferred work: {error}")
            }
            Self::BufferRing(error) => {
                write!(f, "io_uring does not support rings of buffers: {error}")
            }
            Self::StableSubmission => f.write_str("io_uring does not support stable submissions"),
            Self::Timeout => f.write_str("io_uring does not support waits with a timeout"),
        }
    }
}

impl std::error::Error for Missing {}

impl From<Missing> for io::Error {
    fn from(missing: Missing) -> Self {
        Self::new(io::ErrorKind::Unsupported, missing)
    }
}
