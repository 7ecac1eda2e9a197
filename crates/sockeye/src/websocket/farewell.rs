use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, State};

use super::WebSocket;
use crate::error::Result;

/// A close that waits for its time.
pub(super) struct Farewell {
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
    code: CloseCode,
}

impl WebSocket {
    /// Closes the connection with `code` when `signal` is ready, from within [`recv`](Self::recv): that goes on to give
    /// the messages which arrive until the peer has answered, and then `None`. A server that stops ends its connections
    /// so, wherever their handlers are.
    ///
    /// A second call takes the place of the first. A code that must not be sent
    /// ([`CloseCode`] tells which) is sent as a close frame without a code.
    pub fn close_when(
        &mut self,
        signal: impl Future<Output = ()> + Send + 'static,
        code: CloseCode,
    ) {
        self.farewell = Some(Farewell { signal: Box::pin(signal), code });
    }

    /// Puts the close frame into the output when it is time for that.
    pub(super) fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Some(farewell) = &mut self.farewell else { return Ok(()) };
        if farewell.signal.as_mut().poll(cx) == Poll::Pending {
            return Ok(());
        }
        let frame = CloseFrame::new(farewell.code, "").ok();
        self.farewell = None;
        if self.connection.state() == State::Open {
            self.connection.close(frame.as_ref(), self.output.buffer())?;
        }
        Ok(())
    }
}
