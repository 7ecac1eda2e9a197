//! What a hook grants to a request that it lets in.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use sockeye_proto::handshake::{Refusal, Request, Response};

/// Lets a client in, with what goes with that: data for its connection, a subprotocol, headers of the answer.
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
    /// Lets the client in, and grants nothing more.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a value with the connection, where [`WebSocket::data`](crate::WebSocket::data) finds it: one of each type.
    pub fn data<T: Clone + Send + Sync + 'static>(mut self, data: T) -> Self {
        self.data.insert(data);
        self
    }

    /// Chooses a subprotocol, in place of the one that [`Options::subprotocols`](super::Options::subprotocols) leads to.
    /// The client must have asked for it: otherwise it is answered 500, since the program is wrong.
    pub fn subprotocol(self, subprotocol: impl Into<String>) -> Self {
        Self { subprotocol: Some(subprotocol.into()), ..self }
    }

    /// Adds a header to the answer. Those that the handshake itself sets are left out, and so is what would give the
    /// answer content.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Puts what was granted into the answer, and gives what is for the connection.
    pub(super) fn apply(
        self,
        request: &Request<'_>,
        response: &mut Response,
    ) -> Result<Extensions, Refusal> {
        response.extend(&self.headers);
        if let Some(subprotocol) = self.subprotocol {
            if !response.choose_subprotocol(request, &subprotocol) {
                tracing::warn!(subprotocol, "a subprotocol was chosen that was not asked for");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Err(Refusal::new(status, "no subprotocol could be agreed on\n"));
            }
        }
        Ok(self.data)
    }
}
