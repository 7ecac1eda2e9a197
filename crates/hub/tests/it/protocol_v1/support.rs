//! A server with rooms of several kinds, and clients of raw messages.

use std::net::SocketAddr;
#[cfg(feature = "client")]
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

#[cfg(feature = "client")]
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use bytes::Bytes;
#[cfg(feature = "client")]
use ring::hmac;
use serde_json::{Value, json};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, Server, WebSocket};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::protocol::{ClientLimits, Endpoint, EndpointBuilder, Refusal};
use sockeye_hub::token::TokenVerifier;
use sockeye_hub::{Denied, Hub, Recipients, RoomOptions, SessionHandle};
#[cfg(feature = "client")]
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// The key of the tokens.
pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes or more";

/// Returns a hub: rooms have presence, and those whose names begin with "log" or "short" have a
/// history. Only members publish to those whose names begin with "members".
pub(crate) fn hub() -> Hub {
    Hub::builder()
        .rooms(|room| {
            let options = RoomOptions::new().presence();
            let retention = Retention { count: 10_000, bytes: 16 << 20, ..Retention::default() };
            match room.as_str() {
                name if name.starts_with("log") => {
                    options.history(retention).policy(DeliveryPolicy::CatchUp)
                }
                name if name.starts_with("short") => {
                    options.history(Retention { count: 10, ..retention })
                }
                name if name.starts_with("latest") => {
                    options.policy(DeliveryPolicy::LatestByKey).key_tag("key")
                }
                name if name.starts_with("absent") => RoomOptions::new(),
                _ => options,
            }
        })
        .authorize_join(async |_, room| match room.as_str() {
            "secret" => Err(Denied::new("members only")),
            _ => Ok(()),
        })
        .authorize_publish(async |session: SessionHandle, room, _| {
            let for_members = room.as_str().starts_with("members");
            if for_members && !session.rooms().contains(&room) {
                return Err(Denied::new("members only"));
            }
            Ok(())
        })
        .build()
}

/// Returns an endpoint that answers RPCs: `echo` returns the data, and `close` closes the client's
/// connection with a code and a reason.
pub(crate) fn endpoint(hub: &Hub) -> EndpointBuilder<()> {
    let closing = hub.clone();
    let mut limits = ClientLimits::default();
    limits.expiry_grace = Duration::from_millis(100);
    Endpoint::builder(hub.clone())
        .tokens(TokenVerifier::hmac(SECRET).unwrap())
        .anonymous(true)
        .limits(limits)
        .on_rpc(move |session, method, data| rpc(closing.clone(), session, method, data))
        .on_message(|session, message| session.try_send(message).unwrap())
}

async fn rpc(
    hub: Hub,
    session: SessionHandle,
    method: String,
    data: Bytes,
) -> Result<Bytes, Refusal> {
    match &*method {
        "echo" => Ok(data),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(data)
        }
        "close" => {
            let (code, reason): (u16, String) = serde_json::from_slice(&data).unwrap();
            session.close(code, &reason).unwrap();
            Ok(Bytes::new())
        }
        "invite" => {
            hub.join(Recipients::from(session.id()), "log:invited").await.unwrap();
            Ok(Bytes::new())
        }
        _ => Err(Refusal::new(404, "no such method")),
    }
}

/// Serves an endpoint on a free port.
pub(crate) async fn serve(endpoint: Endpoint) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let subprotocols = Endpoint::<()>::subprotocols().iter().copied();
    let server = server.options(Options::new().subprotocols(subprotocols));
    tokio::spawn(server.serve(move |ws: WebSocket| {
        let endpoint = endpoint.clone();
        async move { endpoint.serve(ws).await }
    }));
    address
}

/// A TCP proxy to a server, whose connections can be cut, and whose answers can be held back.
#[cfg(feature = "client")]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    holds_answers: Arc<AtomicBool>,
    cut: Arc<Notify>,
}

#[cfg(feature = "client")]
impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (holds_answers, cut) = (Arc::<AtomicBool>::default(), Arc::<Notify>::default());
        let (holds, is_cut) = (holds_answers.clone(), cut.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                holds.store(false, Ordering::SeqCst);
                tokio::spawn(Self::forward(client, server, holds.clone(), is_cut.clone()));
            }
        });
        Self { address, holds_answers, cut }
    }

    async fn forward(
        client: TcpStream,
        server: SocketAddr,
        holds: Arc<AtomicBool>,
        cut: Arc<Notify>,
    ) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) =
            TcpStream::connect(server).await.unwrap().into_split();
        let answers = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                if !holds.load(Ordering::SeqCst)
                    && to_client.write_all(&buffer[..length]).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            () = answers => {}
            () = cut.notified() => {}
        }
    }

    pub(crate) fn hold_answers(&self) {
        self.holds_answers.store(true, Ordering::SeqCst);
    }

    /// Cuts the connections. Everything is forwarded on later ones.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }
}

/// Signs a token with HMAC.
#[cfg(feature = "client")]
pub(crate) fn sign(claims: &Value) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(br#"{"alg":"HS256"}"#);
    let text = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let tag = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", encode(tag.as_ref()))
}

/// A client of JSON messages, connected in memory.
pub(crate) struct Raw {
    pub(crate) ws: WebSocket,
    last_id: u64,
}

impl Raw {
    /// Opens a connection, without the first command.
    pub(crate) async fn open(endpoint: &Endpoint) -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let subprotocol = "sockeye.hub.v1";
        let client = Client::new("ws://localhost/").subprotocols([subprotocol]);
        let server = Upgrader::new().options(Options::new().subprotocols([subprotocol]));
        let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
        let (endpoint, server) = (endpoint.clone(), server.unwrap());
        tokio::spawn(async move { endpoint.serve(server).await });
        Self { ws: client.unwrap(), last_id: 0 }
    }

    pub(crate) async fn connect(endpoint: &Endpoint) -> Self {
        let mut raw = Self::open(endpoint).await;
        raw.send("connect", json!({})).await;
        let reply = raw.next().await;
        assert!(reply["connect"]["session"].is_string(), "{reply}");
        raw
    }

    /// Sends a command, and returns its id.
    pub(crate) async fn send(&mut self, command: &str, content: Value) -> u64 {
        self.last_id += 1;
        let message = json!({ "id": self.last_id, command: content });
        self.ws.send(message.to_string()).await.unwrap();
        self.last_id
    }

    /// Returns the next message except events of presence.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let message = self.any().await;
            if message.get("presence").is_none() {
                return message;
            }
        }
    }

    pub(crate) async fn any(&mut self) -> Value {
        let received = tokio::time::timeout(Duration::from_secs(20), self.ws.recv()).await;
        let message = received.expect("a message in time").unwrap().expect("an open connection");
        serde_json::from_str(message.as_text().unwrap()).unwrap()
    }

    /// Sends a command, and returns the content of its reply, or its error.
    pub(crate) async fn call(&mut self, command: &str, content: Value) -> Result<Value, Value> {
        let id = self.send(command, content).await;
        let mut reply = self.next().await;
        assert_eq!(reply["id"], id, "{reply}");
        match reply.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(reply[command].take()),
        }
    }

    /// Joins a room, and returns the event.
    pub(crate) async fn join(&mut self, join: Value) -> Value {
        let id = self.send("join", json!([join])).await;
        let event = self.next().await;
        assert_eq!(self.next().await, json!({ "id": id, "join": {} }));
        event
    }

    /// Returns the close code of the server.
    pub(crate) async fn close_code(&mut self) -> u16 {
        while self.ws.recv().await.unwrap().is_some() {}
        self.ws.close_frame().expect("a close frame").code.into()
    }
}
