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
use tokio::sync::watch;

use super::arguments::Exec;
use crate::host::bearer::{BearerAccess, BearerArguments};

/// The cookie with the token of a browser, which sends no other header with a WebSocket.
const COOKIE_NAME: &str = "sockeye-exec";

/// Maximum length of the body of a login, in bytes: a token.
const MAX_LOGIN: usize = 4096;

/// Begins the identity of a client with a token of `--read-only-token-file`.
const READ_ONLY: &str = "read-only ";

/// The rights of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// The identity of the client, to which its sessions belong: the line of its token, or that of
    /// all clients without one.
    pub(super) owner: Arc<str>,
    /// `true` if what the client sends reaches the process.
    pub(super) writes: bool,
}

/// The clients that may use the command. A reload replaces them.
#[derive(Debug)]
pub(super) struct Access {
    rules: watch::Sender<Arc<Rules>>,
    is_tls: bool,
}

#[derive(Debug)]
struct Rules {
    writers: BearerAccess,
    readers: Option<BearerAccess>,
    read_only: bool,
    origins: OriginPolicy,
}

/// Rules that were read and are not in use yet.
pub(super) struct NewRules(Rules);

impl Access {
    /// Decides which clients a server that listens on `bound` admits.
    ///
    /// # Errors
    /// When a file of tokens cannot be used, or other machines can reach the server and no flag
    /// says which clients are admitted.
    pub(super) fn new(options: &Exec, bound: SocketAddr) -> anyhow::Result<Self> {
        let hosting = &options.hosting;
        let rules = Rules::new(options, bound, None)?;
        Ok(Self {
            rules: watch::Sender::new(Arc::new(rules)),
            is_tls: hosting.tls_cert.is_some() || hosting.self_signed,
        })
    }

    /// Reads the rules anew. Tokens that were in the files before keep their identities.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), and a change between tokens and none.
    pub(super) fn read_again(&self, options: &Exec, bound: SocketAddr) -> anyhow::Result<NewRules> {
        let old = self.current();
        Ok(NewRules(Rules::new(options, bound, Some(&old))?))
    }

    /// Replaces the rules. Clients whose token is no longer in a file are closed.
    pub(super) fn replace(&self, NewRules(rules): NewRules) {
        self.rules.send_replace(Arc::new(rules));
    }

    /// Waits until a reload has removed the token of a client. Cancel safe.
    pub(super) async fn wait_until_removed(&self, owner: &str) {
        // Never fails: `self` has the sender.
        let _ = self.rules.subscribe().wait_for(|rules| !rules.is_admitted(owner)).await;
    }

    fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    /// Returns the rights of a client by the headers of its request.
    ///
    /// # Errors
    /// The response that refuses the client.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Grant, Box<Response>> {
        let rules = self.current();
        if !headers.contains_key(AUTHORIZATION)
            && let Some(token) = cookie(headers)
            && let Some(grant) = rules.admit_token(&token)
        {
            return Ok(grant);
        }
        let refused = match rules.writers.admit(headers) {
            Ok(owner) => return Ok(Grant { owner, writes: !rules.read_only }),
            Err(refused) => refused,
        };
        let reader = rules.readers.as_ref().and_then(|readers| readers.admit(headers).ok());
        reader.as_deref().map(read_only).ok_or(refused)
    }

    /// Returns the rights of a client that presents a token; `None` if the token is unknown, or no
    /// tokens are in use.
    pub(super) fn admit_token(&self, token: &str) -> Option<Grant> {
        self.current().admit_token(token)
    }

    /// Returns whether a client without credentials may present a token in its first message.
    pub(super) fn takes_first_message(&self, headers: &HeaderMap) -> bool {
        let takes_tokens = matches!(self.current().writers, BearerAccess::Tokens(_));
        takes_tokens && !headers.contains_key(AUTHORIZATION)
    }
}

impl Rules {
    fn new(options: &Exec, bound: SocketAddr, old: Option<&Self>) -> anyhow::Result<Self> {
        let hosting = &options.hosting;
        let read = |old: Option<&BearerAccess>, arguments: &BearerArguments| match old {
            Some(old) => old.reload(arguments, hosting, bound),
            None => BearerAccess::new(arguments, hosting, bound),
        };
        let writers = read(old.map(|old| &old.writers), &options.bearer)?;
        let readers = match &options.read_only_token_file {
            None => None,
            Some(file) => {
                let arguments = BearerArguments { token_file: Some(file.clone()), no_auth: false };
                Some(read(old.and_then(|old| old.readers.as_ref()), &arguments)?)
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
        Ok(Self { writers, readers, read_only: options.read_only, origins })
    }

    fn admit_token(&self, token: &str) -> Option<Grant> {
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

    /// Returns whether the token of a client is still in a file.
    fn is_admitted(&self, owner: &str) -> bool {
        match owner.strip_prefix(READ_ONLY) {
            Some(owner) => self.readers.as_ref().is_some_and(|readers| readers.is_admitted(owner)),
            None => self.writers.is_admitted(owner),
        }
    }
}

fn read_only(owner: &str) -> Grant {
    // The lines of two files have the same numbers.
    Grant { owner: format!("{READ_ONLY}{owner}").into(), writes: false }
}

/// Handles `POST /login`: takes a token, and sets the cookie with it.
pub(super) async fn login(State(access): State<Arc<Access>>, request: Request<Body>) -> Response {
    let headers = request.headers();
    if let Some(origin) = headers.get(ORIGIN) {
        let host = match request.uri().authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
        };
        if !origin.to_str().is_ok_and(|origin| access.current().origins.allows(origin, host)) {
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
    // Without a path, the cookie is for the folder of the page, also where a proxy serves the page
    // below a path of its own.
    let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict{secure}");
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
