//! Packets of type, length, `who` and content in binary messages, routed to methods by their type.
//!
//! ```text
//!  client                                server
//!  type 7, who 3, request   ───────────►
//!                           ◄─────────── type 7, who 3, response     (a stream: each of them)
//!                           ◄─────────── type 0, who 3, status       (failures, ends of streams)
//! ```
//!
//! `who` is the client's, and the same in all packets of a call: it tells apart calls in progress.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use prost::Message as _;
use sockeye::split::Sender;
use sockeye::{CloseCode, Message, WebSocket};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::ends::deadline_exceeded;
use super::handshake;
use super::many_calls::{self, Close, ManyCalls};
use crate::catalog::MethodEntry;
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{Packet, Packets};
use crate::metadata::Convention;
use crate::record::Dialect;
use crate::service::call::{Prepared, Reply, finish_message, message_buffer};
use crate::service::charged_body::ChargedBody;
use crate::service::held_bytes::HeldBytes;
use crate::service::inner::Inner;
use crate::service::packet_routes::STATUS;
use crate::service::scope::CallScope;
use crate::service::shared::Shared;
use crate::status::{Code, Status};

/// Serves the packets of a socket until the client ends it or breaks a rule.
pub(super) async fn serve(gateway: Arc<Shared>, head: Parts, socket: WebSocket) {
    let (sender, receiver) = socket.split();
    let tasks = JoinSet::new();
    let connection = Connection { gateway: Arc::clone(&gateway), head, sender, tasks };
    many_calls::serve(&gateway, connection, receiver).await;
}

/// The reader of a socket.
struct Connection {
    gateway: Arc<Shared>,
    /// The head with which calls begin.
    head: Parts,
    sender: Sender,
    /// The calls in progress.
    tasks: JoinSet<()>,
}

impl ManyCalls for Connection {
    fn tasks(&mut self) -> &mut JoinSet<()> {
        &mut self.tasks
    }

    fn on_ended(&mut self) {}

    async fn on_message(&mut self, message: Message) -> Result<(), Close> {
        let Message::Binary(payload) = message else {
            return Err((CloseCode::UNSUPPORTED_DATA, "packets are binary".to_owned()));
        };
        let max_length = self.gateway.current().settings.max_message_length;
        for packet in Packets::new(payload, max_length) {
            let packet = packet.map_err(|error| (CloseCode::PROTOCOL_ERROR, error.to_string()))?;
            let reply =
                PacketSender { kind: packet.kind, who: packet.who, sender: self.sender.clone() };
            if let Err(status) = self.start(&packet, reply.clone()) {
                // Waits for the queue, so that a client that does not read has no more refused.
                reply.status(&status).await;
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Begins a call in a task of its own.
    fn start(&mut self, packet: &Packet, reply: PacketSender) -> Result<(), Status> {
        let inner = self.gateway.current();
        let settings = &inner.settings;
        // Calls that have ended make room.
        while self.tasks.try_join_next().is_some() {}
        if self.tasks.len() >= settings.sockets.max_calls as usize {
            let message = "too many calls are in progress on this socket";
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let path = settings.sockets.packets.as_ref();
        let path = path.and_then(|routes| routes.method_of(packet.kind)).ok_or_else(|| {
            let message = format!("packets of type {} have no method", packet.kind);
            Status::new(Code::Unimplemented, message)
        })?;
        let catalog = inner.catalogs.current();
        let method = catalog.method(path.path()).ok_or_else(|| {
            let message = format!("no upstream has the method {:?}", path.path());
            Status::new(Code::Unimplemented, message)
        })?;
        if method.descriptor().client_streaming {
            let message = "packets cannot call methods whose requests are streams";
            return Err(Status::new(Code::Unimplemented, message));
        }
        let mut request = message_buffer(packet.content.len());
        request.extend_from_slice(&packet.content);
        let request = finish_message(request, settings.max_message_length)?;
        let mut head = self.head.clone();
        handshake::set_path(&mut head, path);
        let scope = inner.begin_call(Dialect::Packets, Some(path), &mut head)?;
        scope.counters().count_request_bytes(request.len());
        let method = Arc::clone(method);
        self.tasks.spawn(call(Arc::clone(&inner), method, head, request, reply, scope));
        Ok(())
    }
}

/// Makes a call, and sends its packets.
async fn call(
    inner: Arc<Inner>,
    method: Arc<MethodEntry>,
    head: Parts,
    request: Bytes,
    reply: PacketSender,
    scope: CallScope,
) {
    let responding = async {
        let (convention, timeout) = (Convention::Rest, TimeoutForm::Server);
        let path = method.path().path();
        let prepared = inner.prepare(path, convention, timeout, &head).await?;
        match prepared.deadline {
            None => respond(&inner, &method, prepared, request, &reply).await,
            Some(deadline) => {
                let responding = respond(&inner, &method, prepared, request, &reply);
                timeout_at(deadline, responding).await.unwrap_or_else(|_| Err(deadline_exceeded()))
            }
        }
    };
    let ended = responding.await;
    if let Err(status) = &ended {
        scope.set_code(status.code);
    }
    // The place of the call is free before the client learns of the end.
    drop((scope, head));
    match ended {
        Ok(()) if method.descriptor().server_streaming => {
            reply.status(&Status::new(Code::Ok, "")).await;
        }
        Ok(()) => {}
        Err(status) => reply.status(&status).await,
    }
}

async fn respond(
    inner: &Inner,
    method: &MethodEntry,
    prepared: Prepared,
    request: Bytes,
    reply: &PacketSender,
) -> Result<(), Status> {
    let budget = &inner.settings.budget;
    let body = ChargedBody::once(request, HeldBytes::of_request(budget), budget)?;
    let mut held = HeldBytes::of_call(budget);
    if !method.descriptor().server_streaming {
        let response = inner.call_unary(method, prepared, body).await;
        let message = response.map_err(|failure| failure.end.status)?.message;
        return held.wait(message.len(), reply.send(reply.kind, message)).await;
    }
    let response = inner.call(method, prepared, body).await;
    let Reply { mut messages, .. } = response.map_err(|failure| failure.end.status)?;
    loop {
        match messages.next().await {
            Ok(wire) => held.wait(wire.len(), reply.send(reply.kind, wire)).await?,
            Err(end) if end.status.code == Code::Ok => return Ok(()),
            Err(end) => return Err(end.status),
        }
    }
}

/// The packets of the server for a call.
#[derive(Clone)]
struct PacketSender {
    kind: u32,
    who: u32,
    sender: Sender,
}

impl PacketSender {
    async fn send(&self, kind: u32, content: Bytes) -> Result<(), Status> {
        let mut out = BytesMut::new();
        let packet = Packet { kind, who: self.who, content };
        packet.encode(&mut out).map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        let sent = self.sender.send(out.freeze()).await;
        sent.map_err(|_| Status::new(Code::Canceled, "the socket is closed"))
    }

    async fn status(&self, status: &Status) {
        // An error means that the socket is over.
        let _ = self.send(STATUS, status_content(status)).await;
    }
}

/// Returns a status as a `google.rpc.Status`, which is empty for success.
fn status_content(status: &Status) -> Bytes {
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    struct RpcStatus {
        #[prost(uint32, tag = "1")]
        code: u32,
        #[prost(string, tag = "2")]
        message: String,
    }

    if !status.details.is_empty() {
        return status.details.clone();
    }
    let status = RpcStatus { code: status.code.number(), message: status.message.clone() };
    status.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_empty_for_success() {
        assert_eq!(status_content(&Status::new(Code::Ok, "")), "");
        assert_eq!(status_content(&Status::new(Code::NotFound, "x"))[..], *b"\x08\x05\x12\x01x");
    }
}
