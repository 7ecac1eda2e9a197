//! Hubs and endpoints for tests, and tokens that their secret signs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{Server, WebSocket};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::protocol::{Endpoint, EndpointBuilder, Protocol, Refusal};
use sockeye_hub::token::TokenVerifier;
use sockeye_hub::{Builder, Hub, RoomOptions};

/// The secret of tokens.
pub(crate) const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

/// Returns the settings of a hub whose rooms have presence, and a history unless their names begin
/// with "live".
pub(crate) fn hub() -> Builder<()> {
    Hub::builder().rooms(|room| {
        let options = RoomOptions::new().presence();
        match room.as_str() {
            name if name.starts_with("live") => options,
            name if name.starts_with("short") => {
                options.history(Retention { count: 5, ..Retention::default() })
            }
            name if name.starts_with("deep") => options.history(Retention {
                count: 10_000,
                bytes: 64 << 20,
                ..Retention::default()
            }),
            name if name.starts_with("bare") => RoomOptions::new().history(Retention::default()),
            _ => options.history(Retention::default()),
        }
    })
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::builder(hub().build()).build()
}

/// Returns the settings of an endpoint that verifies tokens.
pub(crate) fn with_tokens() -> EndpointBuilder<()> {
    Endpoint::builder(hub().build()).tokens(TokenVerifier::hmac(SECRET).unwrap())
}

/// Returns an endpoint that verifies tokens, and has the method `echo`.
pub(crate) fn with_echo() -> Endpoint {
    with_tokens()
        .on_rpc(async |_, method, data| match &*method {
            "echo" => Ok(data),
            _ => Err(Refusal::METHOD_NOT_FOUND),
        })
        .build()
}

/// Serves an endpoint on a port, and returns its URL.
pub(crate) async fn serve(endpoint: Endpoint) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let subprotocols = Endpoint::<()>::subprotocols().iter().copied();
    let server = server
        .options(Options::new().subprotocols(subprotocols).keep_request(true))
        .allow_hosts(HostPolicy::loopback().allow_addresses());
    tokio::spawn(server.serve(move |ws: WebSocket| {
        let endpoint = endpoint.clone();
        async move {
            if ws.request().is_some_and(|request| request.query("format").is_some()) {
                return endpoint.serve_as(ws, Protocol::CentrifugeProtobuf).await;
            }
            endpoint.serve(ws).await
        }
    }));
    url
}

/// Signs a token.
pub(crate) fn token(claims: Value) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = format!("{}.{}", part(json!({ "alg": "HS256", "typ": "JWT" })), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = hmac::sign(&key, head.as_bytes());
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns a time from now on, in seconds since 1970.
pub(crate) fn in_seconds(seconds: u64) -> u64 {
    (SystemTime::now() + Duration::from_secs(seconds)).duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Lets little wait for slow clients.
pub(crate) fn small_queues(builder: Builder<()>) -> Builder<()> {
    let mut limits = OutboxLimits::default();
    limits.messages = 100;
    builder.outbox_limits(limits).send_queue(4 << 10)
}

/// Returns an endpoint with [`small_queues`].
pub(crate) fn small() -> Endpoint {
    Endpoint::builder(small_queues(hub()).build()).build()
}

/// The number of publications of [`fill`].
pub(crate) const FILL: usize = 500;

/// Publishes more to a room than the pipe of a connection and [`small_queues`] hold.
pub(crate) async fn fill(endpoint: &Endpoint, room: &str) {
    for number in 0..FILL {
        let text = format!(r#"{{"number":{number},"filler":"{}"}}"#, "x".repeat(400));
        endpoint.hub().room(room).publish(text).await.unwrap();
    }
}

pub(crate) async fn publish(hub: &Hub, room: &str, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        hub.room(room).publish(number.to_string()).await.unwrap();
    }
}
