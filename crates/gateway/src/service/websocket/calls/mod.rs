//! The subprotocol `sockeye.grpc.v1`: many calls on one socket, as
//! `docs/grpc-websocket-protocol.md` defines it.
//!
//! One task reads the socket and decodes requests; each call has a task of its own, which makes the
//! call and sends its responses and its end. All tasks send through the queue of the socket.
//!
//! ```text
//!  socket ──► Connection ──┬─► RequestSender ──► SocketBody ──► upstream
//!                │         ├─► credit  ──┐                          │
//!                │         └─► stop    ──┤                          ▼
//!                └─ refusals ──► queue ◄─┴──── call: headers, messages, credit, end
//! ```
//!
//! The reader waits for the queue only to refuse a call. A client that does not read has no more
//! than the limit of calls, whose tasks wait for the queue with one response each.

mod call;

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::HeaderValue;
use http::request::Parts;
use sockeye::split::Sender;
use sockeye::{CloseCode, Message, WebSocket};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::handshake;
use super::many_calls::{self, Close, ManyCalls};
use super::requests::{self, RequestSender};
use crate::catalog::RouteBody;
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{
    CallEnd, CallMessage, CallStart, ClientFrame, FrameError, ServerFrame,
};
use crate::dispatch::Codec;
use crate::record::Dialect;
use crate::service::call::too_long;
use crate::service::shared::Shared;
use crate::service::transcoder::{RequestWriter, ResponsePrinter};
use crate::status::{Code, Status};
use call::{Output, RunningCall};

/// The close code after a message that is not of the protocol.
const PROTOCOL_CLOSE: u16 = 4400;

/// The maximum of the header `connect-timeout-ms`, by which a timeout reaches the deadline: 115
/// days.
const MAX_TIMEOUT_MILLIS: u64 = 9_999_999_999;

/// Serves the calls of a socket until the client ends it or breaks a rule.
pub(super) async fn serve(gateway: Arc<Shared>, head: Parts, socket: WebSocket) {
    let (sender, receiver) = socket.split();
    let connection = Connection {
        gateway: Arc::clone(&gateway),
        head,
        auth: HeaderMap::new(),
        sender,
        calls: HashMap::new(),
        tasks: JoinSet::new(),
        last_id: 0,
    };
    many_calls::serve(&gateway, connection, receiver).await;
}

/// The reader of a socket.
struct Connection {
    gateway: Arc<Shared>,
    /// The head with which calls begin.
    head: Parts,
    /// The metadata of `auth`.
    auth: HeaderMap,
    sender: Sender,
    /// The calls in progress, by id.
    calls: HashMap<u32, CallHandle>,
    /// The tasks of calls.
    tasks: JoinSet<()>,
    /// The greatest id so far.
    last_id: u32,
}

/// The reader's end of a call.
struct CallHandle {
    requests: RequestSender,
    writer: RequestWriter,
    /// The bytes of messages that the client has allowed so far.
    allowed: watch::Sender<u64>,
    /// Ends the call with a status. `None` once it was used.
    stop: Option<oneshot::Sender<Status>>,
    task: AbortHandle,
}

impl ManyCalls for Connection {
    fn tasks(&mut self) -> &mut JoinSet<()> {
        &mut self.tasks
    }

    fn on_ended(&mut self) {
        self.calls.retain(|_, call| !call.task.is_finished());
    }

    async fn on_message(&mut self, message: Message) -> Result<(), Close> {
        let cost = message.len();
        let frame = match ClientFrame::decode(&message) {
            Ok(frame) => frame,
            Err(FrameError::Call { id, fault }) => {
                let status = Status::new(Code::InvalidArgument, fault.to_string());
                if id > self.last_id {
                    self.last_id = id;
                    self.refuse(id, status).await;
                } else if let Some(call) = self.calls.get_mut(&id) {
                    call.stop(status);
                }
                return Ok(());
            }
            Err(error) => return Err(protocol_close(&error.to_string())),
        };
        let id = match frame {
            ClientFrame::Auth(metadata) => {
                self.auth = metadata;
                return Ok(());
            }
            ClientFrame::Start(id, start) => return self.on_start(id, *start, cost).await,
            ClientFrame::Message(id, ..)
            | ClientFrame::HalfClose(id)
            | ClientFrame::Cancel(id)
            | ClientFrame::Credit(id, _) => id,
        };
        if id > self.last_id {
            return Err(protocol_close("a message names a call that was not started"));
        }
        // The call has ended, and the client did not know it yet.
        let Some(call) = self.calls.get_mut(&id) else { return Ok(()) };
        match frame {
            ClientFrame::Message(_, message, half_close) => {
                if let Err(status) = call.push(&message, cost, half_close) {
                    call.stop(status);
                }
            }
            ClientFrame::HalfClose(_) => call.requests.finish(),
            ClientFrame::Credit(_, bytes) => {
                call.allowed.send_modify(|allowed| *allowed = allowed.saturating_add(bytes));
            }
            _ => call.stop(Status::new(Code::Canceled, "the client cancelled the call")),
        }
        Ok(())
    }
}

impl Connection {
    async fn on_start(&mut self, id: u32, start: CallStart, cost: usize) -> Result<(), Close> {
        if id <= self.last_id {
            return Err(protocol_close("the id of a call must be greater than all before"));
        }
        self.last_id = id;
        if let Err(status) = self.start(id, start, cost) {
            self.refuse(id, status).await;
        }
        Ok(())
    }

    /// Begins a call in a task of its own.
    fn start(&mut self, id: u32, start: CallStart, cost: usize) -> Result<(), Status> {
        // Calls after a reload of the gateway have its new settings.
        let inner = self.gateway.current();
        let settings = &inner.settings;
        // Calls that have ended make room.
        self.calls.retain(|_, call| !call.task.is_finished());
        if self.calls.len() >= settings.sockets.max_calls as usize {
            let message = "too many calls are in progress on this socket";
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let catalog = inner.catalogs.current();
        let Some(method) = catalog.method(start.method.path()) else {
            let message = format!("no upstream has the method {:?}", start.method.path());
            return Err(Status::new(Code::Unimplemented, message));
        };
        let mut head = self.call_head(&start);
        let scope = inner.begin_call(Dialect::SockeyeGrpc, Some(method.path()), &mut head)?;
        let writer = RequestWriter {
            method: Arc::clone(method),
            codec: start.codec,
            body: RouteBody::Whole,
            bound: Vec::new(),
            options: settings.parse.clone(),
            max_length: settings.max_message_length,
        };
        let printer = (start.codec == Codec::Json).then(|| ResponsePrinter {
            method: Arc::clone(method),
            field: None,
            options: settings.print.clone(),
        });
        let (requests, body) = requests::channel(Arc::clone(scope.counters()), &settings.budget);
        let (allowed, seen) = watch::channel(start.credit);
        let (stop, stopped) = oneshot::channel();
        let call = RunningCall {
            inner: Arc::clone(&inner),
            method: Arc::clone(method),
            head,
            body,
            taken: requests.taken(),
            output: Output::new(
                id,
                self.sender.clone(),
                printer,
                seen,
                Arc::clone(scope.counters()),
            ),
            stopped,
            scope,
        };
        let task = self.tasks.spawn(call.run());
        let mut call = CallHandle { requests, writer, allowed, stop: Some(stop), task };
        if let Some(json) = start.message {
            if let Err(status) = call.push(&CallMessage::Json(json), cost, start.half_close) {
                call.stop(status);
            }
        } else if start.half_close {
            call.requests.finish();
        }
        self.calls.insert(id, call);
        Ok(())
    }

    /// Returns the head of a call: that of the handshake, with the headers that the client has sent
    /// since.
    fn call_head(&self, start: &CallStart) -> Parts {
        let mut head = self.head.clone();
        handshake::set_path(&mut head, &start.method);
        handshake::replace(&mut head.headers, &self.auth);
        handshake::replace(&mut head.headers, &start.metadata);
        let name = TimeoutForm::Connect.header_name();
        head.headers.remove(&name);
        if let Some(timeout) = start.timeout {
            let millis = u64::try_from(timeout.as_millis()).unwrap_or(MAX_TIMEOUT_MILLIS);
            head.headers.insert(name, HeaderValue::from(millis.min(MAX_TIMEOUT_MILLIS)));
        }
        head
    }

    /// Sends the end of a call that was not begun. Waits for the queue, so that a client that does
    /// not read has no more calls refused.
    async fn refuse(&self, id: u32, status: Status) {
        let end = CallEnd::new(status.code, status.message);
        // An error means that the socket is over, which the reader learns next.
        let _ = self.sender.send(ServerFrame::End(id, Box::new(end)).encode()).await;
    }
}

impl CallHandle {
    /// Passes a request on.
    ///
    /// # Errors
    /// The status with which the call ends.
    fn push(&mut self, message: &CallMessage, cost: usize, half_close: bool) -> Result<(), Status> {
        if !self.requests.has_capacity() {
            let message = "the client sent a message without credit";
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let max_length = self.writer.max_length;
        if message.len() > max_length as usize {
            return Err(too_long(message.len(), max_length));
        }
        let request = match (self.writer.codec, message) {
            (Codec::Json, CallMessage::Json(json)) => self.writer.write(json.as_bytes())?,
            (Codec::Proto, CallMessage::Proto(wire)) => self.writer.write(wire)?,
            _ => {
                let message = "a message is not of the codec of its call";
                return Err(Status::new(Code::InvalidArgument, message));
            }
        };
        self.requests.send(request, cost, half_close)
    }

    /// Ends the call, unless it is ending already.
    fn stop(&mut self, status: Status) {
        if let Some(stop) = self.stop.take() {
            // An error means that the call has ended.
            let _ = stop.send(status);
        }
    }
}

fn protocol_close(reason: &str) -> Close {
    (CloseCode::from(PROTOCOL_CLOSE), reason.to_owned())
}
