//! The check of tokens: which clients may make calls.

use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::bail;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sockeye_gateway::auth::{AuthorizeFuture, Authorized, Authorizer, CallHead};
use sockeye_gateway::status::{Code, Status, encode_message};
use sockeye_hub::token::{TokenError, TokenVerifier};

use super::GatewayArguments;
use crate::host::exposure;
use crate::host::reloadable::Reloadable;
use crate::host::token::TokenFlags;

/// The metadata with the user of a token, its claim `sub`.
pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");

/// The text of a refusal of a request that a proxy has passed on to a [private](Access::Private)
/// gateway.
const PRIVATE: &str = "This gateway is for programs on its own machine, and a proxy has passed \
     this request on. To admit clients with tokens, start it with --auth-secret-file or \
     --auth-jwks-file; to admit anybody, with --no-auth.\n";

/// The clients that may make calls.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Programs on this machine: nothing says that the gateway is meant for others.
    Private,
    /// All clients that can reach the port.
    Anybody,
    /// Clients with a token.
    Tokens(TokenVerifier),
}

impl Access {
    /// Decides who may make calls through a gateway that listens on `bound`.
    ///
    /// # Errors
    /// When a file cannot be used, or other machines can reach the gateway and no flag says who may
    /// make calls.
    pub(crate) fn new(arguments: &GatewayArguments, bound: SocketAddr) -> anyhow::Result<Self> {
        let tokens = TokenFlags {
            prefix: "--auth",
            secret_file: arguments.auth_secret_file.as_deref(),
            jwks_file: arguments.auth_jwks_file.as_deref(),
            audience: arguments.auth_audience.as_deref(),
            issuer: arguments.auth_issuer.as_deref(),
        };
        if let Some(verifier) = tokens.verifier()? {
            return Ok(Self::Tokens(verifier));
        }
        if arguments.no_auth {
            return Ok(Self::Anybody);
        }
        if exposure::is_private(&arguments.hosting, bound)? {
            return Ok(Self::Private);
        }
        bail!(
            "other machines can reach {}, and nothing says who may make calls; add \
             --auth-secret-file or --auth-jwks-file to admit clients with tokens, or --no-auth to \
             admit anybody",
            arguments.hosting.listen
        );
    }

    /// Returns whether the gateway is meant for programs on this machine alone.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Private)
    }
}

/// Refuses requests that came through a proxy while the gateway is private.
pub(crate) async fn refuse_proxies(
    State(is_private): State<Reloadable<bool>>,
    request: Request,
    next: Next,
) -> Response {
    match refuse_proxy(&is_private, request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Returns the response to a request that came through a proxy while the gateway is private.
pub(crate) fn refuse_proxy(is_private: &Reloadable<bool>, headers: &HeaderMap) -> Option<Response> {
    let is_refused = is_private.current() && exposure::came_through_a_proxy(headers);
    is_refused.then(|| (StatusCode::FORBIDDEN, PRIVATE).into_response())
}

/// Admits calls with a token.
#[derive(Debug)]
pub(crate) struct Tokens(pub(crate) TokenVerifier);

impl Authorizer for Tokens {
    fn authorize<'a>(&'a self, head: &'a CallHead<'a>) -> AuthorizeFuture<'a> {
        Box::pin(std::future::ready(self.check(head.headers, SystemTime::now())))
    }
}

impl Tokens {
    fn check(&self, headers: &HeaderMap, now: SystemTime) -> Result<Authorized, Status> {
        let refuse = |reason: &str| Status::new(Code::Unauthenticated, reason);
        let token = bearer(headers).ok_or_else(|| refuse("a bearer token is required"))?;
        let claims = self.0.verify_connection(token, now).map_err(|error| match error {
            TokenError::Expired { .. } => refuse("the token has expired"),
            // The reasons are for operators: they would help to guess tokens.
            error => {
                tracing::debug!(%error, "a token was refused");
                refuse("the token is not valid")
            }
        })?;
        let mut authorized = Authorized::default();
        // Metadata is printable ASCII: other characters are escaped as in `grpc-message`.
        if let Ok(subject) = HeaderValue::from_str(&encode_message(claims.user.as_str())) {
            authorized.metadata.insert(SUBJECT, subject);
        }
        Ok(authorized)
    }
}

/// Returns the token of a request, if there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn exactly_one_bearer_token_is_read() {
        assert_eq!(bearer(&headers(&["Bearer a.b.c"])), Some("a.b.c"));
        assert_eq!(bearer(&headers(&["bearer  a.b.c "])), Some("a.b.c"));
        for none in [&[][..], &["Basic YTpi"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(none)), None, "{none:?}");
        }
    }

    #[test]
    fn a_call_without_a_valid_token_is_unauthenticated() {
        let tokens = Tokens(TokenVerifier::hmac(&[7; 32]).unwrap());
        for headers in [headers(&[]), headers(&["Bearer a.b.c"])] {
            let status = tokens.check(&headers, SystemTime::now()).unwrap_err();
            assert_eq!(status.code, Code::Unauthenticated);
        }
    }
}
