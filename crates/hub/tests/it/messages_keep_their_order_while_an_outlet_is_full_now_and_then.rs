use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::split::TrySendError;
use sockeye::{CapacityFuture, CloseCode, Outlet, Prepared, UsageError};
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::{Hub, SessionOptions};
use tokio::task::yield_now;

const COUNT: usize = 5_000;

/// An outlet that is full at every seventh attempt or so.
#[derive(Clone, Debug, Default)]
struct Hesitant {
    attempts: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<String>>>,
}

impl Outlet for Hesitant {
    fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) % 7 == 3 {
            return Err(TrySendError::Full(()));
        }
        self.received.lock().unwrap().push(prepared.message().to_string());
        Ok(())
    }

    fn wait_for_capacity(&self, _: usize) -> CapacityFuture<'_> {
        Box::pin(yield_now())
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), UsageError> {
        panic!("closed with {code}: {reason}");
    }

    fn abort(&self) {}

    fn is_closed(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn whoever_sends_them() {
    let mut limits = OutboxLimits::default();
    limits.messages = 4 * COUNT;
    let hub: Hub = Hub::builder().outbox_limits(limits).build();
    let outlet = Hesitant::default();
    let session = hub.attach(outlet.clone(), (), SessionOptions::new());
    session.join("room").await.unwrap();
    let mut senders = Vec::new();
    for sender in ["a", "b"] {
        let (hub, session) = (hub.clone(), session.clone());
        senders.push(tokio::spawn(async move {
            for number in 0..COUNT {
                // A publication and a reply of one task are in order as well.
                if number % 2 == 0 {
                    hub.room("room").publish(format!("{sender}{number}")).await.unwrap();
                } else {
                    session.send(format!("{sender}{number}")).await.unwrap();
                }
                if number % 100 == 0 {
                    yield_now().await;
                }
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let received = || outlet.received.lock().unwrap().clone();
    let all = async {
        while received().len() < 2 * COUNT {
            yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("nothing is lost");
    for sender in ["a", "b"] {
        let numbers = received().into_iter().filter_map(|line| {
            let number = line.strip_prefix(sender)?.parse::<usize>();
            Some(number.unwrap())
        });
        assert!(numbers.eq(0..COUNT), "the messages of {sender}");
    }
}
