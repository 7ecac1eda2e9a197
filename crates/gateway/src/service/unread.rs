//! Requests that are answered before they have arrived whole.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Body as _, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::body::{BoxError, RequestBody, boxed};

/// Maximum length of a rest that is read, in bytes. Taken from Go's HTTP server.
const MAX_REST: usize = 256 * 1024;

/// Timeout of reading a rest. Chosen: the rest is usually the end of a chunked body, which is on
/// its way already.
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// Boxes the body of a request, which is read to its end, within limits, if it is dropped before.
///
/// Otherwise a server of HTTP/1.1 has to close the connection, and clients that have begun the next
/// request on it fail. On HTTP/2 it resets the stream without an error, as RFC 9113 allows in
/// section 8.1, and curl up to 7.88 then discards the response.
pub(super) fn read_to_end<B>(request: Request<B>) -> Request<RequestBody>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // A client that waits for leave to send has begun nothing.
    let is_read = !request.headers().contains_key(EXPECT);
    request.map(|body| {
        let body = boxed(body);
        if is_read { Box::pin(ReadToEnd { inner: Some(body) }) as RequestBody } else { body }
    })
}

/// A body that is read to its end when it is dropped.
struct ReadToEnd {
    /// `None` once the body has ended.
    inner: Option<RequestBody>,
}

impl http_body::Body for ReadToEnd {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = inner.as_mut().poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.inner = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        let Some(rest) = self.inner.take().filter(|inner| !inner.is_end_stream()) else { return };
        if rest.size_hint().lower() > MAX_REST as u64 {
            return;
        }
        // Without a runtime the server has ended.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(REST_TIMEOUT, read(rest)));
        }
    }
}

async fn read(mut rest: RequestBody) {
    let mut length = 0;
    while length <= MAX_REST {
        match poll_fn(|cx| rest.as_mut().poll_frame(cx)).await {
            Some(Ok(frame)) => length += frame.data_ref().map_or(0, Bytes::len),
            // Of a connection that has failed, nothing is left to read.
            None | Some(Err(_)) => return,
        }
    }
}
