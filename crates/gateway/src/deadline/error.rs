use std::error::Error;
use std::fmt;

use super::TimeoutForm;

/// A header that is not a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError {
    /// The form of the header.
    pub form: TimeoutForm,
    /// The fault.
    pub fault: TimeoutFault,
}

/// The fault of a header that is not a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutFault {
    /// The header is there more than once.
    Repeated,
    /// The value does not have the form.
    Malformed,
    /// The number has too many digits.
    TooManyDigits,
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.form.header_name();
        match self.fault {
            TimeoutFault::Repeated => write!(f, "the header {name} must be there once"),
            TimeoutFault::Malformed | TimeoutFault::TooManyDigits => {
                write!(f, "the header {name} must be {}", self.form.expected())
            }
        }
    }
}

impl Error for TimeoutError {}
