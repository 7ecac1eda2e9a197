//! Keepalive: detection of a server that no longer responds.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::client::Connection;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::{self, Sleep};

/// The keepalive settings of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive {
    /// Silence, while calls are in progress, after which the server is probed: between once and
    /// twice this time.
    pub(crate) after: Duration,
    /// Timeout for the answer to a probe.
    pub(crate) timeout: Duration,
    /// The window of streams, which does not change.
    pub(crate) stream_window: u32,
}

/// The state of the keepalive probe.
///
/// A probe is a SETTINGS frame that changes nothing, which RFC 9113 section 6.5.3 requires the
/// server to acknowledge as soon as possible, and not a PING: gRPC servers in Go end the connection
/// of a client that pings more often than once in five minutes.
#[derive(Debug)]
pub(crate) struct Probe {
    keepalive: Keepalive,
    timer: Sleep,
    is_probed: bool,
}

impl Probe {
    pub(crate) fn new(keepalive: Keepalive) -> Self {
        Self { keepalive, timer: clock::sleep(keepalive.after), is_probed: false }
    }

    /// Returns ready when the server was probed and nothing has been received since.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<T>,
        has_received: &AtomicBool,
        has_calls: bool,
    ) -> Poll<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            ready!(Pin::new(&mut self.timer).poll(cx));
            let is_silent = !has_received.swap(false, Ordering::Relaxed);
            if is_silent && self.is_probed {
                return Poll::Ready(());
            }
            self.is_probed = is_silent && has_calls;
            let delay = if self.is_probed { self.keepalive.timeout } else { self.keepalive.after };
            self.timer = clock::sleep(delay);
            if self.is_probed {
                // An error means that an earlier change is not acknowledged yet, which serves as
                // the probe.
                let _ = connection.set_initial_window_size(self.keepalive.stream_window);
                // Poll the connection again, to send the frame.
                cx.waker().wake_by_ref();
            }
        }
    }
}
