use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;

use crate::core::NodeId;
use crate::error::HubError;
use crate::token::RevocationError;

/// The error of an operation, with a code of centrifugo's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ApiError {
    pub(super) code: u32,
    pub(super) message: Cow<'static, str>,
}

impl ApiError {
    pub(super) const INTERNAL: Self = Self::new(100, "internal server error");
    pub(super) const UNAUTHORIZED: Self =
        Self::new(101, "expected an API key in the header X-API-Key, or Authorization: apikey KEY");
    pub(super) const UNKNOWN_ROOM: Self = Self::new(102, "unknown channel");
    pub(super) const METHOD_NOT_FOUND: Self = Self::new(104, "method not found");
    pub(super) const LIMIT_EXCEEDED: Self = Self::new(106, "limit exceeded");
    const BAD_REQUEST: Self = Self::new(107, "bad request");
    const NOT_AVAILABLE: Self = Self::new(108, "not available");
    pub(super) const UNRECOVERABLE_POSITION: Self = Self::new(112, "unrecoverable position");

    const fn new(code: u32, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }

    /// Returns this error with another message.
    pub(super) fn because(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::BAD_REQUEST.because(message)
    }

    pub(super) fn not_available(message: impl Into<Cow<'static, str>>) -> Self {
        Self::NOT_AVAILABLE.because(message)
    }

    /// Names the nodes on which a token is not revoked.
    pub(super) fn not_revoked(nodes: &[NodeId]) -> Self {
        let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        Self::INTERNAL.because(format!("not revoked on the nodes {}", nodes.join(", ")))
    }

    /// Returns the status of a response that has the error of its only operation.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            101 => StatusCode::UNAUTHORIZED,
            102 | 104 => StatusCode::NOT_FOUND,
            106 => StatusCode::TOO_MANY_REQUESTS,
            107 => StatusCode::BAD_REQUEST,
            108 | 112 => StatusCode::CONFLICT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The caller is the application's own backend: it is told why the server failed.
impl From<HubError> for ApiError {
    fn from(error: HubError) -> Self {
        let message = error.to_string();
        match error {
            HubError::RoomName(_) | HubError::Usage(_) => Self::bad_request(message),
            HubError::NoHistory(_) => Self::not_available(message),
            HubError::TooManyRooms(_) => Self::LIMIT_EXCEEDED.because(message),
            _ => Self::INTERNAL.because(message),
        }
    }
}

impl From<RevocationError> for ApiError {
    fn from(error: RevocationError) -> Self {
        match error {
            RevocationError::Full { .. } => Self::LIMIT_EXCEEDED.because(error.to_string()),
            RevocationError::IdTooLong { .. } => Self::bad_request(error.to_string()),
        }
    }
}
