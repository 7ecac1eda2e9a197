//! Whether the server is still there.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::client::Connection;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::{self, Sleep};

/// When the server of a connection is asked for a sign of life, and how long it has to give one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive {
    /// Silence, while calls are under way, after which it is asked: between once and twice as long.
    pub(crate) after: Duration,
    pub(crate) within: Duration,
    /// The window that streams have, which does not change.
    pub(crate) stream_window: u32,
}

/// Asks, and waits for the answer.
///
/// It asks by SETTINGS that change nothing, which RFC 9113 section 6.5.3 has the server acknowledge as soon as possible, and
/// not by PING: gRPC servers in Go end the connection of a client that pings more often than once in five minutes.
#[derive(Debug)]
pub(crate) struct Probe {
    keepalive: Keepalive,
    timer: Sleep,
    is_asked: bool,
}

impl Probe {
    pub(crate) fn new(keepalive: Keepalive) -> Self {
        Self { keepalive, timer: clock::sleep(keepalive.after), is_asked: false }
    }

    /// Ready when the server was asked and nothing was heard of it since.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<T>,
        heard: &AtomicBool,
        has_calls: bool,
    ) -> Poll<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            ready!(Pin::new(&mut self.timer).poll(cx));
            let is_silent = !heard.swap(false, Ordering::Relaxed);
            if is_silent && self.is_asked {
                return Poll::Ready(());
            }
            self.is_asked = is_silent && has_calls;
            let wait = if self.is_asked { self.keepalive.within } else { self.keepalive.after };
            self.timer = clock::sleep(wait);
            if self.is_asked {
                // An error says that an earlier change is not acknowledged yet: that will do.
                let _ = connection.set_initial_window_size(self.keepalive.stream_window);
                // The connection has to be polled to send it.
                cx.waker().wake_by_ref();
            }
        }
    }
}
