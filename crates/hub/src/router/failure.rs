use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde_json::Value;

/// The code of a [`Failure`], for programs. The codes that the router itself uses are those of
/// HTTP and mean the same; an application may use any others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureCode(u16);

macro_rules! failure_codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $phrase:literal;)+) => {
        impl FailureCode {
            $($(#[$doc])+ pub const $name: Self = Self($code);)+

            /// Returns the name of the code, or `None` for a code of the application.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($phrase),)+
                    _ => None,
                }
            }
        }
    };
}

failure_codes! {
    /// The command is malformed, or its content does not fit the endpoint.
    BAD_REQUEST = 400, "bad request";
    /// The client has to authenticate first.
    UNAUTHORIZED = 401, "unauthorized";
    /// The client may not do this.
    FORBIDDEN = 403, "forbidden";
    /// The thing that the command names does not exist.
    NOT_FOUND = 404, "not found";
    /// The command contradicts the state of the server.
    CONFLICT = 409, "conflict";
    /// The command is longer than the server accepts.
    TOO_LARGE = 413, "too large";
    /// The client sends too many commands.
    TOO_MANY = 429, "too many";
    /// The client cancelled the command (nginx's code for it).
    CANCELLED = 499, "cancelled";
    /// The endpoint failed, and the reason is in the server's log.
    INTERNAL = 500, "internal error";
    /// No endpoint serves the command.
    UNKNOWN_COMMAND = 501, "unknown command";
    /// The server cannot do this at present.
    UNAVAILABLE = 503, "unavailable";
    /// The deadline of the command has passed.
    DEADLINE_EXCEEDED = 504, "deadline exceeded";
}

impl From<u16> for FailureCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<FailureCode> for u16 {
    fn from(code: FailureCode) -> Self {
        code.0
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The reply to a command that failed: a code for programs, a message for people, and optional
/// details. Each [codec](super::codec) states its shape; as JSON it is
/// `{"code":404,"message":"no such user","details":…}`.
///
/// The operator `?` converts every error to a failure with the code [`FailureCode::INTERNAL`],
/// whose text is logged and not sent to the client:
///
/// ```
/// use sockeye_hub::router::{Failure, FailureCode, Text};
///
/// async fn read(Text(name): Text) -> Result<String, Failure> {
///     if name.contains(['/', '\\']) {
///         return Err(Failure::forbidden("only files of this folder"));
///     }
///     Ok(std::fs::read_to_string(name.as_str())?)
/// }
/// # let failure = Failure::from(std::io::Error::other("/etc/secret: no such file"));
/// # assert_eq!(failure.code(), FailureCode::INTERNAL);
/// # assert_eq!(failure.message(), "internal error");
/// ```
///
/// An error type whose variants have codes of their own implements [`IntoFailure`].
// Not an `Error`: the conversion from every error would overlap with the conversion from itself.
pub struct Failure {
    code: FailureCode,
    message: Cow<'static, str>,
    details: Option<Value>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure. The code is a [`FailureCode`] or a number: `Failure::new(1001, "…")`.
    /// The message is sent to the client.
    pub fn new(code: impl Into<FailureCode>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), details: None, source: None }
    }

    /// Creates a failure with [`FailureCode::BAD_REQUEST`].
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureCode::BAD_REQUEST, message)
    }

    /// Creates a failure with [`FailureCode::UNAUTHORIZED`].
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureCode::UNAUTHORIZED, message)
    }

    /// Creates a failure with [`FailureCode::FORBIDDEN`].
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureCode::FORBIDDEN, message)
    }

    /// Creates a failure with [`FailureCode::NOT_FOUND`].
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureCode::NOT_FOUND, message)
    }

    /// Creates a failure with [`FailureCode::CONFLICT`].
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureCode::CONFLICT, message)
    }

    /// Creates a failure with [`FailureCode::UNAVAILABLE`].
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureCode::UNAVAILABLE, message)
    }

    /// Creates a failure with [`FailureCode::INTERNAL`] from an error or a text, which is logged
    /// at the level `error` and not sent to the client. For values that `?` does not convert, such
    /// as `anyhow::Error`: `.map_err(Failure::internal)?`.
    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(error.into()), ..Self::new(FailureCode::INTERNAL, "internal error") }
    }

    /// Adds details for the client, such as the fields of a form that are wrong. Codecs other than
    /// JSON do not send them.
    pub fn with_details(self, details: impl Into<Value>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    /// Returns the code.
    pub const fn code(&self) -> FailureCode {
        self.code
    }

    /// Returns the message for the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the details for the client.
    pub const fn details(&self) -> Option<&Value> {
        self.details.as_ref()
    }

    /// Returns the error that is logged and not sent.
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

/// Displays the code and the message.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", u16::from(self.code), self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("details", &self.details)
            .field("source", &self.source)
            .finish()
    }
}

/// An error that an [endpoint](super::Endpoint) may return.
///
/// ```
/// use sockeye_hub::router::{Failure, IntoFailure};
///
/// enum RenameError {
///     NoSuchUser,
///     Taken { by: u64 },
/// }
///
/// impl IntoFailure for RenameError {
///     fn into_failure(self) -> Failure {
///         match self {
///             Self::NoSuchUser => Failure::not_found("no such user"),
///             Self::Taken { by } => Failure::conflict("the name is taken").with_details(by),
///         }
///     }
/// }
/// ```
pub trait IntoFailure {
    /// Converts the error into the reply for the client.
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}
