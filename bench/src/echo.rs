//! Echo over any `Stream + Sink` of messages, in the ways that a user may write it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use futures_util::SinkExt;

/// Maximum number of messages that [`batch`] holds: four times the most that any scenario has in
/// flight.
const BATCH_LIMIT: usize = 64;

/// Echoes each message for which `is_data` holds with a `send`, which flushes.
///
/// # Errors
///
/// The first error of the connection.
pub async fn send<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    while let Some(message) = poll_fn(|cx| Pin::new(&mut socket).poll_next(cx)).await {
        let message = message?;
        if is_data(&message) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// Echoes each message for which `is_data` holds with a `feed`, and flushes when no more is ready.
///
/// # Errors
///
/// The first error of the connection.
pub async fn feed<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut unflushed = false;
    loop {
        let next = poll_fn(|cx| next_or_flush(&mut socket, &mut unflushed, cx)).await?;
        match next {
            Some(message) if is_data(&message) => {
                socket.feed(message).await?;
                unflushed = true;
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Echoes all messages that are ready with a `feed` each and one `flush`: for a library that
/// flushes in each poll for the next message.
///
/// # Errors
///
/// The first error of the connection.
pub async fn batch<S, M, E>(mut socket: S, is_data: impl Fn(&M) -> bool) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut messages = Vec::new();
    loop {
        let open = poll_fn(|cx| collect_ready(&mut socket, &mut messages, cx)).await?;
        for message in messages.drain(..).filter(&is_data) {
            socket.feed(message).await?;
        }
        socket.flush().await?;
        if !open {
            return Ok(());
        }
    }
}

/// Collects all messages that are ready, up to `BATCH_LIMIT`. Returns `false` at the end of the
/// stream.
fn collect_ready<S, M, E>(
    socket: &mut S,
    messages: &mut Vec<M>,
    cx: &mut Context<'_>,
) -> Poll<Result<bool, E>>
where
    S: Stream<Item = Result<M, E>> + Unpin,
{
    while messages.len() < BATCH_LIMIT {
        match Pin::new(&mut *socket).poll_next(cx) {
            Poll::Ready(Some(message)) => messages.push(message?),
            Poll::Ready(None) => return Poll::Ready(Ok(false)),
            Poll::Pending if messages.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(Ok(true))
}

/// Returns the next message if one is ready; otherwise flushes while waiting for one.
fn next_or_flush<S, M, E>(
    socket: &mut S,
    unflushed: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<M>, E>>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    if let Poll::Ready(next) = Pin::new(&mut *socket).poll_next(cx) {
        return Poll::Ready(next.transpose());
    }
    if *unflushed && Pin::new(socket).poll_flush(cx)?.is_ready() {
        *unflushed = false;
    }
    Poll::Pending
}
