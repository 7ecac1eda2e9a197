//! The task of a stream, which reconnects and serves the session.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use sockeye_proto::CloseCode;
use sockeye_proto::resume::{Limits, SUBPROTOCOL, Session};
use wasm_bindgen_futures::spawn_local;

use super::driver::{self, FIRST_FRAME_TIMEOUT, Outcome};
use super::online::OnlineListener;
use super::shared::{Interrupt, Shared, Timer};
use super::{Error, ResumableStream};
use crate::WebSocket;
use crate::reconnect::{Event, Reconnecting};
use crate::timer::Sleep;

/// Close code for a connection without the subprotocol. Replaces 1002, which a page cannot send.
const PROTOCOL_ERROR: u16 = 4002;

impl ResumableStream {
    /// Begins a session with the default [`Limits`], and returns its stream.
    ///
    /// The [`Reconnecting`] has the URL, the delays between attempts and their maximum number. Its
    /// client must request the [`SUBPROTOCOL`]. A network that fails often needs more attempts in a
    /// row, or a shorter [`Backoff::reset_after`](crate::reconnect::Backoff::reset_after).
    ///
    /// The stream uses `WebSocket` even where `WebSocketStream` is available: the window of the
    /// session already bounds the unread bytes, and the tab crashed in Chromium 156 when connections
    /// of `WebSocketStream`s were reset while bytes went both ways.
    ///
    /// When the WebSocket is lost before the server's answer has arrived, the client begins another
    /// session; the server's end of the first one expires.
    ///
    /// # Errors
    /// [`Error::Connection`] when no further attempt is made, which includes a server without this
    /// protocol: browsers refuse a server that chooses none of the requested subprotocols.
    /// [`Error::Subprotocol`] for a client that does not request the subprotocol, [`Error::Closed`],
    /// and [`ResumeError::Full`](super::ResumeError::Full) for a server with too many sessions.
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
        let reconnecting = reconnecting.websocket_stream(false);
        let shared = Rc::new(Shared::new(Session::client(limits)));
        let mut stream = Self::new(shared.clone());
        spawn_local(run(reconnecting, shared));
        stream.begun().await?;
        Ok(stream)
    }
}

async fn run(mut reconnecting: Reconnecting, shared: Rc<Shared>) {
    let listener = OnlineListener::new({
        let shared = Rc::downgrade(&shared);
        move || {
            if let Some(shared) = shared.upgrade() {
                shared.on_online();
            }
        }
    });
    if let Err(error) = serve(&mut reconnecting, &shared).await {
        shared.state().fail(error);
    }
    drop(listener);
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
            let _ = ws.close(PROTOCOL_ERROR, "").await;
            return Err(Error::Subprotocol);
        }
        shared.state().session.connect();
        let outcome = driver::drive(shared, ws).await;
        shared.detach();
        match outcome {
            Outcome::Complete => match closed_by_server(ws).await {
                Ok(()) => return Ok(()),
                // The server may have lost the last acknowledgement: it learns it again.
                Err(error) => reconnecting.on_lost(error)?,
            },
            Outcome::Failed(error) => {
                // The server may be gone; the session has ended in any case.
                let _ = ws.close(CloseCode::NORMAL_CLOSURE, "").await;
                return Err(error.into());
            }
            Outcome::Reconnect => reconnecting.reconnect(),
            Outcome::Lost(Some(error)) => reconnecting.on_lost(error)?,
            // A complete session says so by itself: this is the end of an intermediary, of which the
            // server may be unaware.
            Outcome::Lost(None) if was_closed_normally(ws) => {
                reconnecting.on_lost(crate::Error::Disconnected)?;
            }
            // `next` handles the closing handshake.
            Outcome::Lost(None) => {}
        }
    }
}

/// Returns the next event of the client, or the error with which the session ends meanwhile.
async fn next_event(
    reconnecting: &mut Reconnecting,
    shared: &Shared,
) -> Result<Option<Event>, Error> {
    let mut timer = Timer::default();
    loop {
        let interrupted = {
            let mut next = pin!(reconnecting.next());
            poll_fn(|cx| match shared.poll_interrupt(&mut timer, cx) {
                Poll::Ready(interrupt) => Poll::Ready(Err(interrupt)),
                Poll::Pending => next.as_mut().poll(cx).map(Ok),
            })
            .await
        };
        match interrupted {
            Ok(event) => return Ok(event?),
            Err(Interrupt::Ended(error)) => return Err(error),
            Err(Interrupt::Reconnect) => reconnecting.reconnect(),
            // An attempt in progress may succeed.
            Err(Interrupt::Online) => reconnecting.end_delay(),
        }
    }
}

/// Waits until the server, which has the last acknowledgement, closes the WebSocket.
async fn closed_by_server(ws: &mut WebSocket) -> crate::Result<()> {
    let timeout = Sleep::new(FIRST_FRAME_TIMEOUT);
    let received = poll_fn(|cx| match ws.poll_recv(cx) {
        Poll::Pending => timeout.poll(cx).map(|()| None),
        Poll::Ready(received) => Poll::Ready(Some(received)),
    })
    .await;
    match received {
        Some(Ok(Some(_))) | None => ws.close(CloseCode::NORMAL_CLOSURE, "").await,
        Some(Ok(None)) if was_closed_normally(ws) => Ok(()),
        Some(Ok(None)) => Err(crate::Error::Disconnected),
        Some(Err(error)) => Err(error),
    }
}

/// Returns whether the other end closed the WebSocket with 1000.
fn was_closed_normally(ws: &WebSocket) -> bool {
    ws.close_frame().is_some_and(|frame| frame.code == CloseCode::NORMAL_CLOSURE)
}
