//! Bodies whose messages are charged to the memory budget of the gateway.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use sockeye::MemoryBudget;

use super::body::{BoxError, RequestBody};
use super::held_bytes::{HeldBytes, MIN_CHARGED};
use super::unsent::{Dropped, Unsent};
use crate::status::Status;

/// A body whose frames are charged from when they exist until the connection has sent them.
pub(super) struct ChargedBody {
    /// `None` for a body of one message.
    inner: Option<RequestBody>,
    budget: MemoryBudget,
    next: Next,
}

/// The bytes of the current frame that the connection has not asked for.
enum Next {
    Nothing,
    /// Too short to be charged.
    Short(Bytes),
    Charged(Unsent),
}

impl ChargedBody {
    pub(super) fn new<B>(inner: B, budget: &MemoryBudget) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        let inner = Some(Box::pin(inner) as RequestBody);
        Self { inner, budget: budget.clone(), next: Next::Nothing }
    }

    /// Creates a body of one message of the call that holds these bytes.
    ///
    /// # Errors
    /// The status of a call for which there is no memory.
    pub(super) fn once(
        message: Bytes,
        held: HeldBytes,
        budget: &MemoryBudget,
    ) -> Result<Self, Status> {
        Ok(Self { inner: None, budget: budget.clone(), next: Next::of(message, held)? })
    }
}

impl Next {
    fn of(bytes: Bytes, held: HeldBytes) -> Result<Self, Status> {
        Ok(match bytes.len() {
            0 => Self::Nothing,
            1..MIN_CHARGED => Self::Short(bytes),
            _ => Self::Charged(Unsent::new(bytes, held)?),
        })
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Short(_) => false,
            Self::Charged(unsent) => unsent.length() == 0,
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, tonic::Status> {
        match self {
            Self::Charged(unsent) => unsent.next_piece().map_err(Into::into),
            short => match std::mem::replace(short, Self::Nothing) {
                Self::Short(bytes) => Ok(Some(bytes)),
                _ => Ok(None),
            },
        }
    }
}

impl http_body::Body for ChargedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match this.next.take() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(status) => return Poll::Ready(Some(Err(status.into()))),
            }
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            let data = match ready!(inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                ended => return Poll::Ready(ended),
            };
            match Next::of(data, HeldBytes::of_call(&this.budget)) {
                Ok(next) => this.next = next,
                Err(_) => return Poll::Ready(Some(Err(tonic::Status::from(Dropped).into()))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_empty() && self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
