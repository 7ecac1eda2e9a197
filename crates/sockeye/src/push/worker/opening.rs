use std::net::SocketAddr;

use sockeye_proto::handshake::{HandshakeError, HeadSearch, Refusal, Request, RequestHead};

use super::{Office, Writer};
use crate::push::{Connection, ConnectionId, Handler};
use crate::upgrade::Options;

/// A connection to be: the request so far.
#[derive(Debug)]
pub(super) struct Opening {
    search: HeadSearch,
    buffer: Vec<u8>,
    peer: SocketAddr,
}

/// What a request became.
pub(super) struct Opened {
    pub(super) connection: Box<Connection>,
    /// What came beyond the request.
    pub(super) rest: Vec<u8>,
}

impl Opening {
    pub(super) fn new(peer: SocketAddr, options: &Options) -> Self {
        Self { search: HeadSearch::new(options.head_limits), buffer: Vec::new(), peer }
    }

    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// How much of a request has come, in bytes.
    pub(super) fn received(&self) -> usize {
        self.buffer.len()
    }

    /// Takes input until the request is complete: then gives the connection.
    ///
    /// The answer, or the refusal, is in the writer.
    pub(super) fn receive<H: Handler>(
        &mut self,
        office: &mut Office<H>,
        id: ConnectionId,
        input: &[u8],
        writer: &mut Option<Box<Writer>>,
    ) -> Result<Option<Opened>, HandshakeError> {
        self.buffer.extend_from_slice(input);
        let Some(end) = self.search.find(&self.buffer)? else { return Ok(None) };
        let connection = self.open(office, id, end, writer)?;
        let rest = self.buffer.split_off(end);
        Ok(Some(Opened { connection: Box::new(connection), rest }))
    }

    fn open<H: Handler>(
        &self,
        office: &mut Office<H>,
        id: ConnectionId,
        end: usize,
        writer: &mut Option<Box<Writer>>,
    ) -> Result<Connection, HandshakeError> {
        let settings = office.settings.clone();
        let options = &settings.options;
        let bytes = &self.buffer[..end];
        let head = RequestHead::parse(bytes, options.head_limits)?;
        let request = Request::from_head(&head)?;
        let mut response = options.answer(&request)?;
        office.handler.upgrade(&request, &mut response)?;
        let out = writer.get_or_insert_with(|| office.lend());
        response.encode(out.output.buffer());
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
        let mut connection = Connection::new(protocol, id, self.peer, office.workers.clone());
        connection.set_request(negotiated.subprotocol, settings.keep_requests.then_some(bytes));
        connection.writer = writer.take();
        office.handler.open(&mut connection, &request);
        Ok(connection)
    }
}

/// Tells the client why it gets no connection.
pub(super) fn refuse(error: &HandshakeError, out: &mut Vec<u8>) {
    if !matches!(error, HandshakeError::Truncated { .. }) {
        Refusal::from(error).encode(out);
    }
}
