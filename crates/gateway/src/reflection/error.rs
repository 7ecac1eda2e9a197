//! Errors of reflection and of descriptor sets.

use std::fmt;
use std::time::Duration;

use tonic::Status;

/// The reason why a set of file descriptors cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSetError {
    /// The bytes are not an encoded descriptor.
    Malformed,
    /// The set has more bytes than the limit.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The set has more files than the limit.
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
}

/// The reason why an upstream's services could not be learned by reflection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReflectionError {
    /// The call failed. `unimplemented` means that the server has no reflection.
    Status(Status),
    /// The server did not answer within the timeout.
    TimedOut {
        /// The timeout.
        limit: Duration,
    },
    /// The server answered something other than it was asked, or nothing.
    UnexpectedAnswer,
    /// The server lists more services than the limit.
    TooManyServices {
        /// The limit.
        limit: usize,
    },
    /// The descriptors cannot be used.
    FileSet(FileSetError),
}

impl From<Status> for ReflectionError {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<FileSetError> for ReflectionError {
    fn from(error: FileSetError) -> Self {
        Self::FileSet(error)
    }
}

impl fmt::Display for FileSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the bytes are not a file descriptor"),
            Self::TooLarge { limit } => {
                write!(f, "the file descriptors have more than {limit} bytes")
            }
            Self::TooManyFiles { limit } => write!(f, "there are more than {limit} files"),
        }
    }
}

impl fmt::Display for ReflectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                write!(f, "server reflection failed: {:?}: {}", status.code(), status.message())
            }
            Self::TimedOut { limit } => {
                write!(f, "server reflection took longer than {} s", limit.as_secs_f64())
            }
            Self::UnexpectedAnswer => {
                f.write_str("server reflection answered something other than it was asked")
            }
            Self::TooManyServices { limit } => {
                write!(f, "server reflection lists more than {limit} services")
            }
            Self::FileSet(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileSetError {}

impl std::error::Error for ReflectionError {}
