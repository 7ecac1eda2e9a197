//! Bodies of requests and responses.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame, SizeHint};

use super::held_bytes::{HeldBytes, MIN_CHARGED};
use super::scope::CallScope;
use super::unsent::Unsent;
use crate::status::{Code, Status};

/// The error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a request, whatever the server made of it.
pub(crate) type RequestBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

/// Boxes the body of a request.
pub(crate) fn boxed<B>(body: B) -> RequestBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Box::pin(MapError { inner: Box::pin(body) })
}

/// Returns the body of a request without one.
pub(crate) fn empty() -> RequestBody {
    Box::pin(Body::default())
}

/// A body with a boxed error.
struct MapError<B> {
    inner: Pin<Box<B>>,
}

impl<B> http_body::Body for MapError<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.inner.as_mut().poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a response of the [`Gateway`](super::Gateway).
///
/// An error resets the stream of HTTP/2, and closes the connection of HTTP/1.1, so that a client
/// does not take a part of a response for all of it. Dropping the body cancels the call.
#[derive(Default)]
pub struct Body {
    inner: Inner,
    /// Counts the call as in progress.
    scope: Option<CallScope>,
}

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Whole(Bytes),
    Charged(Unsent),
    Stream(RequestBody),
}

impl Body {
    /// Creates a body of these bytes.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let inner = if bytes.is_empty() { Inner::Empty } else { Inner::Whole(bytes) };
        Self { inner, scope: None }
    }

    /// Creates the body of a response of a call, with the bytes that the call holds.
    ///
    /// # Errors
    /// The status of a call for which there is no memory.
    pub(super) fn charged(bytes: Bytes, held: HeldBytes) -> Result<Self, Status> {
        if bytes.len() < MIN_CHARGED {
            return Ok(Self::whole(bytes));
        }
        let unsent = Unsent::new(bytes, held)?;
        Ok(Self { inner: Inner::Charged(unsent), scope: None })
    }

    /// Creates a body that arrives in frames.
    pub(crate) fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        Self { inner: Inner::Stream(Box::pin(body)), scope: None }
    }

    /// Holds the scope until the body is over.
    pub(super) fn occupy(&mut self, scope: CallScope) {
        if !self.is_end_stream() {
            self.scope = Some(scope);
        }
    }

    fn finish(&mut self) {
        self.inner = Inner::Empty;
        self.scope = None;
    }

    /// Notes that the gateway had no memory for the rest of the response.
    fn set_exhausted(&self) {
        if let Some(scope) = &self.scope {
            scope.set_code(Code::ResourceExhausted);
        }
    }

    fn count(&self, data: &Bytes) {
        if let Some(scope) = &self.scope {
            scope.counters().count_response_bytes(data.len());
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match &mut this.inner {
            Inner::Stream(body) => {
                let polled = body.as_mut().poll_frame(cx);
                match &polled {
                    Poll::Ready(None) => this.finish(),
                    Poll::Ready(Some(Err(error))) => {
                        if error.downcast_ref::<tonic::Status>().is_some_and(is_exhausted) {
                            this.set_exhausted();
                        }
                        this.finish();
                    }
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Some(data) = frame.data_ref() {
                            this.count(data);
                        }
                    }
                    Poll::Pending => {}
                }
                polled
            }
            Inner::Charged(unsent) => {
                let polled = unsent.next_piece();
                let is_over = unsent.length() == 0;
                match &polled {
                    Ok(Some(piece)) => this.count(piece),
                    Ok(None) => {}
                    Err(_) => this.set_exhausted(),
                }
                if is_over || polled.is_err() {
                    this.finish();
                }
                let polled = polled.map_err(|dropped| tonic::Status::from(dropped).into());
                Poll::Ready(polled.map(|piece| piece.map(Frame::data)).transpose())
            }
            whole => match std::mem::take(whole) {
                Inner::Whole(bytes) => {
                    this.count(&bytes);
                    this.scope = None;
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                _ => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Empty => true,
            Inner::Whole(_) | Inner::Charged(_) => false,
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Charged(unsent) => SizeHint::with_exact(unsent.length() as u64),
            Inner::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.inner {
            Inner::Empty => "empty",
            Inner::Whole(_) => "whole",
            Inner::Charged(_) => "charged",
            Inner::Stream(_) => "stream",
        };
        f.debug_struct("Body").field("kind", &kind).finish_non_exhaustive()
    }
}

fn is_exhausted(status: &tonic::Status) -> bool {
    status.code() == tonic::Code::ResourceExhausted
}

/// Removes the body of a response to HEAD, whose length is still told.
pub(super) fn remove_body(response: &mut Response<Body>) {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}
