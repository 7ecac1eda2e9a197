//! Clients of the dialects on WebSockets.

use http::HeaderMap;
use http::uri::PathAndQuery;
use prost::Message as _;
use sockeye::{Client, CloseFrame, Message, WebSocket};
use sockeye_gateway::Gateway;
use sockeye_gateway::dialect::framing::{
    CallEnd, CallMessage, CallStart, ClientFrame, INITIAL_CREDIT, ServerFrame,
};
use sockeye_gateway::dispatch::Codec;
use sockeye_gateway_testing::Server;
use sockeye_gateway_testing::proto::EchoMessage;
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway, upstream};

pub(crate) const SERVICE: &str = "sockeye.gateway.testing.Echo";

/// Starts a server and a gateway with these settings in front of it.
pub(crate) async fn serve(
    settings: impl FnOnce(sockeye_gateway::Builder) -> sockeye_gateway::Builder,
) -> (Server, ServedGateway) {
    let server = Server::start().await;
    let builder = Gateway::builder().upstream(upstream(&server.url()));
    let gateway = ServedGateway::start(settings(builder).build()).await;
    (server, gateway)
}

pub(crate) fn client(gateway: &ServedGateway, path: &str) -> Client {
    let url = gateway.url().replacen("http", "ws", 1);
    Client::new(format!("{url}{path}"))
}

pub(crate) async fn connect(client: Client) -> WebSocket {
    timeout(LIMIT, client.connect()).await.unwrap().unwrap()
}

/// Returns the next message.
pub(crate) async fn receive(socket: &mut WebSocket) -> Message {
    let received = timeout(LIMIT, socket.recv()).await.unwrap().unwrap();
    received.unwrap_or_else(|| panic!("the server closed with {:?}", socket.close_frame()))
}

/// Returns the close frame of the server, which must be next.
pub(crate) async fn receive_close(socket: &mut WebSocket) -> CloseFrame {
    let received = timeout(LIMIT, socket.recv()).await.unwrap();
    assert!(matches!(received, Ok(None)), "{received:?}");
    socket.close_frame().cloned().expect("the server sends a close frame")
}

pub(crate) fn start(method: &str) -> CallStart {
    CallStart::new(PathAndQuery::try_from(format!("/{SERVICE}/{method}")).unwrap())
}

pub(crate) fn json(text: &str) -> CallMessage {
    CallMessage::Json(text.into())
}

pub(crate) fn metadata(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// A client of `sockeye.grpc.v1`.
pub(crate) struct CallsClient {
    pub(crate) socket: WebSocket,
}

/// The responses of a call, as they arrived, and its end.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) messages: Vec<CallMessage>,
    pub(crate) end: CallEnd,
}

impl CallsClient {
    pub(crate) async fn connect(gateway: &ServedGateway) -> Self {
        let client = client(gateway, "/").subprotocols(["sockeye.grpc.v1"]);
        Self { socket: connect(client).await }
    }

    pub(crate) async fn send(&mut self, frame: ClientFrame) {
        self.socket.send(frame.encode()).await.unwrap();
    }

    pub(crate) async fn start(&mut self, id: u32, start: CallStart) {
        self.send(ClientFrame::Start(id, Box::new(start))).await;
    }

    /// Begins a call with one request in JSON.
    pub(crate) async fn start_with(&mut self, id: u32, method: &str, request: &str) {
        let mut start = start(method);
        start.message = Some(request.into());
        start.half_close = true;
        self.start(id, start).await;
    }

    pub(crate) async fn next(&mut self) -> ServerFrame {
        let message = receive(&mut self.socket).await;
        ServerFrame::decode(&message).unwrap_or_else(|error| panic!("{error}: {message}"))
    }

    /// Receives the rest of a call, and ignores what belongs to others.
    pub(crate) async fn finish(&mut self, call: u32) -> Called {
        let (mut headers, mut messages) = (None, Vec::new());
        loop {
            match self.next().await {
                ServerFrame::Headers(id, received) if id == call => {
                    assert!(headers.is_none() && messages.is_empty());
                    headers = Some(received);
                }
                ServerFrame::Message(id, message) if id == call => messages.push(message),
                ServerFrame::End(id, end) if id == call => {
                    return Called { headers, messages, end: *end };
                }
                _ => {}
            }
        }
    }

    /// Makes a call with these requests.
    pub(crate) async fn call(
        &mut self,
        id: u32,
        start: CallStart,
        requests: Vec<CallMessage>,
    ) -> Called {
        let length: usize = requests.iter().map(CallMessage::len).sum();
        assert!((length as u64) < INITIAL_CREDIT);
        self.start(id, start).await;
        for request in requests {
            self.send(ClientFrame::Message(id, request, false)).await;
        }
        self.send(ClientFrame::HalfClose(id)).await;
        self.finish(id).await
    }
}

impl Called {
    /// Returns the messages as they are in protobuf, or as JSON.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |message: &CallMessage| match message {
            CallMessage::Proto(wire) => EchoMessage::decode(wire.clone()).unwrap().text,
            CallMessage::Json(json) => {
                let value: serde_json::Value = serde_json::from_str(json).unwrap();
                value["text"].as_str().unwrap().to_owned()
            }
        };
        self.messages.iter().map(text).collect()
    }
}

/// Returns a message in the encoding of a codec.
pub(crate) fn encoded(codec: Codec, message: &EchoMessage) -> CallMessage {
    match codec {
        Codec::Proto => CallMessage::Proto(message.encode_to_vec().into()),
        Codec::Json => {
            let value = serde_json::json!({ "text": message.text, "number": message.number });
            CallMessage::Json(value.to_string().into())
        }
    }
}
