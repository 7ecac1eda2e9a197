//! The server API, and the messages that are posted to a room.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sockeye::upgrade::OriginPolicy;
use sockeye_hub::api::Api;
use sockeye_hub::core::RoomName;
use sockeye_hub::namespaces::{self, Namespaces};
use tokio::sync::Semaphore;

use super::HubServer;
use super::access::{self, Access};
use crate::commands::serve::Serve;
use crate::host::token;

/// The maximum length of a message that is posted without a key: that of a client's command.
const MAX_MESSAGE: usize = 64 * 1024;

/// The number of messages that are received at a time without a key, so that slow clients hold
/// 16 MiB at most. Further ones wait.
const MAX_POSTS: usize = 256;

/// The reason why a request is not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The hub is off.
    Off,
    /// There is no server API.
    NoApi,
    /// The key is missing or wrong.
    NoKey,
    /// Only programs with a key may post, and there is no key.
    NoPosts,
    /// The method is not POST.
    Method,
    /// A page of another origin posts a message.
    Origin,
    /// Not everybody may publish to the room.
    Rules,
    /// Too many messages are being posted.
    Busy,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let forbidden = |sentence| (StatusCode::FORBIDDEN, sentence).into_response();
        match self {
            Self::Off => access::off(),
            Self::NoApi => forbidden(
                "The server API is off. Start the server with --api-key-file to use it.\n",
            ),
            Self::NoKey => {
                let sentence = "This needs the key of --api-key-file, in the header X-API-Key.\n";
                (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "apikey")], sentence).into_response()
            }
            Self::NoPosts => forbidden(
                "Start the server with --api-key-file to post messages; clients with tokens \
                 publish at /hub.\n",
            ),
            Self::Method => {
                let sentence = "This path accepts only POST.\n";
                (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")], sentence).into_response()
            }
            Self::Origin => {
                forbidden("A page of this origin may not post messages; --allow-origin lets it.\n")
            }
            Self::Rules => forbidden("The rules of this room do not let everybody publish.\n"),
            Self::Busy => {
                let sentence = "Too many messages are being posted; try again later.\n";
                (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
            }
        }
    }
}

/// The server API, as its flags set it up.
#[derive(Debug)]
pub(super) struct ServerApi {
    /// The API for programs with a key, if there is a key.
    keyed: Option<Api>,
    /// The API for messages that anybody may post.
    open: Api,
    namespaces: Namespaces,
    /// The pages that may post messages.
    origins: OriginPolicy,
    posts: Arc<Semaphore>,
    /// The timeout of receiving the body of a request.
    timeout: Duration,
}

impl ServerApi {
    /// Creates the API of a hub.
    ///
    /// # Errors
    /// When the file with the key cannot be used, or an origin is not a pattern.
    pub(super) fn new(
        options: &Serve,
        hub: &sockeye_hub::Hub,
        namespaces: &Namespaces,
    ) -> anyhow::Result<Self> {
        let api = Api::new(hub.clone()).namespaces(namespaces);
        let keyed = match &options.hub.api_key_file {
            Some(file) => {
                let key = token::read_secret(file)?;
                let key = String::from_utf8_lossy(&key);
                let keyed = api.clone().key(&key);
                Some(keyed.with_context(|| format!("cannot use the key in {}", file.display()))?)
            }
            None => None,
        };
        let mut origins = OriginPolicy::same_origin();
        for pattern in &options.allow_origin {
            origins = origins.allow(pattern)?;
        }
        Ok(Self {
            keyed,
            open: api.insecure().max_body(MAX_MESSAGE),
            namespaces: namespaces.clone(),
            origins,
            posts: Arc::new(Semaphore::new(MAX_POSTS)),
            timeout: options.hosting.handshake_timeout,
        })
    }

    /// Returns whether a request presents the key.
    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        self.keyed.as_ref().is_some_and(|api| api.accepts(headers))
    }

    /// Checks what the API would check after it has the body.
    ///
    /// # Errors
    /// The reason why the request is not handled.
    fn check(&self, method: &Method, headers: &HeaderMap) -> Result<&Api, Refusal> {
        let keyed = self.keyed.as_ref().ok_or(Refusal::NoApi)?;
        if !keyed.accepts(headers) {
            return Err(Refusal::NoKey);
        }
        check_method(method)?;
        Ok(keyed)
    }

    /// Checks whether a message may be posted to a room without a key.
    ///
    /// # Errors
    /// The reason why the request is not handled.
    fn check_post(&self, request: &Request, access: &Access, room: &str) -> Result<(), Refusal> {
        if access.is_off(request.headers()) {
            return Err(Refusal::Off);
        }
        if let Access::Tokens(_) = access {
            return Err(if self.keyed.is_some() { Refusal::NoKey } else { Refusal::NoPosts });
        }
        check_method(request.method())?;
        if !is_from_allowed_page(request, &self.origins) {
            return Err(Refusal::Origin);
        }
        // The name of no room is refused by the API.
        let publish = RoomName::new(room).map(|room| self.namespaces.rules(&room).publish);
        if publish.is_ok_and(|publish| publish != namespaces::Access::Anybody) {
            return Err(Refusal::Rules);
        }
        Ok(())
    }

    /// Receives the body of a request, and passes the request to an API.
    async fn handle(&self, api: &Api, request: Request, max_body: usize) -> Response {
        let (head, body) = request.into_parts();
        let body = match tokio::time::timeout(self.timeout, to_bytes(body, max_body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let sentence = format!("Expected a body of at most {max_body} bytes.\n");
                return (StatusCode::PAYLOAD_TOO_LARGE, sentence).into_response();
            }
            Err(_) => {
                let sentence = "The body did not arrive in time.\n";
                return (StatusCode::REQUEST_TIMEOUT, sentence).into_response();
            }
        };
        api.handle(Request::from_parts(head, body)).await.map(Body::from)
    }
}

/// Handles `/api/METHOD`.
pub(super) async fn call(State(server): State<HubServer>, request: Request) -> Response {
    let settings = server.settings();
    let api = &settings.api;
    match api.check(request.method(), request.headers()) {
        Ok(keyed) => api.handle(keyed, request, Api::<()>::DEFAULT_MAX_BODY).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Handles `/rooms/ROOM/messages`: with the key, or for rooms that anybody may publish to.
pub(super) async fn publish(
    State(server): State<HubServer>,
    Path(room): Path<String>,
    request: Request,
) -> Response {
    let settings = server.settings();
    let api = &settings.api;
    if has_key(request.headers()) {
        return call(State(server.clone()), request).await;
    }
    if let Err(refusal) = api.check_post(&request, &settings.access, &room) {
        return refusal.into_response();
    }
    let Ok(_permit) = tokio::time::timeout(api.timeout, api.posts.acquire()).await else {
        return Refusal::Busy.into_response();
    };
    api.handle(&api.open, request, MAX_MESSAGE).await
}

/// Returns whether a request presents a key, right or wrong. Other credentials may be meant for a
/// proxy.
fn has_key(headers: &HeaderMap) -> bool {
    let is_key = |value: &HeaderValue| {
        let scheme = value.as_bytes().split(|byte| *byte == b' ').next();
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"apikey"))
    };
    headers.contains_key("x-api-key") || headers.get(AUTHORIZATION).is_some_and(is_key)
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    if method == Method::POST { Ok(()) } else { Err(Refusal::Method) }
}

/// Returns whether a request comes from a program, from a page of this server, or from a page of an
/// allowed origin. Browsers send such requests for any page without asking the server before.
fn is_from_allowed_page(request: &Request, origins: &OriginPolicy) -> bool {
    let headers = request.headers();
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    origin.to_str().is_ok_and(|origin| origins.allows(origin, host))
}
