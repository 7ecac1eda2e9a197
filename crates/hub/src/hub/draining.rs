use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sockeye::{CloseFrame, Shutdown};
use tokio::sync::Notify;

use super::{Hub, Shared};
use crate::session::SessionShared;

/// The delays after which clients are asked to come back. Chosen: the other nodes are there
/// already, and the times of the close frames spread the clients.
const RETRY_AFTER: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(1);

/// The time that the last clients have for their closing handshakes: the default timeout of a
/// connection for one.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum time over which connections are closed.
const MAX_SPREAD: Duration = Duration::from_secs(86_400);

/// The state of a node's drain.
#[derive(Debug, Default)]
pub(super) struct Draining {
    begun: AtomicBool,
    /// Notified when a session has ended.
    ended: Notify,
}

impl Draining {
    /// Notes that a session has ended.
    pub(super) fn on_end(&self) {
        self.ended.notify_waiters();
    }
}

impl<S: Send + Sync + 'static> Hub<S> {
    /// Moves the clients of this node to the others: closes the connections with 1012 (service
    /// restart) one after the other over a time of at most a day, so that the other nodes are not
    /// asked for everything at once. Each close frame has a reason such as `retry after 0.4 s`,
    /// which clients of Sockeye follow; a client that returns with its position recovers what it
    /// missed. A connection that becomes a session meanwhile or later is closed at once in the same
    /// way.
    ///
    /// Returns once the sessions have ended and have left the presence of the other nodes, at the
    /// latest 5 s after the last close frame. Publishing goes on, and so do the sessions that have
    /// not been closed yet.
    ///
    /// ```no_run
    /// # async fn example(hub: sockeye_hub::Hub) -> sockeye_hub::Result<()> {
    /// // The load balancer sends new clients to other nodes by now.
    /// hub.drain(std::time::Duration::from_secs(30)).await;
    /// hub.shutdown("").await
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped, the remaining sessions go on. Another call closes them.
    pub async fn drain(&self, spread: Duration) {
        self.shared.draining.begun.store(true, Ordering::SeqCst);
        let sessions = self.sessions();
        let count = u32::try_from(sessions.len()).unwrap_or(u32::MAX).max(1);
        let interval = spread.min(MAX_SPREAD) / count;
        let start = Instant::now();
        for (number, session) in (0..).zip(&sessions) {
            let at = start + interval * number;
            if at > Instant::now() {
                tokio::time::sleep_until(at.into()).await;
            }
            session.shared().connection.close(close_frame());
        }
        let ended = self.shared.wait_for_sessions();
        // A client that does not answer the close frame has left all the same.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, ended).await;
        self.shared.carry_out_presence().await;
    }
}

impl<S> Shared<S> {
    /// Closes the connection of a new session if the node is being drained.
    pub(super) fn close_if_draining(&self, session: &SessionShared<S>) {
        if self.draining.begun.load(Ordering::SeqCst) {
            session.connection.close(close_frame());
        }
    }

    async fn wait_for_sessions(&self) {
        loop {
            let ended = self.draining.ended.notified();
            if self.registry().len() == 0 {
                return;
            }
            ended.await;
        }
    }
}

fn close_frame() -> CloseFrame {
    Shutdown::restart().retry_after(RETRY_AFTER).close_frame()
}
