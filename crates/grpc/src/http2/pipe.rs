//! Sending of bodies through h2.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body, Frame};

use crate::body::RequestBody;
use crate::status::find_source;

/// Maximum length of a first piece that is sent on a new stream without a look at the window, in
/// bytes: one frame.
const FIRST_PIECE: usize = 16 * 1024;

/// The result of sending a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// h2 has taken the whole body, or the body has failed.
    Finished,
    /// The peer has reset the stream, or the connection has ended.
    Cancelled {
        /// Set if a part of the body waited for the peer's window.
        unread: bool,
    },
}

/// A future that sends a body. Ready when h2 has taken the whole body, when the peer has reset the
/// stream, or when the body has failed, in which case the stream is reset.
///
/// At most one piece of the body waits for the peer's window, here or in h2.
#[derive(Debug)]
pub(crate) struct SendBody<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// A piece that waits for the window, and whether it is the last.
    waiting: Option<(Bytes, bool)>,
    /// Set until the first piece is sent on a stream that this side has just opened.
    is_new: bool,
}

impl<B> SendBody<B> {
    pub(crate) fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, waiting: None, is_new: false }
    }

    /// Sends the body on a stream that this side has just opened.
    ///
    /// h2 shows the window of such a stream after the next turn of the connection. A call with a
    /// short message would need a task that waits for it, so h2 keeps the message meanwhile.
    pub(crate) fn on_new_stream(body: B, stream: SendStream<Bytes>) -> Self {
        Self { is_new: true, ..Self::new(body, stream) }
    }

    const fn cancelled(&self) -> Sent {
        Sent::Cancelled { unread: self.waiting.is_some() }
    }
}

impl<B> SendBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Waits until the peer's window has space for a part of the waiting piece.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let length = self.waiting.as_ref().map_or(0, |(piece, _)| piece.len());
        let needs_none = length == 0 || self.is_new && length <= FIRST_PIECE;
        if !needs_none && self.stream.capacity() == 0 {
            // The smallest reservation that shows the window: h2 takes a piece whole, and reserves
            // the rest by itself.
            self.stream.reserve_capacity(1);
            if let Some(capacity) = ready!(self.stream.poll_capacity(cx)) {
                capacity?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the body. An error is h2's and means that the stream has ended; the other half of the
    /// call receives the details.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<Sent, h2::Error>> {
        loop {
            if self.stream.poll_reset(cx)?.is_ready() {
                return Poll::Ready(Ok(self.cancelled()));
            }
            if self.waiting.is_some() {
                ready!(self.poll_window(cx))?;
            }
            if let Some((piece, is_last)) = self.waiting.take() {
                self.is_new = false;
                self.stream.send_data(piece, is_last)?;
                if is_last {
                    return Poll::Ready(Ok(Sent::Finished));
                }
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                self.stream.send_data(Bytes::new(), true)?;
                return Poll::Ready(Ok(Sent::Finished));
            };
            match frame.map(|frame| frame.into_data().map_err(Frame::into_trailers)) {
                Ok(Ok(data)) => {
                    let is_last = self.body.is_end_stream();
                    if !data.is_empty() || is_last {
                        self.waiting = Some((data, is_last));
                    }
                }
                Ok(Err(Ok(trailers))) => {
                    self.stream.send_trailers(trailers)?;
                    return Poll::Ready(Ok(Sent::Finished));
                }
                // A frame kind unknown to this crate.
                Ok(Err(Err(_))) => {}
                Err(error) => {
                    self.stream.send_reset(reason(&*error.into()));
                    return Poll::Ready(Ok(Sent::Finished));
                }
            }
        }
    }
}

impl SendBody<RequestBody> {
    /// Sends the body, and resets the stream as soon as the caller no longer waits for the
    /// response: also while a piece waits for the peer's window, when the body itself is not
    /// polled. The call would otherwise keep the window of the connection from all others.
    pub(crate) fn poll_unless_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<Sent> {
        if self.body.poll_cancelled(cx).is_ready() {
            self.stream.send_reset(Reason::CANCEL);
            return Poll::Ready(Sent::Finished);
        }
        Pin::new(self).poll(cx)
    }
}

impl<B> Future for SendBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Sent;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Sent> {
        let this = self.get_mut();
        this.poll_sent(cx).map(|sent| sent.unwrap_or_else(|_error| this.cancelled()))
    }
}

/// Returns the reset reason found inside an error.
fn reason(error: &(dyn Error + 'static)) -> Reason {
    find_source::<h2::Error>(error).and_then(h2::Error::reason).unwrap_or(Reason::INTERNAL_ERROR)
}
