//! The client's end: a task that reconnects and serves the session.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::Extensions;
use sockeye_proto::resume::{Limits, SUBPROTOCOL, Session};
use tokio::time::timeout;

use super::driver::{self, FIRST_FRAME_TIMEOUT, Outcome};
use super::shared::Shared;
use super::{Error, ResumableStream};
use crate::reconnect::{Event, Reconnecting};
use crate::{CloseCode, WebSocket};

/// The number that a client gives to each of its WebSockets: there is one at a time.
const GENERATION: u64 = 0;

impl ResumableStream {
    /// Begins a session with the default [`Limits`], and returns its stream.
    ///
    /// The [`Reconnecting`] has the URL, the headers of each attempt, the delays between attempts
    /// and their maximum number. Its client must request the [`SUBPROTOCOL`]. A network that fails
    /// often needs more attempts in a row, or a shorter
    /// [`Backoff::reset_after`](crate::reconnect::Backoff::reset_after).
    ///
    /// When the WebSocket is lost before the server's answer has arrived, the client begins another
    /// session; the server's end of the first one expires.
    ///
    /// # Errors
    /// [`Error::Connection`] when no further attempt is made, [`Error::Closed`],
    /// [`Error::Subprotocol`] for a server without this protocol, and
    /// [`ResumeError::Full`](super::ResumeError::Full) for a server with too many sessions.
    ///
    /// # Cancel safety
    /// Dropping the future ends the session.
    pub async fn connect(reconnecting: Reconnecting) -> Result<Self, Error> {
        Self::connect_with(reconnecting, Limits::new()).await
    }

    /// Begins a session with these limits, of which the server's expiry replaces the client's.
    ///
    /// # Errors
    /// The errors of [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Dropping the future ends the session.
    pub async fn connect_with(reconnecting: Reconnecting, limits: Limits) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(Session::client(limits), None));
        let mut stream = Self::new(shared.clone(), None, None, Extensions::new());
        tokio::spawn(run(reconnecting, shared));
        stream.begun().await?;
        Ok(stream)
    }
}

async fn run(mut reconnecting: Reconnecting, shared: Arc<Shared>) {
    if let Err(error) = serve(&mut reconnecting, &shared).await {
        tracing::debug!(%error, "a resumable stream ended");
        shared.lock().fail(error);
    }
}

/// Serves the session until it has ended.
async fn serve(reconnecting: &mut Reconnecting, shared: &Shared) -> Result<(), Error> {
    let mut closed = None;
    loop {
        match next_event(reconnecting, shared).await? {
            Some(Event::Connected) => {}
            Some(Event::Closed(frame)) => {
                closed = frame;
                continue;
            }
            Some(_) => continue,
            None => return Err(Error::Closed(closed)),
        }
        let Some(ws) = reconnecting.websocket() else { continue };
        if ws.subprotocol() != Some(SUBPROTOCOL) {
            // The error of the missing subprotocol is the one to return.
            let _ = ws.close(CloseCode::PROTOCOL_ERROR, "").await;
            return Err(Error::Subprotocol);
        }
        shared.lock().session.connect();
        let outcome = driver::drive(shared, GENERATION, ws).await;
        shared.detach(GENERATION);
        match outcome {
            Outcome::Complete => match closed_by_server(ws).await {
                Ok(()) => return Ok(()),
                // The server may have lost the last acknowledgement: it learns it again.
                Err(error) => reconnecting.on_lost(error)?,
            },
            Outcome::Failed(error) => {
                // The other end may be gone; the session has ended in any case.
                let _ = ws.close(CloseCode::NORMAL_CLOSURE, "").await;
                return Err(error);
            }
            Outcome::Reconnect => reconnecting.reconnect(),
            Outcome::Lost(Some(error)) => reconnecting.on_lost(error)?,
            // A complete session says so by itself: this is the end of an intermediary, of which the
            // server may be unaware.
            Outcome::Lost(None) if was_closed_normally(ws) => {
                reconnecting.on_lost(crate::Error::Disconnected)?;
            }
            // `next` handles the closing handshake. A client replaces its WebSockets in turn.
            Outcome::Lost(None) | Outcome::Replaced => {}
        }
    }
}

/// Returns the next event of the client, or the error with which the session ends meanwhile.
async fn next_event(
    reconnecting: &mut Reconnecting,
    shared: &Shared,
) -> Result<Option<Event>, Error> {
    let mut ended = pin!(ended_with_error(shared));
    loop {
        let next = {
            let mut next = pin!(reconnecting.next());
            poll_fn(|cx| {
                // This registers the task for `Shared::reconnect` as well.
                if let Poll::Ready(error) = ended.as_mut().poll(cx) {
                    return Poll::Ready(Some(Err(error)));
                }
                if shared.lock().take_reconnect() {
                    return Poll::Ready(None);
                }
                next.as_mut().poll(cx).map(|next| Some(next.map_err(Error::from)))
            })
            .await
        };
        match next {
            Some(next) => return next,
            None => reconnecting.reconnect(),
        }
    }
}

/// Waits until the session has ended with an error. A complete session ends with the server's close
/// frame.
async fn ended_with_error(shared: &Shared) -> Error {
    shared.ended().await;
    let ended = shared.lock().check();
    match ended {
        Err(error) => error,
        Ok(()) => std::future::pending().await,
    }
}

/// Waits until the server, which has the last acknowledgement, closes the WebSocket.
async fn closed_by_server(ws: &mut WebSocket) -> crate::Result<()> {
    match timeout(FIRST_FRAME_TIMEOUT, ws.recv()).await {
        Ok(Ok(Some(_))) | Err(_) => ws.close(CloseCode::NORMAL_CLOSURE, "").await,
        Ok(Ok(None)) if was_closed_normally(ws) => Ok(()),
        Ok(Ok(None)) => Err(crate::Error::Disconnected),
        Ok(Err(error)) => Err(error),
    }
}

/// Returns whether the other end closed the WebSocket with 1000.
fn was_closed_normally(ws: &WebSocket) -> bool {
    ws.close_frame().is_some_and(|frame| frame.code == CloseCode::NORMAL_CLOSURE)
}
