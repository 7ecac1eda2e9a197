//! Response bodies from upstreams.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sockeye_grpc::ResponseBody;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::subchannel::PendingCall;

/// The body of an upstream's response: gRPC's length-prefixed messages, and the trailers with the
/// status of the call.
///
/// An error is the status of a call that was cut off. Dropping the body cancels the call: its
/// stream is reset at once.
pub struct UpstreamBody {
    inner: ResponseBody,
    /// The places that the call occupies until it is over.
    occupied: Option<Occupied>,
}

/// The capacity that a call occupies.
#[derive(Debug)]
pub(super) struct Occupied {
    pub(super) _call: PendingCall,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl UpstreamBody {
    pub(super) fn new(inner: ResponseBody, occupied: Occupied) -> Self {
        Self { inner, occupied: Some(occupied) }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        let is_over = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if is_over {
            this.occupied = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("is_over", &self.occupied.is_none())
            .finish_non_exhaustive()
    }
}
