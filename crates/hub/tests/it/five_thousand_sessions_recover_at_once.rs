use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye::split::TrySendError;
use sockeye::{CapacityFuture, CloseCode, Outlet, Prepared, UsageError};
use sockeye_hub::{Hub, JoinOptions, Recovered, SessionOptions};
use tokio::task::{JoinSet, yield_now};

use crate::gated::Gated;
use crate::support::{connect, hub};

const SESSIONS: usize = 5_000;
const MISSED: usize = 60;

/// The maximum number of reads of the store, a goal.
const MAX_READS: usize = 10;

/// Receives the publications 1, 2, 3 and so on, after the notice of the join.
#[derive(Clone, Debug, Default)]
struct InOrder(Arc<AtomicUsize>);

impl Outlet for InOrder {
    fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let line = prepared.message().to_string();
        let expected = match number {
            0 => "log joined 0 recovered".to_owned(),
            number => format!("log {number} {number}"),
        };
        assert_eq!(line, expected);
        Ok(())
    }

    fn wait_for_capacity(&self, _: usize) -> CapacityFuture<'_> {
        Box::pin(async {})
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), UsageError> {
        panic!("closed with {code}: {reason}");
    }

    fn abort(&self) {}

    fn is_closed(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn with_few_reads_of_the_store() {
    let bus = Gated::default();
    let hub: Hub = hub().bus(bus.clone()).build();
    let room = hub.room("log");
    let (_client, first) = connect(&hub).await;
    let position = first.join("log").await.unwrap().position.unwrap();
    for number in 1..=MISSED {
        room.publish(number.to_string()).await.unwrap();
        yield_now().await;
    }
    let reads = bus.store.reads();
    let mut joins = JoinSet::new();
    let outlets: Vec<_> = (0..SESSIONS).map(|_| InOrder::default()).collect();
    for outlet in &outlets {
        let session = hub.attach(outlet.clone(), (), SessionOptions::new());
        joins.spawn(async move {
            let joined = session.join_with("log", JoinOptions::new().from(position)).await;
            assert_eq!(joined.unwrap().recovery, Recovered::All);
        });
    }
    while let Some(joined) = joins.join_next().await {
        joined.unwrap();
    }
    for outlet in &outlets {
        while outlet.0.load(Ordering::Relaxed) < 1 + MISSED {
            yield_now().await;
        }
    }
    let reads = bus.store.reads() - reads;
    assert!(reads <= MAX_READS, "{reads} reads");
    // What is published now follows.
    room.publish((MISSED + 1).to_string()).await.unwrap();
    for outlet in &outlets {
        while outlet.0.load(Ordering::Relaxed) < 2 + MISSED {
            yield_now().await;
        }
    }
}
