//! The exchange of requests and responses, as far as the protocols over HTTP share it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Frame, Incoming, SizeHint};
use sockeye::bytes::Bytes;
use sockeye::escape;
use sockeye::http::header::CONTENT_TYPE;
use sockeye::http::{HeaderName, HeaderValue, Method, Request, Uri, response};
use sockeye_gateway::deadline::{Deadline, TimeoutForm};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::body::Body;

use super::MAX_MESSAGE;
use super::catalog::CalledMethod;
use super::connector::{Connector, Versions};
use super::requests::Requests;
use crate::client::Failure;

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) connector: &'a Connector,
    pub(super) method: CalledMethod<'a>,
    pub(super) metadata: &'a [(HeaderName, HeaderValue)],
    pub(super) deadline: Option<Instant>,
}

impl Exchange<'_> {
    /// Returns the time that is left for the call.
    pub(super) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns the versions of HTTP for protocols that do not need HTTP/2. Only HTTP/2 carries both
    /// directions at the same time in each server.
    pub(super) fn versions(&self) -> Versions {
        if self.method.is_bidi() { Versions::Http2 } else { Versions::Any }
    }

    /// Returns the path of the method.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.method.name())
    }

    /// Creates a request with the metadata and the timeout of the call. The path of the address is
    /// put before `path`.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        timeout: TimeoutForm,
        body: Body,
    ) -> Result<Request<Body>, Failure> {
        let uri = format!("{}{path}", self.connector.address().prefix);
        let uri: Uri = uri
            .parse()
            .map_err(|error| Failure::usage(format!("the path is too long: {error}")))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().extend(self.metadata.iter().cloned());
        if let Some(value) = self.remaining().and_then(|rest| timeout_value(timeout, rest)) {
            request.headers_mut().insert(timeout.header_name(), value);
        }
        Ok(request)
    }
}

/// Returns a timeout in the form of a header.
fn timeout_value(form: TimeoutForm, timeout: Duration) -> Option<HeaderValue> {
    match form {
        TimeoutForm::Grpc => {
            let now = std::time::Instant::now();
            Deadline::new(now, Some(timeout)).grpc_timeout(now)
        }
        TimeoutForm::Connect => HeaderValue::from_str(&timeout.as_millis().to_string()).ok(),
        TimeoutForm::Server => HeaderValue::from_str(&format!("{:.3}", timeout.as_secs_f64())).ok(),
    }
}

/// The body of a request: of a known length, or a piece for each request of a stream.
#[derive(Debug)]
enum RequestBody {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Whole(piece) => Poll::Ready(piece.take()),
            Self::Stream(pieces) => pieces.poll_recv(cx),
        };
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(piece) => {
                SizeHint::with_exact(piece.as_ref().map_or(0, |piece| piece.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Returns the body of a request with these bytes.
pub(super) fn whole_body(bytes: Vec<u8>) -> Body {
    Body::new(RequestBody::Whole(Some(bytes.into())))
}

/// Makes the body of the requests, each in the form that `frame` gives it, and calls `exchange`
/// with the body. Requests of a stream are sent while `exchange` receives.
pub(super) async fn with_body<T>(
    mut requests: Requests<'_>,
    frame: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
    exchange: impl AsyncFnOnce(Body) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if !requests.are_stream() {
        let body = frame(&requests.one().await?)?;
        return exchange(whole_body(body)).await;
    }
    // One request waits at most: further input is read when the server takes it.
    let (sender, pieces) = mpsc::channel(1);
    let sending = async move {
        while let Some(request) = requests.next().await? {
            // Without a receiver, the server has ended the call.
            if sender.send(frame(&request)?.into()).await.is_err() {
                break;
            }
        }
        Ok::<(), Failure>(())
    };
    both(sending, exchange(Body::new(RequestBody::Stream(pieces)))).await
}

/// Sends requests and receives responses at the same time, until the responses end. An error of the
/// requests ends the call.
pub(super) async fn both<T>(
    sending: impl Future<Output = Result<(), Failure>>,
    receiving: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let (mut sending, mut receiving) = (pin!(sending), pin!(receiving));
    let mut is_sending = true;
    loop {
        tokio::select! {
            received = &mut receiving => return received,
            sent = &mut sending, if is_sending => {
                sent?;
                is_sending = false;
            }
        }
    }
}

/// Returns the next frame of a response; `None` at the end.
pub(super) async fn next_frame(body: &mut Incoming) -> Result<Option<Frame<Bytes>>, Failure> {
    let frame = poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut *body), cx)).await;
    frame.transpose().map_err(|error| Failure::lost(&error))
}

/// Returns a whole response.
pub(super) async fn read_whole(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut whole = Vec::new();
    while let Some(frame) = next_frame(&mut body).await? {
        let data = frame.into_data().unwrap_or_default();
        if whole.len() + data.len() > MAX_MESSAGE {
            return Err(Failure::protocol(format!("the response has over {MAX_MESSAGE} bytes")));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// Returns whether a response has a content type that begins so.
pub(super) fn has_type(head: &response::Parts, content_type: &str) -> bool {
    let value = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    value.starts_with(content_type.as_bytes())
}

/// Returns the failure for a response of another protocol.
pub(super) fn other_protocol(head: &response::Parts, protocol: &str) -> Failure {
    let content_type = match head.headers.get(CONTENT_TYPE) {
        Some(value) => {
            format!(" with {}", escape(&String::from_utf8_lossy(value.as_bytes())))
        }
        None => String::new(),
    };
    Failure::refused(format!(
        "the server answered HTTP {}{content_type}, not {protocol}; --protocol chooses another \
         protocol",
        head.status
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_the_form_of_its_protocol() {
        let timeout = Duration::from_millis(1500);
        for (form, value) in [
            (TimeoutForm::Grpc, "1500000u"),
            (TimeoutForm::Connect, "1500"),
            (TimeoutForm::Server, "1.500"),
        ] {
            let header = timeout_value(form, timeout).unwrap();
            assert_eq!(header, value);
            assert_eq!(form.parse(value), Ok(timeout));
        }
    }
}
