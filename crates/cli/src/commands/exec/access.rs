//! The clients that may use the command: tokens in headers, in a cookie, or in a first message.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::bail;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sockeye::upgrade::OriginPolicy;

use super::arguments::Exec;
use crate::host::bearer::{BearerAccess, BearerArguments};

/// The cookie with the token of a browser, which sends no other header with a WebSocket.
const COOKIE_NAME: &str = "sockeye-exec";

/// Maximum length of the body of a login, in bytes: a token.
const MAX_LOGIN: usize = 4096;

/// The rights of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// The identity of the client, to which its sessions belong: the line of its token, or that of
    /// all clients without one.
    pub(super) owner: Arc<str>,
    /// `true` if what the client sends reaches the process.
    pub(super) writes: bool,
}

/// The clients that may use the command.
#[derive(Debug)]
pub(super) struct Access {
    writers: BearerAccess,
    readers: Option<BearerAccess>,
    read_only: bool,
    is_tls: bool,
    origins: OriginPolicy,
}

impl Access {
    /// Decides which clients a server that listens on `bound` admits.
    ///
    /// # Errors
    /// When a file of tokens cannot be used, or other machines can reach the server and no flag
    /// says which clients are admitted.
    pub(super) fn new(options: &Exec, bound: SocketAddr) -> anyhow::Result<Self> {
        let hosting = &options.hosting;
        let writers = BearerAccess::new(&options.bearer, hosting, bound)?;
        let readers = match &options.read_only_token_file {
            None => None,
            Some(file) => {
                let arguments = BearerArguments { token_file: Some(file.clone()), no_auth: false };
                Some(BearerAccess::new(&arguments, hosting, bound)?)
            }
        };
        if options.read_only && !options.shared && options.pty {
            bail!(
                "--read-only of a terminal needs --shared: a client that types nothing starts none"
            );
        }
        let mut origins = OriginPolicy::same_origin();
        for pattern in &options.allow_origin {
            origins = origins.allow(pattern)?;
        }
        Ok(Self {
            writers,
            readers,
            read_only: options.read_only,
            is_tls: hosting.tls_cert.is_some() || hosting.self_signed,
            origins,
        })
    }

    /// Returns the rights of a client by the headers of its request.
    ///
    /// # Errors
    /// The response that refuses the client.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Grant, Box<Response>> {
        if !headers.contains_key(AUTHORIZATION)
            && let Some(token) = cookie(headers)
            && let Some(grant) = self.admit_token(&token)
        {
            return Ok(grant);
        }
        let refused = match self.writers.admit(headers) {
            Ok(owner) => return Ok(Grant { owner, writes: !self.read_only }),
            Err(refused) => refused,
        };
        let reader = self.readers.as_ref().and_then(|readers| readers.admit(headers).ok());
        reader.as_deref().map(read_only).ok_or(refused)
    }

    /// Returns the rights of a client that presents a token; `None` if the token is unknown, or no
    /// tokens are in use.
    pub(super) fn admit_token(&self, token: &str) -> Option<Grant> {
        if !matches!(self.writers, BearerAccess::Tokens(_)) {
            return None;
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).ok()?);
        if let Ok(owner) = self.writers.admit(&headers) {
            return Some(Grant { owner, writes: !self.read_only });
        }
        let owner = self.readers.as_ref()?.admit(&headers).ok()?;
        Some(read_only(&owner))
    }

    /// Returns whether a client without credentials may present a token in its first message.
    pub(super) fn takes_first_message(&self, headers: &HeaderMap) -> bool {
        matches!(self.writers, BearerAccess::Tokens(_)) && !headers.contains_key(AUTHORIZATION)
    }
}

fn read_only(owner: &str) -> Grant {
    // The lines of two files have the same numbers.
    Grant { owner: format!("read-only {owner}").into(), writes: false }
}

/// Handles `POST /login`: takes a token, and sets the cookie with it.
pub(super) async fn login(State(access): State<Arc<Access>>, request: Request<Body>) -> Response {
    let headers = request.headers();
    if let Some(origin) = headers.get(ORIGIN) {
        let host = match request.uri().authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
        };
        if !origin.to_str().is_ok_and(|origin| access.origins.allows(origin, host)) {
            return (StatusCode::FORBIDDEN, "Only pages of allowed origins may log in.\n")
                .into_response();
        }
    }
    let Ok(body) = to_bytes(request.into_body(), MAX_LOGIN).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "This is longer than a token.\n").into_response();
    };
    let token = str::from_utf8(&body).unwrap_or_default().trim();
    if access.admit_token(token).is_none() {
        return (StatusCode::UNAUTHORIZED, "The token is not valid.\n").into_response();
    }
    let secure = if access.is_tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    match HeaderValue::from_str(&cookie) {
        // A semicolon ends the value of a cookie.
        Ok(cookie) if !token.contains(';') => {
            (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
        }
        _ => (StatusCode::BAD_REQUEST, "A cookie cannot carry this token.\n").into_response(),
    }
}

/// Returns the token in the cookies of a request.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, token)| token.trim().to_owned())
}

/// Returns a value of the header `Cookie` without the token.
pub(super) fn without_token(value: &[u8]) -> Vec<u8> {
    let pairs = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let is_token =
        |pair: &&[u8]| pair.split(|byte| *byte == b'=').next() == Some(COOKIE_NAME.as_bytes());
    pairs.filter(|pair| !pair.is_empty() && !is_token(pair)).collect::<Vec<_>>().join(&b"; "[..])
}
