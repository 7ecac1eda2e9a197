use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sockeye::split::{Receiver, SendQueue, Sender, WhenFull};
use sockeye::{CloseCode, Message, WebSocket};
use tokio::time::interval;

use super::{MAX_UNWRITTEN, feed, last};
use crate::ledger::{Live, add, count};
use crate::{Class, Ledger};

/// Interval at which a second task sends on a connection of [`Class::Feed`].
const TICK: Duration = Duration::from_millis(250);

type Work = Pin<Box<dyn Future<Output = sockeye::Result<()>> + Send>>;

/// Queues whose counts are not in the ledger yet.
#[derive(Clone, Default)]
pub(super) struct Settling {
    queues: Arc<Mutex<Vec<Queue>>>,
}

/// A queue, and the number of messages passed to it.
#[derive(Clone)]
struct Queue {
    sender: Sender,
    accepted: Arc<AtomicU64>,
    class: Class,
    ledger: Arc<Ledger>,
}

impl Settling {
    /// Adds the message counts of ended connections to the ledger. A queue whose counts do not add
    /// up to the messages passed to it stays, so that the ledger shows the difference.
    pub(super) fn settle(&self) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).retain(|queue| !queue.settle());
    }
}

impl Queue {
    async fn send(&self, message: impl Into<Message>) -> sockeye::Result<()> {
        self.sender.send(message).await?;
        self.taken();
        Ok(())
    }

    async fn send_latest(&self, message: impl Into<Message>) -> sockeye::Result<()> {
        self.sender.send_latest("tick", message).await?;
        self.taken();
        Ok(())
    }

    fn taken(&self) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        count(&self.ledger.class(self.class).accepted);
    }

    fn settle(&self) -> bool {
        // The counts of the library's sender.
        let (sent, dropped) = (self.sender.sent(), self.sender.dropped());
        let over = self.sender.is_closed() && self.sender.queued() == 0;
        if !over || sent + dropped.total() != self.accepted.load(Ordering::SeqCst) {
            return false;
        }
        let counters = self.ledger.class(self.class);
        add(&counters.sent, sent);
        add(&counters.full, dropped.newest);
        add(&counters.replaced, dropped.oldest + dropped.replaced);
        add(&counters.unsent, dropped.unsent);
        true
    }
}

pub(super) fn handler(
    ledger: &Arc<Ledger>,
    settling: &Settling,
) -> impl Fn(WebSocket) -> Work + Send + Sync + use<> {
    let (ledger, settling) = (ledger.clone(), settling.clone());
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
        let live = ledger.enter(class);
        let capacity = if class == Class::Burst { MAX_UNWRITTEN / 2 } else { MAX_UNWRITTEN };
        let queue = SendQueue::new().capacity(capacity).when_full(when_full);
        let (sender, receiver) = ws.split_with(queue);
        let queue = Queue { sender, accepted: Arc::default(), class, ledger: ledger.clone() };
        settling.queues.lock().unwrap_or_else(PoisonError::into_inner).push(queue.clone());
        if class == Class::Feed {
            tokio::spawn(tick(queue.clone()));
        }
        let ledger = ledger.clone();
        Box::pin(async move {
            let ended = talk(receiver, queue, live).await;
            ended.inspect_err(|error| ledger.failed(class, error))
        })
    }
}

async fn talk(mut receiver: Receiver, queue: Queue, mut live: Live) -> sockeye::Result<()> {
    while let Some(message) = receiver.recv().await? {
        count(&live.counters().received);
        match live.class() {
            Class::Echo | Class::Noise | Class::Burst => queue.send(message).await?,
            Class::Feed => {
                for message in feed() {
                    queue.send(message).await?;
                }
            }
            Class::Bye => queue.sender.close(CloseCode::NORMAL_CLOSURE, "bye")?,
            Class::Last => {
                let mut count = 0;
                for message in last() {
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
    let mut every = interval(TICK);
    loop {
        every.tick().await;
        if queue.send_latest("tick").await.is_err() {
            return;
        }
    }
}
