use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use http::StatusCode;
use sockeye_proto::handshake::{HandshakeError, HeadSearch, Refusal, Request, RequestHead};

use super::flow::{EndReason, Flow, call};
use super::{WorkerContext, Writer};
use crate::answer;
use crate::push::{Answer, Connection, ConnectionId, Handler};
use crate::quota::{self, Entry};
use crate::upgrade::{Options, ProxyHeader};

/// A connection in its opening handshake: the request so far.
#[derive(Debug)]
pub(super) struct Opening {
    search: HeadSearch,
    buffer: Vec<u8>,
    /// The proxy header so far, if one must come first.
    proxy_header: Option<Vec<u8>>,
    peer: SocketAddr,
    /// Set if the client's address is counted only once it is known.
    uncounted: bool,
    deadline: Option<Instant>,
    /// Set if the client exceeds the limit of its address: it is refused once its request is
    /// complete.
    refused: bool,
    pub(super) writer: Option<Box<Writer>>,
}

/// The connection that a request led to.
pub(super) struct OpenedConnection {
    pub(super) connection: Box<Connection>,
    /// Result of [`Handler::open`].
    pub(super) flow: Flow,
    /// Input that follows the request.
    pub(super) rest: Vec<u8>,
    /// The decision of the quota on the client's address, if the address was not known before.
    pub(super) entry: Option<Entry>,
}

impl Opening {
    /// Creates the state of an opening handshake. `entry` is the decision of the quota on the
    /// peer's address, unless a proxy must report the client's address first.
    pub(super) fn new(peer: SocketAddr, entry: Option<&Entry>, options: &Options) -> Self {
        let refused = matches!(entry, Some(Entry::Full(_)));
        let timeout = if refused { quota::REFUSAL_TIMEOUT } else { options.timeout };
        Self {
            search: HeadSearch::new(options.head_limits),
            buffer: Vec::new(),
            proxy_header: options.proxies.expects_header(peer.ip()).then(Vec::new),
            peer,
            uncounted: entry.is_none(),
            deadline: Instant::now().checked_add(timeout),
            refused,
            writer: None,
        }
    }

    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the deadline of the request.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how much of a request was received, in bytes.
    pub(super) fn received(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether a proxy header must come before anything else.
    pub(super) const fn awaits_proxy(&self) -> bool {
        self.proxy_header.is_some()
    }

    /// Takes input until the proxy header is complete, and then returns the input that follows it.
    pub(super) fn receive_proxy_header(&mut self, input: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(header) = &mut self.proxy_header else { return Ok(Some(input.to_vec())) };
        header.extend_from_slice(input);
        let ProxyHeader::Whole { size, client } = ProxyHeader::parse(header)? else {
            return Ok(None);
        };
        let rest = header.split_off(size);
        self.proxy_header = None;
        self.peer = client.unwrap_or(self.peer);
        Ok(Some(rest))
    }

    /// Takes input until the request is complete, and then returns the connection.
    ///
    /// The answer is then in the connection's writer.
    pub(super) fn receive<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        id: ConnectionId,
        input: &[u8],
    ) -> Result<Option<OpenedConnection>, HandshakeError> {
        self.buffer.extend_from_slice(input);
        let Some(end) = self.search.find(&self.buffer)? else { return Ok(None) };
        if self.refused {
            return Err(quota::refusal().into());
        }
        let (connection, flow, entry) = self.open(context, id, end)?;
        let rest = self.buffer.split_off(end);
        Ok(Some(OpenedConnection { connection, flow, rest, entry }))
    }

    fn open<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        id: ConnectionId,
        end: usize,
    ) -> Result<(Box<Connection>, Flow, Option<Entry>), HandshakeError> {
        let settings = context.settings.clone();
        let options = &settings.options;
        let bytes = &self.buffer[..end];
        let head = RequestHead::parse(bytes, options.head_limits)?;
        let request = Request::from_head(&head)?;
        self.peer = options.proxies.client_of(self.peer, &request);
        let entry = match &settings.quota {
            Some(quota) if self.uncounted => match quota.enter(self.peer.ip()) {
                Entry::Full(_) | Entry::Dropped => return Err(quota::refusal().into()),
                free @ Entry::Free(_) => Some(free),
            },
            _ => None,
        };
        let mut answer = Answer::new(options.answer(&request)?, self.peer);
        match call(|| context.handler.upgrade(&request, &mut answer)) {
            Ok(admitted) => admitted?,
            Err(panic) => {
                context.on_panic(id, panic);
                return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "").into());
            }
        }
        let (response, data) = answer.into_parts();
        let mut writer = self.writer.take().unwrap_or_else(|| context.lend());
        response.encode(writer.output.buffer());
        let negotiated = response.into_negotiated();
        tracing::debug!(
            %id,
            peer = %self.peer,
            path = request.path(),
            subprotocol = negotiated.subprotocol,
            extensions = negotiated.extensions,
            "connection open"
        );
        let protocol = options.connection(&negotiated);
        let connection = Connection::new(protocol, id, self.peer, context.workers.clone());
        let mut connection = Box::new(connection);
        let head = settings.keep_requests.then(|| kept(&request));
        connection.set_request(negotiated.subprotocol, head, data);
        connection.writer = Some(writer);
        let flow = match call(|| context.handler.open(&mut connection, &request)) {
            Err(panic) => Err(panic.into()),
            Ok(()) if connection.actions.is_abort() => Err(EndReason::Aborted.into()),
            Ok(()) => Ok(()),
        };
        Ok((connection, flow, entry))
    }
}

/// Headers that carry no information after the handshake (RFC 6455 section 4.1).
const HANDSHAKE_HEADERS: [&str; 4] =
    ["Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Upgrade"];

/// Returns the head of a request without those headers.
fn kept(request: &Request<'_>) -> Box<[u8]> {
    let mut head = Vec::with_capacity(256);
    let mut line = |parts: [&[u8]; 4]| parts.iter().for_each(|part| head.extend_from_slice(part));
    line([b"GET ", request.target().as_bytes(), b" HTTP/1.1", b"\r\n"]);
    for (name, value) in request.headers() {
        if !HANDSHAKE_HEADERS.iter().any(|spent| name.eq_ignore_ascii_case(spent)) {
            line([name.as_bytes(), b": ", value, b"\r\n"]);
        }
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// Encodes the refusal of a client, unless the request was cut off.
pub(super) fn refuse(error: &HandshakeError, out: &mut Vec<u8>) {
    if !matches!(error, HandshakeError::Truncated { .. }) {
        answer::encode(error, out);
    }
}
