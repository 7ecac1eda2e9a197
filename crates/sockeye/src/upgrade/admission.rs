//! The settings that a hook applies to a request that it admits.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use sockeye_proto::handshake::{Refusal, Request, Response};

/// The settings of an admitted request: data for its connection, a subprotocol, headers of the
/// response.
///
/// ```
/// use http::{HeaderValue, header::SET_COOKIE};
/// use sockeye::upgrade::Admission;
///
/// #[derive(Clone)]
/// struct User(String);
///
/// let admission = Admission::new()
///     .data(User("Ada".into()))
///     .subprotocol("chat.v2")
///     .header(SET_COOKIE, HeaderValue::from_static("seen=1"));
/// # let _ = admission;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Admission {
    subprotocol: Option<String>,
    headers: HeaderMap,
    data: Extensions,
}

impl Admission {
    /// Admits the client, without further settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Attaches a value to the connection, one of each type, for
    /// [`WebSocket::data`](crate::WebSocket::data).
    pub fn data<T: Clone + Send + Sync + 'static>(mut self, data: T) -> Self {
        self.data.insert(data);
        self
    }

    /// Chooses a subprotocol, in place of the one that
    /// [`Options::subprotocols`](super::Options::subprotocols) selects. The client must have
    /// requested it: otherwise the response is 500, since the program is at fault.
    pub fn subprotocol(self, subprotocol: impl Into<String>) -> Self {
        Self { subprotocol: Some(subprotocol.into()), ..self }
    }

    /// Adds a header to the response. Headers that the handshake itself sets are omitted, and so
    /// are those that would give the response content.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Applies the settings to the response, and returns the data for the connection.
    pub(super) fn apply(
        self,
        request: &Request<'_>,
        response: &mut Response,
    ) -> Result<Extensions, Refusal> {
        response.extend(&self.headers);
        if let Some(subprotocol) = self.subprotocol {
            if !response.choose_subprotocol(request, &subprotocol) {
                tracing::warn!(subprotocol, "a subprotocol was chosen that was not requested");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Err(Refusal::new(status, "no subprotocol could be agreed on\n"));
            }
        }
        Ok(self.data)
    }
}
