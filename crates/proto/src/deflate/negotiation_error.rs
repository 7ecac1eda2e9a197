use std::fmt;

/// The reason why a client refuses a server's answer to its offer of permessage-deflate. The client
/// must fail the connection (RFC 7692 section 7). Text from the server is truncated to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// A parameter that RFC 7692 does not define.
    UnknownParameter {
        /// The parameter's name, as received.
        name: String,
    },
    /// A parameter that is listed twice.
    DuplicateParameter {
        /// The parameter's name.
        name: &'static str,
    },
    /// A value for a parameter that takes none, no value for a parameter that requires one, or a
    /// window that is not a decimal number from 8 to 15 without leading zeros.
    InvalidValue {
        /// The parameter's name.
        name: &'static str,
        /// The value, as received.
        value: Option<String>,
    },
    /// A window that is larger than the offered window.
    WindowTooLarge {
        /// The parameter's name.
        name: &'static str,
        /// The offered window, in bits.
        offered: u8,
        /// The window in the server's answer, in bits.
        answered: u8,
    },
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate: ")?;
        match self {
            Self::UnknownParameter { name } => write!(f, "unknown parameter `{name}`"),
            Self::DuplicateParameter { name } => write!(f, "{name} is repeated"),
            Self::InvalidValue { name, value: Some(value) } => {
                write!(f, "{name} has the invalid value `{value}`")
            }
            Self::InvalidValue { name, value: None } => write!(f, "{name} has no value"),
            Self::WindowTooLarge { name, offered, answered } => {
                write!(f, "{name} is {answered}, but {offered} was offered")
            }
        }
    }
}

impl std::error::Error for NegotiationError {}
