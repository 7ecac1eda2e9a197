//! Arriving bodies: the side that takes them out of h2, and the side that passes them to the
//! program.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::{FlowControl, RecvStream};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::inbox::Inbox;
use crate::CallError;

/// The error that ended a connection, once set.
pub(crate) type End = Arc<OnceLock<Arc<h2::Error>>>;

/// Creates the two ends of the receiving half of a stream: one for the driver of the connection,
/// one for the program.
pub(crate) fn accept(mut stream: RecvStream, end: End) -> (BodyReceiver, Incoming) {
    let flow = stream.flow_control().clone();
    let shared = Arc::new(Shared::default());
    (BodyReceiver { stream, end, shared: Arc::clone(&shared) }, Incoming { shared, flow })
}

#[derive(Debug, Default)]
struct Shared {
    /// Locked for reads and changes only. h2's lock may be taken while this is held, never the
    /// other way round.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inbox: Inbox,
    trailers: Option<HeaderMap>,
    /// The result of the body, after the inbox and the trailers.
    end: Option<Result<(), CallError>>,
    reader: Option<Waker>,
    /// The driver's waker, while the stream lives.
    driver: Option<Waker>,
    is_dropped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave a partial change behind: no foreign code is called while the lock is
        // held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver's end of a body. Takes the body out of h2 until the body ends or the program drops
/// its end.
#[derive(Debug)]
pub(crate) struct BodyReceiver {
    stream: RecvStream,
    end: End,
    shared: Arc<Shared>,
}

impl State {
    /// Takes the available data; returns ready when the body has ended.
    fn poll_take(
        &mut self,
        stream: &mut RecvStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), h2::Error>> {
        while let Some(data) = ready!(stream.poll_data(cx)) {
            let data = data?;
            if !data.is_empty() {
                self.inbox.push(data);
            }
        }
        self.trailers = ready!(stream.poll_trailers(cx))?;
        Poll::Ready(Ok(()))
    }
}

impl Future for BodyReceiver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { stream, end, shared } = self.get_mut();
        let mut state = shared.lock();
        if state.is_dropped || state.end.is_some() {
            return Poll::Ready(());
        }
        let polled = match state.poll_take(stream, cx) {
            Poll::Ready(ended) => {
                state.end = Some(ended.map_err(|error| CallError::of_stream(error, end)));
                Poll::Ready(())
            }
            Poll::Pending => {
                match &mut state.driver {
                    Some(driver) => driver.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        };
        let has_news = !state.inbox.is_empty() || state.end.is_some();
        let reader = if has_news { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        polled
    }
}

impl Drop for BodyReceiver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.driver = None;
        state.end.get_or_insert(Err(CallError::Lost));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The intakes of a connection, polled by its driver.
pub(crate) type Intakes<F> = FuturesUnordered<F>;

/// Polls the intakes that are ready.
pub(crate) fn poll_all<F: Future<Output = ()>>(intakes: &mut Intakes<F>, cx: &mut Context<'_>) {
    while let Poll::Ready(Some(())) = intakes.poll_next_unpin(cx) {}
}

/// The program's end of an arriving body. Reading it opens the sender's window.
///
/// Dropping it ends the receiving half of the stream.
#[derive(Debug)]
pub(crate) struct Incoming {
    shared: Arc<Shared>,
    flow: FlowControl,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = self.get_mut();
        let mut state = this.shared.lock();
        if let Some(data) = state.inbox.pop() {
            drop(state);
            // An error would mean that more is released than has arrived.
            let _ = this.flow.release_capacity(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = state.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match &mut state.end {
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(end) => match std::mem::replace(end, Ok(())) {
                Ok(()) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(error))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.lock();
        state.inbox.is_empty() && state.trailers.is_none() && matches!(state.end, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_dropped = true;
        let unread = std::mem::take(&mut state.inbox);
        let driver = state.driver.take();
        drop(state);
        drop(unread);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
