//! Moves records between a session and its transport, in both directions at once.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sockeye_proto::mux::Violation;
use tokio::time::{Sleep, sleep_until, timeout};

use super::SessionError;
use super::shared::Shared;

/// Timeout of the last record and the end of the transport, equal to the default of
/// `Config::write_timeout`.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that takes and returns records.
pub(super) trait RecordTransport: Send + 'static {
    /// Waits until another record may be sent.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends a record, for which [`poll_ready`](Self::poll_ready) was ready.
    fn send(&mut self, record: Bytes) -> io::Result<()>;

    /// Writes the records that were sent.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns the next input.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>>;

    /// Ends the transport after the records that were sent.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Input of a transport.
pub(super) enum Input {
    Record(Bytes),
    Violation(Violation),
    /// The end of the transport.
    End,
}

/// Serves a session until it has ended, then ends the transport.
pub(super) async fn drive<T: RecordTransport>(shared: Arc<Shared>, mut transport: T) {
    let failure = {
        let mut timer = pin!(sleep_until(shared.epoch));
        poll_fn(|cx| poll(&shared, &mut transport, timer.as_mut(), cx)).await
    };
    if let Err(error) = failure {
        shared.end_transport(Some(SessionError::Transport(Arc::new(error))));
    }
    // A peer that does not end the transport in time is left to it.
    let _ = timeout(CLOSE_TIMEOUT, poll_fn(|cx| poll_end(&shared, &mut transport, cx))).await;
    drop(transport);
    shared.release();
}

/// Moves records until the session has ended.
fn poll<T: RecordTransport>(
    shared: &Shared,
    transport: &mut T,
    mut timer: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        // A blocked transport does not delay input: it may be what the peer waits for.
        if let Poll::Ready(Err(error)) = poll_send(shared, transport, cx) {
            return Poll::Ready(Err(error));
        }
        let has_ended = shared.update(|state| {
            state.watch_budget(cx);
            state.mux.end().is_some()
        });
        if has_ended {
            return Poll::Ready(Ok(()));
        }
        match transport.poll_input(cx) {
            Poll::Ready(Ok(input)) => handle(shared, input),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                let Some(at) = shared.lock().mux.poll_timeout() else { return Poll::Pending };
                let at = shared.epoch + at;
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let now = shared.now();
                shared.update(|state| state.mux.handle_timeout(now));
            }
        }
    }
}

/// Sends what the session has to send. Pending means that the transport takes no more.
fn poll_send<T: RecordTransport>(
    shared: &Shared,
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        if transport.poll_ready(cx)?.is_pending() {
            shared.lock().set_driver(cx);
            return Poll::Pending;
        }
        let now = shared.now();
        let record = shared.update(|state| {
            let record = state.mux.poll_transmit(now);
            if record.is_none() {
                state.set_driver(cx);
            }
            record
        });
        let Some(record) = record else { break };
        transport.send(record)?;
    }
    transport.poll_flush(cx)
}

fn handle(shared: &Shared, input: Input) {
    let now = shared.now();
    match input {
        Input::Record(record) => shared.update(|state| {
            // An error stays in the session, which notifies the peer.
            let _ = state.mux.handle_record(record, now);
        }),
        Input::Violation(violation) => shared.update(|state| state.mux.fail(violation)),
        Input::End => shared.end_transport(None),
    }
}

/// Sends the last record, and ends the transport.
fn poll_end<T: RecordTransport>(
    shared: &Shared,
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if !shared.lock().mux.is_flushed() {
        match poll_send(shared, transport, cx) {
            Poll::Pending if !shared.lock().mux.is_flushed() => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            _ => {}
        }
    }
    transport.poll_close(cx)
}
