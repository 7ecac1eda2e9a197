use std::fmt;

/// A close code, the reason for closing a connection: a number of the registry that RFC 6455
/// section 7.4 established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

macro_rules! close_codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $phrase:literal;)+) => {
        impl CloseCode {
            $($(#[$doc])+ pub const $name: Self = Self($code);)+

            /// Returns the registered name of the code, or `None` if the code is not registered.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($phrase),)+
                    _ => None,
                }
            }
        }
    };
}

close_codes! {
    /// The purpose of the connection is fulfilled.
    NORMAL_CLOSURE = 1000, "Normal Closure";
    /// The endpoint goes away: a server that shuts down, a page that is left.
    GOING_AWAY = 1001, "Going Away";
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1002, "Protocol Error";
    /// The endpoint does not accept this kind of message.
    UNSUPPORTED_DATA = 1003, "Unsupported Data";
    /// The close frame had no code. Never on the wire: 1005 stands for the missing code.
    NO_STATUS_RCVD = 1005, "No Status Rcvd";
    /// The connection ended without a close frame. Never on the wire.
    ABNORMAL_CLOSURE = 1006, "Abnormal Closure";
    /// A message's data did not fit its type, such as text that is not UTF-8.
    INVALID_FRAME_PAYLOAD_DATA = 1007, "Invalid Frame Payload Data";
    /// A message broke the endpoint's policy.
    POLICY_VIOLATION = 1008, "Policy Violation";
    /// A message is longer than the endpoint accepts.
    MESSAGE_TOO_BIG = 1009, "Message Too Big";
    /// The client needed an extension that the server did not agree to.
    MANDATORY_EXT = 1010, "Mandatory Ext.";
    /// The server encountered an unexpected condition.
    INTERNAL_ERROR = 1011, "Internal Error";
    /// The server restarts; connect again after a random wait.
    SERVICE_RESTART = 1012, "Service Restart";
    /// The server is overloaded; connect again later.
    TRY_AGAIN_LATER = 1013, "Try Again Later";
    /// The server is a gateway, and the server behind it gave a bad answer.
    BAD_GATEWAY = 1014, "Bad Gateway";
    /// The TLS handshake failed. Never on the wire.
    TLS_HANDSHAKE = 1015, "TLS Handshake";
}

impl CloseCode {
    /// Returns whether a close frame may contain the code: the registered codes except 1005, 1006
    /// and 1015, and 3000 to 4999, which belong to libraries and applications.
    pub const fn is_sendable(self) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
        //# 1005 is a reserved value and MUST NOT be set as a status code in a
        //# Close control frame by an endpoint.
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns whether the code reports no failure: 1000, 1001, and 1005, which stands for a close
    /// frame without a code.
    pub const fn is_orderly(self) -> bool {
        matches!(self, Self::NORMAL_CLOSURE | Self::GOING_AWAY | Self::NO_STATUS_RCVD)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
