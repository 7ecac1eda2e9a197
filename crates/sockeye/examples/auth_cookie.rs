//! Admits clients with a session, identified by a cookie, which a page's own scripts send
//! automatically.
//!
//!     cargo run -p sockeye --example auth_cookie
//!     curl -i -N -H 'Cookie: session=5d41402a' -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
//!         -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://127.0.0.1:8080/
//!
//! Browsers send cookies with the WebSockets of any page. The check of the origin, which is on by
//! default, keeps pages of other sites out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use sockeye::upgrade::{Admission, HostPolicy, Refusal, UpgradeRequest};
use sockeye::{Server, WebSocket};

#[derive(Clone, Debug)]
struct Session {
    user: String,
}

/// Sessions as another service would store them. The cookie is a random key that is looked up by
/// its hash: no secret is compared byte by byte.
#[derive(Default)]
struct Sessions(HashMap<String, Session>);

impl Sessions {
    async fn find(&self, key: &str) -> Option<Session> {
        // The round trip to that service. The timeout of the handshake runs meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.0.get(key).cloned()
    }
}

async fn admit(request: UpgradeRequest, sessions: Arc<Sessions>) -> Result<Admission, Refusal> {
    let session = match request.cookie("session") {
        Some(key) => sessions.find(key).await,
        None => None,
    };
    let Some(session) = session else {
        let json = HeaderValue::from_static("application/json");
        let body = r#"{"error":"log in first","at":"/login"}"#;
        return Err(Refusal::unauthorized("").content(json, body));
    };
    Ok(Admission::new().data(session))
}

async fn chat(mut ws: WebSocket) -> sockeye::Result<()> {
    let user = ws.data::<Session>().map_or_else(String::new, |session| session.user.clone());
    ws.send(format!("hello {user}")).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let session = Session { user: "Ada".into() };
    let sessions = Arc::new(Sessions(HashMap::from([("5d41402a".to_owned(), session)])));
    let server = Server::bind("127.0.0.1:8080").await?.allow_hosts(HostPolicy::loopback());
    println!("http://{}/", server.local_addr()?);
    server.admit(move |request| admit(request, sessions.clone())).serve(chat).await
}
