//! Notifications: a REST handler notifies all sessions of a user, and a client that was away
//! receives what it missed.
//!
//!     cargo run -p sockeye-hub --example notifications -- 127.0.0.1:8080
//!     curl -d 'your order has left' http://127.0.0.1:8080/users/ada/notifications
//!
//! The page `http://127.0.0.1:8080/?user=ada` shows the notifications of Ada, in any number of
//! tabs. Close it, notify her, and open it again. A request with the header `Idempotency-Key` can
//! be repeated: the notification is stored once.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use sockeye::axum::WebSocketUpgrade;
use sockeye::upgrade::{HostPolicy, Options};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::core::{Publication, PublicationId, RoomName, UserId};
use sockeye_hub::protocol::{Accepted, Endpoint, Refusal};
use sockeye_hub::{Denied, Hub, HubError, RoomOptions, SessionHandle};
use tokio::net::TcpListener;

#[derive(Clone)]
struct App {
    hub: Hub,
    endpoint: Endpoint,
    options: Options,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/?user=ada", listener.local_addr()?);
    axum::serve(listener, app()).await
}

pub(crate) fn app() -> Router {
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let retention = Retention { age: week, ..Retention::default() };
    let room = RoomOptions::new().history(retention).policy(DeliveryPolicy::CatchUp);
    let hub: Hub = Hub::builder()
        .rooms(move |_| room.clone())
        .authorize_join(async |session: SessionHandle, room: RoomName| {
            match session.user().map(room_of) {
                Some(own) if own == room.as_str() => Ok(()),
                _ => Err(Denied::new("notifications of another user")),
            }
        })
        .authorize_publish(async |_, _, _| Err(Denied::new("only the server notifies")))
        .build();
    // The user is whom the URL names. A real server asks a session cookie or a token: see the
    // example auth_cookie of sockeye, and EndpointBuilder::tokens.
    let endpoint = Endpoint::builder(hub.clone())
        .on_connect(async |request| {
            let user = request.upgrade.as_ref().and_then(|request| request.query("user"));
            let user = UserId::new(&user.ok_or(Refusal::UNAUTHORIZED)?);
            Ok(Accepted::new(()).user(user))
        })
        .build();
    let options = Options::new()
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .keep_request(true)
        .subprotocols(Endpoint::<()>::subprotocols().iter().copied());
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/sockeye-hub.js", get(async || ([(CONTENT_TYPE, "text/javascript")], CLIENT)))
        .route("/connect", any(connect))
        .route("/users/{user}/notifications", post(notify))
        .with_state(App { hub, endpoint, options })
}

fn room_of(user: &UserId) -> String {
    format!("user:{user}")
}

async fn connect(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.options(app.options).on_upgrade(async move |ws| app.endpoint.serve(ws).await)
}

async fn notify(
    State(app): State<App>,
    Path(user): Path<String>,
    headers: HeaderMap,
    text: String,
) -> Result<StatusCode, Failure> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let publication = Publication {
        id: key.map(PublicationId::new),
        ..Publication::new(json!({ "text": text }).to_string())
    };
    app.hub.room(room_of(&UserId::new(&user))).publish_with(publication).await?;
    Ok(StatusCode::CREATED)
}

struct Failure(HubError);

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0 {
            HubError::RoomName(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{}\n", self.0)).into_response()
    }
}

const CLIENT: &str = include_str!("../js/sockeye-hub.js");

/// The page keeps its position, so that it recovers what it missed while it was closed.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Notifications</title>
<ul></ul>
<script type="module">
  import { Hub } from './sockeye-hub.js';

  const user = new URLSearchParams(location.search).get('user') ?? 'ada';
  const hub = new Hub(`ws://${location.host}/connect?user=${encodeURIComponent(user)}`);
  const room = hub.room(`user:${user}`);
  const show = (text) => {
    const item = document.createElement('li');
    item.textContent = text;
    document.querySelector('ul').append(item);
  };
  room.on('publication', ({ data, position }) => {
    show(data.text);
    localStorage.setItem(user, position);
  });
  room.on('missed', ({ reason }) => show(`notifications are missing: ${reason}`));
  await room.join({ from: localStorage.getItem(user) ?? undefined });
</script>
"#;
