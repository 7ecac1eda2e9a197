use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sockeye::split::{Receiver, SendQueue, Sender, WhenFull};
use sockeye::{CloseCode, Message, WebSocket};
use tokio::time::interval;

use super::{MAX_UNWRITTEN, feed_messages, last_messages};
use crate::counters::{LiveGuard, add, count};
use crate::{Class, ServerCounters};

/// Interval at which a second task sends on a connection of [`Class::Feed`]. Chosen.
const TICK_INTERVAL: Duration = Duration::from_millis(250);

type HandlerFuture = Pin<Box<dyn Future<Output = sockeye::Result<()>> + Send>>;

/// Queues whose counts have not been added to the server's yet.
#[derive(Clone, Default)]
pub(super) struct UncountedQueues {
    queues: Arc<Mutex<Vec<Queue>>>,
}

/// A queue, and the number of messages passed to it.
#[derive(Clone)]
struct Queue {
    sender: Sender,
    accepted: Arc<AtomicU64>,
    class: Class,
    server_counters: Arc<ServerCounters>,
}

impl UncountedQueues {
    /// Adds the message counts of ended connections to the server's. A queue whose counts do not
    /// add up to the messages passed to it stays, so that the report shows the difference.
    pub(super) fn count_closed(&self) {
        self.queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|queue| !queue.count_closed());
    }
}

impl Queue {
    async fn send(&self, message: impl Into<Message>) -> sockeye::Result<()> {
        self.sender.send(message).await?;
        self.count_accepted();
        Ok(())
    }

    async fn send_latest(&self, message: impl Into<Message>) -> sockeye::Result<()> {
        self.sender.send_latest("tick", message).await?;
        self.count_accepted();
        Ok(())
    }

    fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        count(&self.server_counters.class(self.class).accepted);
    }

    /// Adds the counts of the queue to the server's and returns `true`, if its connection has ended
    /// and the counts add up.
    fn count_closed(&self) -> bool {
        // The counts of the library's sender.
        let (sent, dropped) = (self.sender.sent(), self.sender.dropped());
        let is_drained = self.sender.is_closed() && self.sender.queued() == 0;
        if !is_drained || sent + dropped.total() != self.accepted.load(Ordering::SeqCst) {
            return false;
        }
        let counters = self.server_counters.class(self.class);
        add(&counters.sent, sent);
        add(&counters.full, dropped.newest);
        add(&counters.replaced, dropped.oldest + dropped.replaced);
        add(&counters.unsent, dropped.unsent);
        true
    }
}

pub(super) fn handler(
    server_counters: &Arc<ServerCounters>,
    uncounted_queues: &UncountedQueues,
) -> impl Fn(WebSocket) -> HandlerFuture + Send + Sync + use<> {
    let (server_counters, uncounted_queues) = (server_counters.clone(), uncounted_queues.clone());
    let turn = AtomicUsize::new(0);
    move |ws| {
        let class = ws.data().copied().unwrap_or(Class::Noise);
        let when_full = match class {
            // Nothing may be dropped where the client counts.
            Class::Echo | Class::Noise | Class::Bye | Class::Last => WhenFull::Wait,
            // The client always reads, so nothing is dropped.
            Class::Burst => match turn.fetch_add(1, Ordering::Relaxed) % 3 {
                0 => WhenFull::DropNewest,
                1 => WhenFull::DropOldest,
                _ => WhenFull::Disconnect,
            },
            Class::Feed => match turn.fetch_add(1, Ordering::Relaxed) % 4 {
                0 => WhenFull::Wait,
                1 => WhenFull::DropNewest,
                2 => WhenFull::DropOldest,
                _ => WhenFull::Disconnect,
            },
        };
        let live = server_counters.open(class);
        let capacity = if class == Class::Burst { MAX_UNWRITTEN / 2 } else { MAX_UNWRITTEN };
        let queue = SendQueue::new().capacity(capacity).when_full(when_full);
        let (sender, receiver) = ws.split_with(queue);
        let queue = Queue {
            sender,
            accepted: Arc::default(),
            class,
            server_counters: server_counters.clone(),
        };
        uncounted_queues.queues.lock().unwrap_or_else(PoisonError::into_inner).push(queue.clone());
        if class == Class::Feed {
            tokio::spawn(tick(queue.clone()));
        }
        let server_counters = server_counters.clone();
        Box::pin(async move {
            let ended = serve_connection(receiver, queue, live).await;
            ended.inspect_err(|error| server_counters.on_failed(class, error))
        })
    }
}

async fn serve_connection(
    mut receiver: Receiver,
    queue: Queue,
    mut live: LiveGuard,
) -> sockeye::Result<()> {
    while let Some(message) = receiver.recv().await? {
        count(&live.counters().received);
        match live.class() {
            Class::Echo | Class::Noise | Class::Burst => queue.send(message).await?,
            Class::Feed => {
                for message in feed_messages() {
                    queue.send(message).await?;
                }
            }
            Class::Bye => queue.sender.close(CloseCode::NORMAL_CLOSURE, "bye")?,
            Class::Last => {
                let mut count = 0;
                for message in last_messages() {
                    queue.send(message).await?;
                    count += 1;
                }
                queue.sender.close(CloseCode::NORMAL_CLOSURE, count.to_string())?;
            }
        }
    }
    live.closed = true;
    Ok(())
}

/// Runs the second task that sends; it ends with the connection.
async fn tick(queue: Queue) {
    let mut ticks = interval(TICK_INTERVAL);
    loop {
        ticks.tick().await;
        if queue.send_latest("tick").await.is_err() {
            return;
        }
    }
}
