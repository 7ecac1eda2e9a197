//! Bodies of responses that are streams.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};

use super::body::BoxError;
use super::call::{Failure, Reply};
use super::messages::{End, Messages};
use super::scope::CallScope;
use crate::status::Status;

/// Time without a message after which a form that can sends something that clients ignore. Proxies
/// usually close connections that are idle for 30 s or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Length of output, in bytes, from which on further messages wait for the next frame.
const FULL: usize = 16 * 1024;

/// The form of a stream.
pub(super) trait StreamForm: Unpin {
    /// Writes a message.
    ///
    /// # Errors
    /// The status with which the stream ends, if the message has no such form.
    fn message(&mut self, wire: &[u8], out: &mut BytesMut) -> Result<(), Status>;

    /// Writes the end of the stream.
    fn end(&mut self, end: &End, out: &mut BytesMut);

    /// Writes something that clients ignore, if the form has it.
    fn keep_alive(&mut self, out: &mut BytesMut);
}

pub(super) type Calling = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// The body of a response that is a stream. Dropping it cancels the call.
pub(super) struct ReplyBody<F> {
    state: State,
    form: F,
    /// A message that was awaited before the headers of the response were sent.
    first: Option<Bytes>,
    keep_alive: Pin<Box<Sleep>>,
    scope: CallScope,
}

enum State {
    /// The headers of the response have not arrived.
    Calling(Calling),
    Messages(Box<Messages>),
    Over,
}

impl<F: StreamForm> ReplyBody<F> {
    /// Creates the body of a call whose headers have not arrived.
    pub(super) fn calling(calling: Calling, form: F, scope: CallScope) -> Self {
        Self::new(State::Calling(calling), None, form, scope)
    }

    /// Creates the body of these messages, after a first one that was taken out already.
    pub(super) fn messages(messages: Messages, first: Option<Bytes>, form: F) -> Self {
        let scope = messages.scope().clone();
        Self::new(State::Messages(Box::new(messages)), first, form, scope)
    }

    fn new(state: State, first: Option<Bytes>, form: F, scope: CallScope) -> Self {
        Self { state, form, first, keep_alive: Box::pin(sleep(KEEP_ALIVE)), scope }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<()> {
        if let State::Calling(calling) = &mut self.state {
            match ready!(calling.as_mut().poll(cx)) {
                Ok(reply) => self.state = State::Messages(Box::new(reply.messages)),
                Err(failure) => {
                    self.finish(&failure.end, out);
                    return Poll::Ready(());
                }
            }
        }
        while out.len() < FULL {
            let State::Messages(messages) = &mut self.state else { return Poll::Ready(()) };
            let message = match self.first.take() {
                Some(first) => Ok(first),
                None => ready!(messages.poll_next(cx)),
            };
            match message {
                Ok(wire) => {
                    if let Err(status) = self.form.message(&wire, out) {
                        self.finish(&End::failed(status), out);
                    }
                }
                Err(end) => self.finish(&end, out),
            }
        }
        Poll::Ready(())
    }

    fn finish(&mut self, end: &End, out: &mut BytesMut) {
        self.form.end(end, out);
        self.state = State::Over;
        self.scope.set_code(end.status.code);
    }
}

impl<F: StreamForm> http_body::Body for ReplyBody<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if matches!(this.state, State::Over) {
            return Poll::Ready(None);
        }
        let mut out = BytesMut::new();
        let polled = this.poll_output(cx, &mut out);
        if polled.is_pending() && out.is_empty() {
            ready!(this.keep_alive.as_mut().poll(cx));
            this.form.keep_alive(&mut out);
        }
        this.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
        if out.is_empty() {
            // Either the end has no form, or there is nothing that keeps the connection alive.
            if matches!(this.state, State::Over) {
                return Poll::Ready(None);
            }
            ready!(this.keep_alive.as_mut().poll(cx));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(out.freeze()))))
    }
}
