//! Authorization of calls.
//!
//! One [`Authorizer`] decides on the calls of every dialect, before anything of a call is sent to
//! an upstream. Its errors are the statuses of calls, and what it learned about the client goes to
//! the upstream as metadata.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use http::HeaderMap;

use crate::record::Dialect;
use crate::status::Status;

/// The future of [`Authorizer::authorize`].
pub type AuthorizeFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Authorized, Status>> + Send + 'a>>;

/// Decides which calls are made.
///
/// ```
/// use http::header::AUTHORIZATION;
/// use sockeye_gateway::auth::{AuthorizeFuture, Authorized, Authorizer, CallHead};
/// use sockeye_gateway::status::{Code, Status};
///
/// struct Key(String);
///
/// impl Authorizer for Key {
///     fn authorize<'a>(&'a self, head: &'a CallHead<'a>) -> AuthorizeFuture<'a> {
///         Box::pin(async move {
///             let given = head.headers.get(AUTHORIZATION);
///             if given.is_some_and(|given| given.as_bytes() == self.0.as_bytes()) {
///                 Ok(Authorized::default())
///             } else {
///                 Err(Status::new(Code::Unauthenticated, "the key is missing or wrong"))
///             }
///         })
///     }
/// }
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// Decides on a call. An error is the status of the call: `unauthenticated` for a client that
    /// may try again with other credentials, `permission_denied` for one that may not.
    ///
    /// The gateway waits until the deadline of the call, and for 10 s at most. Dropping the future
    /// means that the client has left.
    fn authorize<'a>(&'a self, head: &'a CallHead<'a>) -> AuthorizeFuture<'a>;
}

/// The part of a call by which it is authorized.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct CallHead<'a> {
    /// The path of the method, `/package.Service/Method`, whatever the path of the request.
    pub method: &'a str,
    /// The headers of the request, before the metadata policy; of a call on a WebSocket its
    /// metadata.
    pub headers: &'a HeaderMap,
    /// The address of the client: that of the request's extension
    /// [`PeerAddr`](sockeye::upgrade::PeerAddr), or the one that a trusted proxy names.
    pub peer: Option<SocketAddr>,
    /// The dialect.
    pub dialect: Dialect,
}

/// The result of a call that may be made.
#[derive(Clone, Debug, Default)]
pub struct Authorized {
    /// Metadata for the upstream, such as the claims of a token. They replace metadata of the same
    /// names that the client sent, and the metadata policy does not apply to them.
    ///
    /// A name that is left out for some clients should be denied by the
    /// [`MetadataPolicy`](crate::metadata::MetadataPolicy), so that clients cannot send it
    /// themselves.
    pub metadata: HeaderMap,
}

/// Without the headers, which have credentials.
impl fmt::Debug for CallHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHead")
            .field("method", &self.method)
            .field("peer", &self.peer)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// Replaces metadata of a client by those of the authorizer.
pub(crate) fn add_metadata(authorized: &HeaderMap, metadata: &mut HeaderMap) {
    for name in authorized.keys() {
        metadata.remove(name);
    }
    for (name, value) in authorized {
        metadata.append(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_the_client_claims_is_replaced() {
        let mut metadata = HeaderMap::new();
        metadata.append("x-user", HeaderValue::from_static("root"));
        metadata.append("x-user", HeaderValue::from_static("admin"));
        metadata.append("x-other", HeaderValue::from_static("1"));
        let mut authorized = HeaderMap::new();
        authorized.append("x-user", HeaderValue::from_static("ann"));
        authorized.append("x-role", HeaderValue::from_static("a"));
        authorized.append("x-role", HeaderValue::from_static("b"));
        add_metadata(&authorized, &mut metadata);
        assert_eq!(metadata.get_all("x-user").iter().collect::<Vec<_>>(), ["ann"]);
        assert_eq!(metadata.get_all("x-role").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(metadata["x-other"], "1");
    }
}
