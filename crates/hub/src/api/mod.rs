//! The API for servers over HTTP: a backend publishes, reads and disconnects without a WebSocket.
//!
//! [`Api`] handles requests of the crate [`http`], and so serves in any HTTP server. Requests and
//! responses have the shapes of centrifugo's API, so that its client libraries for backends apply.
//!
//! ```text
//! POST /api/publish HTTP/1.1
//! X-API-Key: …
//!
//! {"channel": "chat:42", "data": {"text": "hello"}}
//!
//! HTTP/1.1 200 OK
//! Content-Type: application/json
//!
//! {"result": {"offset": 7, "epoch": "5eed.c0de"}}
//! ```
//!
//! | `POST` | request | result |
//! |---|---|---|
//! | `/api/publish` | `channel`; `data` (any JSON) or `b64data` (bytes in base64); `tags`; `idempotency_key` | `offset`, `epoch` in rooms with history |
//! | `/api/broadcast` | the same with `channels`, up to 1,000 | `responses`: a result or an error for each |
//! | `/api/subscribe` | `channel`; `user`, or `client` for one session | nothing |
//! | `/api/unsubscribe` | `channel`; `user`, or `client` | nothing |
//! | `/api/disconnect` | `user`, or `client`; `whitelist` with up to one session to keep; `disconnect` with `code` (3000 to 4999) and `reason` | nothing |
//! | `/api/refresh` | `user`, or `client`; `expired`: true | nothing: the sessions are closed with 3005 |
//! | `/api/presence` | `channel`; `limit`, `after` | `presence` by session: `client`, `user`, `conn_info`; `next` |
//! | `/api/presence_stats` | `channel` | `num_clients`, `num_users` |
//! | `/api/history` | `channel`; `limit`: 0 for the position only, -1 for all; `since` with `offset` and `epoch`; `reverse` | `publications`, `offset`, `epoch` |
//! | `/api/history_remove` | `channel` | nothing |
//! | `/api/channels` | `pattern`, `limit`, `after` | `channels` with members by name: `num_clients`; `next` |
//! | `/api/info` | nothing | `nodes`: `uid`, `name`, `num_clients`, `num_users`, `num_channels`, `num_subs`, `uptime` |
//! | `/api/revoke_token` | `uid` (the claim `jti`), `expire_at` | nothing |
//! | `/api/invalidate_user_tokens` | `user`, `issued_before`, `expire_at` | nothing |
//! | `/api/batch` | `commands`, up to 1,000: each `{"publish": {…}}` or another one; `parallel` | `replies`: `{"publish": {…}}` or `{"error": {…}}` for each |
//! | `/rooms/ROOM/messages` | the message as body; header `Idempotency-Key` | `offset`, `epoch` in rooms with history |
//!
//! In `presence_stats`, all sessions without a user count as one user.
//!
//! Sessions are named by the text of their [`SessionId`](crate::core::SessionId). An `epoch` also
//! has the tag of the position. Unknown members of requests are ignored; what centrifugo has and
//! this hub does not (`skip_history`, `version`, `override`, …) is refused with 108. `delta` is
//! ignored: it asks for a compression.
//!
//! # Errors
//! A request that was understood is answered with the status 200; an error of its operation is
//! `{"error": {"code": 107, "message": "…"}}`. Requests to `/rooms/ROOM/messages` are answered with
//! the status beside the code.
//!
//! | code | meaning | status |
//! |---|---|---|
//! | 100 | the server or its bus failed; of a publication with an `idempotency_key`, try again | 503 |
//! | 101 | the key is missing or wrong | 401, always |
//! | 102 | no namespace has rules for the room | 404 |
//! | 104 | there is no such operation | 404, always |
//! | 106 | a limit was exceeded | 429 |
//! | 107 | the request is wrong, as the message says | 400, always if it is no JSON |
//! | 108 | the room, or this server, does not have this | 409 |
//! | 112 | the position of `since` is not one of the history | 409 |
//!
//! # Limits
//! A body has up to [`Api::DEFAULT_MAX_BODY`] bytes, or else is refused with the status 413; the
//! HTTP server must bound what it collects before. Lists are divided into pages: up to 1,000
//! publications of 4 MiB, 10,000 members, 2,000 rooms. The results of a batch have up to 64 MiB
//! together: the commands that follow are answered with 106, and not carried out.

mod content;
mod error;
mod key;
mod operation;
mod request;
mod response;
mod rest;
mod result;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};

pub use key::ApiKeyError;

use crate::core::RoomName;
use crate::hub::Hub;
use crate::namespaces::Namespaces;
use crate::token::Revocations;
use error::ApiError;
use key::ApiKey;

/// The API for servers over HTTP. Clones are cheap.
///
/// Without a [key](Self::key), all requests are refused, unless that is [allowed](Self::insecure).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use http::Request;
/// use sockeye_hub::Hub;
/// use sockeye_hub::api::Api;
///
/// let hub: Hub = Hub::builder().build();
/// let api = Api::new(hub).key("a random key of the operator")?;
/// let request = Request::post("/api/publish")
///     .header("X-API-Key", "a random key of the operator")
///     .body(Bytes::from_static(br#"{"channel": "news", "data": "hello"}"#))?;
/// let response = api.handle(request).await;
/// assert_eq!(&response.body()[..], br#"{"result":{}}"#);
/// # Ok(())
/// # }
/// ```
pub struct Api<S = ()> {
    hub: Hub<S>,
    keys: Arc<[ApiKey]>,
    is_insecure: bool,
    max_body: usize,
    namespaces: Option<Namespaces>,
    revocations: Option<Revocations>,
}

impl<S> Api<S> {
    /// The default of [`max_body`](Self::max_body): 1 MiB.
    pub const DEFAULT_MAX_BODY: usize = 1 << 20;

    /// Creates the API of a hub, which refuses all requests until it has a key.
    pub fn new(hub: Hub<S>) -> Self {
        Self {
            hub,
            keys: Arc::default(),
            is_insecure: false,
            max_body: Self::DEFAULT_MAX_BODY,
            namespaces: None,
            revocations: None,
        }
    }

    /// Adds a key, one of which a request must present in the header `X-API-Key: KEY` or
    /// `Authorization: apikey KEY`. Keys are compared in constant time.
    ///
    /// # Errors
    /// For a key that is shorter than 16 bytes or cannot be in a header.
    pub fn key(mut self, key: &str) -> Result<Self, ApiKeyError> {
        let key = ApiKey::new(key)?;
        self.keys = self.keys.iter().cloned().chain([key]).collect();
        Ok(self)
    }

    /// Accepts requests without a key: whoever reaches the API controls the hub.
    pub fn insecure(self) -> Self {
        Self { is_insecure: true, ..self }
    }

    /// Sets the maximum length of a request's body in bytes. Default: 1 MiB.
    pub fn max_body(self, bytes: usize) -> Self {
        Self { max_body: bytes, ..self }
    }

    /// Refuses rooms for which no namespace has rules. Default: all rooms are accepted.
    pub fn namespaces(self, namespaces: &Namespaces) -> Self {
        Self { namespaces: Some(namespaces.clone()), ..self }
    }

    /// Enters revocations of tokens there, beside the lists of all nodes that are built
    /// [with one](crate::Builder::revocations). Without either, they are refused.
    pub fn revocations(self, revocations: Revocations) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// Returns whether a request with these headers presents one of the keys: for servers that
    /// decide so before they receive the body. Always `true` for an [insecure](Self::insecure) API.
    pub fn accepts(&self, headers: &HeaderMap) -> bool {
        self.is_insecure || key::is_accepted(&self.keys, headers)
    }

    /// Checks a name, and that there are rules for the room.
    fn room_name(&self, name: &str) -> Result<RoomName, ApiError> {
        let room = RoomName::new(name).map_err(|error| ApiError::bad_request(error.to_string()))?;
        if self.namespaces.as_ref().is_some_and(|namespaces| !namespaces.knows(&room)) {
            return Err(ApiError::UNKNOWN_ROOM);
        }
        Ok(room)
    }
}

impl<S: Send + Sync + 'static> Api<S> {
    /// Handles a request whose body was collected.
    ///
    /// The path is `/api/OPERATION` or `/rooms/ROOM/messages`. A server that serves the API below
    /// another path removes that from the request.
    ///
    /// # Cancel safety
    /// If the future is dropped, the operation may have been carried out.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        if !self.accepts(&parts.headers) {
            let mut response = response::error(StatusCode::UNAUTHORIZED, &ApiError::UNAUTHORIZED);
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("apikey"));
            return response;
        }
        let path = parts.uri.path();
        let Some(route) = Route::find(path) else {
            return response::error(StatusCode::NOT_FOUND, &ApiError::METHOD_NOT_FOUND);
        };
        if parts.method != Method::POST {
            let error = ApiError::bad_request("expected the method POST");
            let mut response = response::error(StatusCode::METHOD_NOT_ALLOWED, &error);
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            return response;
        }
        if body.len() > self.max_body {
            let (length, limit) = (body.len(), self.max_body);
            let message = format!("a body of {length} bytes is longer than {limit}");
            let error = ApiError::LIMIT_EXCEEDED.because(message);
            return response::error(StatusCode::PAYLOAD_TOO_LARGE, &error);
        }
        match route {
            Route::Operation(name) => self.handle_operation(name, &body).await,
            Route::Messages(room) => self.handle_message(room, &parts.headers, body).await,
        }
    }

    async fn handle_operation(&self, name: &str, body: &[u8]) -> Response<Bytes> {
        // A request without members may have no body.
        let body = if body.trim_ascii().is_empty() { &b"{}"[..] } else { body };
        let Ok(body) = std::str::from_utf8(body) else {
            let error = ApiError::bad_request("the body is not UTF-8");
            return response::error(StatusCode::BAD_REQUEST, &error);
        };
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(body) {
            let error = ApiError::bad_request(format!("the body is not JSON: {error}"));
            return response::error(StatusCode::BAD_REQUEST, &error);
        }
        match self.call(name, body).await {
            Ok(result) => response::result(&result),
            Err(error) if error == ApiError::METHOD_NOT_FOUND => {
                response::error(StatusCode::NOT_FOUND, &error)
            }
            Err(error) => response::error(StatusCode::OK, &error),
        }
    }
}

/// The target of a path.
#[derive(Debug, PartialEq)]
enum Route<'a> {
    /// The operation of this name.
    Operation(&'a str),
    /// The messages of a room, whose name is percent-encoded.
    Messages(&'a str),
}

impl<'a> Route<'a> {
    fn find(path: &'a str) -> Option<Self> {
        if let Some(name) = path.strip_prefix("/api/") {
            return Some(Self::Operation(name));
        }
        let room = path.strip_prefix("/rooms/")?.strip_suffix("/messages")?;
        // A slash of a name is percent-encoded.
        (!room.contains('/')).then_some(Self::Messages(room))
    }
}

impl<S> Clone for Api<S> {
    fn clone(&self) -> Self {
        Self {
            hub: self.hub.clone(),
            keys: self.keys.clone(),
            is_insecure: self.is_insecure,
            max_body: self.max_body,
            namespaces: self.namespaces.clone(),
            revocations: self.revocations.clone(),
        }
    }
}

impl<S> fmt::Debug for Api<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("hub", &self.hub)
            .field("keys", &self.keys.len())
            .field("is_insecure", &self.is_insecure)
            .field("max_body", &self.max_body)
            .field("namespaces", &self.namespaces)
            .field("revocations", &self.revocations.is_some())
            .finish()
    }
}
