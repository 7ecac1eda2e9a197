//! The opening handshake over a connected stream, in HTTP/1.1.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{Response, Version};
use sockeye_proto::handshake::{
    ClientRequest, HandshakeError, HeadLimits, HeadSearch, Key, ResponseHead,
};
use sockeye_proto::{Connection, Role};
use tokio::io::{AsyncRead, AsyncWriteExt};

use super::body::{self, Framing};
use super::{Client, ConnectError};
use crate::metrics::RoleMetrics;
use crate::opening::{self, HeadError};
use crate::transport::Transport;
use crate::{WebSocket, random};

impl Client {
    pub(super) async fn open(
        &self,
        request: &ClientRequest,
        mut transport: Transport,
    ) -> Result<WebSocket, ConnectError> {
        let key = Key::new(random::bytes());
        let mut bytes = Vec::with_capacity(512);
        request.encode(key, &mut bytes);
        transport.write_all(&bytes).await.map_err(ConnectError::Io)?;
        transport.flush().await.map_err(ConnectError::Io)?;

        let mut buffer = BytesMut::new();
        let end = read_answer(&mut transport, &mut buffer, self.head_limits).await?;
        let head = ResponseHead::parse(&buffer[..end], self.head_limits)?;
        let framing = Framing::of(&head);
        let verified = request.verify(key, &head);
        if let Err(error) = &verified {
            RoleMetrics::of(Role::Client).count_refused(error);
        }
        match verified {
            Ok(negotiated) => {
                let connection = Connection::client(&self.config, random::bytes);
                let mut answer = Response::new(());
                *answer.status_mut() = head.status;
                *answer.version_mut() = Version::HTTP_11;
                *answer.headers_mut() = head.to_headers();
                let ws = opening::open(transport, connection, &buffer[end..], negotiated);
                Ok(ws.with_timeouts(&self.config).with_response(answer))
            }
            // The content of a redirect that is followed is not read: the client opens another
            // connection.
            Err(error @ HandshakeError::Status { .. }) if !self.follows(&error) => {
                let received = buffer.split_off(end);
                let body = body::read(&mut transport, received, framing).await;
                Err(error.with_body(body).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the length of the response's head in the buffer, and removes interim responses before
/// it. The caller's timeout bounds their number.
pub(super) async fn read_answer<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    limits: HeadLimits,
) -> Result<usize, HeadError> {
    loop {
        let search = HeadSearch::of_response(limits);
        let end = match opening::read_head(stream, buffer, search).await {
            Err(HeadError::Handshake(error)) => return Err(with_status(error, buffer, limits)),
            read => read?,
        };
        let head = match ResponseHead::parse(&buffer[..end], limits) {
            Ok(head) => head,
            Err(error) => return Err(with_status(error, buffer, limits)),
        };
        if !head.is_interim() {
            return Ok(end);
        }
        buffer.advance(end);
    }
}

/// Returns the error of a response. A refusal whose head is too large remains a refusal, with as
/// many of its headers as the limits allow.
fn with_status(error: HandshakeError, received: &[u8], limits: HeadLimits) -> HeadError {
    let is_too_large = matches!(
        error,
        HandshakeError::HeadTooLarge { .. } | HandshakeError::TooManyHeaders { .. }
    );
    let beginning = is_too_large.then(|| ResponseHead::beginning(received, limits)).flatten();
    HeadError::Handshake(match beginning {
        Some((status, headers)) if !status.is_informational() && !status.is_success() => {
            HandshakeError::Status { status, headers: Box::new(headers), body: Bytes::new() }
        }
        _ => error,
    })
}
