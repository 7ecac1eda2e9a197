//! The protocol `sockeye.grpc.v1` over a WebSocket, with one call: see
//! `docs/grpc-websocket-protocol.md`.

use std::time::Duration;

use serde_json::value::RawValue;
use sockeye::bytes::Bytes;
use sockeye::http::HeaderMap;
use sockeye::http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use sockeye::http::uri::PathAndQuery;
use sockeye::split::{Receiver, Sender};
use sockeye::{Client, CloseCode, Config, ConnectError, Error, Message, WebSocket};
use sockeye_gateway::dialect::framing::{
    CallEnd, CallMessage, CallStart, ClientFrame, FrameError, INITIAL_CREDIT, ServerFrame,
};
use sockeye_gateway::dispatch::Codec;
use sockeye_gateway::status::Code;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::Failure;
use crate::commands::call::MAX_MESSAGE;
use crate::commands::call::exchange::{Exchange, both};
use crate::commands::call::output::Output;
use crate::commands::call::requests::Requests;
use crate::commands::call::rpc_error::RpcError;

const SUBPROTOCOL: &str = "sockeye.grpc.v1";

/// The id of the only call of the connection.
const ID: u32 = 1;

/// The credit that the protocol has for a client without a limit: unread messages stay in the
/// connection, which has no other call.
const UNLIMITED_CREDIT: u64 = (1 << 53) - 1;

/// Timeout of the closing handshake after the call.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Length of a message of text, in bytes, beside that of a response: for headers, and for details
/// of errors.
const MAX_TEXT: usize = 64 << 10;

/// Makes a call.
pub(in super::super) async fn call(
    exchange: Exchange<'_>,
    requests: Requests<'_>,
    mut output: Output<'_>,
) -> Result<(), Failure> {
    let (sender, mut receiver) = open(&exchange).await?.split();
    sender.send(start(&exchange)?).await.map_err(lost)?;
    let credit = watch::Sender::new(i64::try_from(INITIAL_CREDIT).unwrap_or(i64::MAX));
    let sending = send(&sender, requests, &credit);
    let end = both(sending, receive(&mut receiver, &credit, &mut output)).await?;
    // The outcome is known, whatever becomes of the connection.
    let _ = timeout(CLOSE_TIMEOUT, receiver.close(CloseCode::NORMAL_CLOSURE, "")).await;
    let details: Vec<&RawValue> = serde_json::from_str(&end.details).unwrap_or_default();
    let error = (end.code != Code::Ok).then(|| RpcError {
        code: end.code,
        message: end.message.clone(),
        details: details.into_iter().map(|detail| detail.get().to_owned()).collect(),
    });
    output.finish(error, &end.trailers)
}

async fn open(exchange: &Exchange<'_>) -> Result<WebSocket, Failure> {
    let address = exchange.connector.address();
    let scheme = if address.is_secure { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{}/", address.authority, address.prefix);
    let config = Config::new().max_message_length(MAX_MESSAGE + MAX_TEXT);
    let mut client = Client::new(url).subprotocols([SUBPROTOCOL]).config(config);
    if let Some(tls) = exchange.connector.tls() {
        client = client.tls(tls.clone());
    }
    // All metadata are in the call. Servers before the gateway read these from the handshake.
    for (name, value) in exchange.metadata {
        if [AUTHORIZATION, COOKIE, ORIGIN].contains(name) {
            client = client.header(name, value.clone());
        }
    }
    let ws = client.connect().await.map_err(|error| refused(&error))?;
    if ws.subprotocol() != Some(SUBPROTOCOL) {
        let message = format!("the server does not speak the subprotocol {SUBPROTOCOL}");
        return Err(Failure::refused(message));
    }
    Ok(ws)
}

fn refused(error: &ConnectError) -> Failure {
    let message = error.to_string();
    match error {
        ConnectError::Request(_) => Failure::usage(message),
        ConnectError::Resolve { .. } => Failure::resolve(message),
        ConnectError::Tls { .. } | ConnectError::TlsConfig(_) => Failure::tls(message),
        ConnectError::Handshake(_) | ConnectError::Redirect(_) => Failure::refused(message),
        _ => Failure::connect(message),
    }
}

/// Returns the message that begins the call.
fn start(exchange: &Exchange<'_>) -> Result<Message, Failure> {
    let path: PathAndQuery = exchange
        .path()
        .parse()
        .map_err(|error| Failure::usage(format!("the name cannot be a path: {error}")))?;
    let mut start = CallStart::new(path);
    start.codec = Codec::Proto;
    start.metadata = exchange.metadata.iter().cloned().collect::<HeaderMap>();
    start.credit = UNLIMITED_CREDIT;
    // A timeout below a millisecond has no form.
    start.timeout = exchange.remaining().map(|rest| rest.max(Duration::from_millis(1)));
    Ok(ClientFrame::Start(ID, Box::new(start)).encode())
}

/// Sends the requests, as far as the credit allows.
async fn send(
    sender: &Sender,
    mut requests: Requests<'_>,
    credit: &watch::Sender<i64>,
) -> Result<(), Failure> {
    if !requests.are_stream() {
        return sent(sender.send(request(requests.one().await?, true)).await);
    }
    let mut changes = credit.subscribe();
    while let Some(wire) = requests.next().await? {
        // The sender of the credit is in scope.
        let _ = changes.wait_for(|credit| *credit > 0).await;
        let message = request(wire, false);
        let length = i64::try_from(message.as_bytes().len()).unwrap_or(i64::MAX);
        credit.send_modify(|credit| *credit = credit.saturating_sub(length));
        sent(sender.send(message).await)?;
    }
    sent(sender.send(ClientFrame::HalfClose(ID).encode()).await)
}

/// Ignores that the connection is closed: the receiver then knows the end of the call, or the
/// reason.
fn sent(sent: sockeye::Result<()>) -> Result<(), Failure> {
    match sent {
        Err(error) if !matches!(error, Error::Closed(_)) => Err(lost(error)),
        _ => Ok(()),
    }
}

/// Returns the message with a request.
fn request(wire: Vec<u8>, is_last: bool) -> Message {
    ClientFrame::Message(ID, CallMessage::Proto(Bytes::from(wire)), is_last).encode()
}

/// Prints the responses until the end of the call.
async fn receive(
    receiver: &mut Receiver,
    credit: &watch::Sender<i64>,
    output: &mut Output<'_>,
) -> Result<CallEnd, Failure> {
    while let Some(message) = receiver.recv().await.map_err(lost)? {
        match ServerFrame::decode(&message) {
            Ok(ServerFrame::Headers(ID, headers)) => output.headers(&headers),
            Ok(ServerFrame::Message(ID, CallMessage::Proto(wire))) => output.wire(&wire)?,
            Ok(ServerFrame::Message(ID, CallMessage::Json(_))) => {
                return Err(Failure::protocol("the server sent JSON to a call of protobuf"));
            }
            Ok(ServerFrame::Credit(ID, more)) => {
                let more = i64::try_from(more).unwrap_or(i64::MAX);
                credit.send_modify(|credit| *credit = credit.saturating_add(more));
            }
            Ok(ServerFrame::End(ID, end)) => return Ok(*end),
            // Messages of other calls, and those of later versions, have no meaning here.
            Ok(_) | Err(FrameError::NoName) => {}
            Err(error) => {
                let message = format!("the server sent a malformed message: {error}");
                return Err(Failure::protocol(message));
            }
        }
    }
    let closed = Error::Closed(receiver.close_frame().cloned());
    Err(Failure::lost(&closed))
}

fn lost(error: Error) -> Failure {
    match error {
        Error::Protocol(_) => Failure::protocol(error.to_string()),
        error => Failure::lost(&error),
    }
}
