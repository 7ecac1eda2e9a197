use std::time::Duration;

use sockeye_hub::Hub;
use tokio::runtime::Handle;

use crate::gated::Gated;
use crate::support::{connect, hub};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn after_a_shutdown_and_without() {
    for shuts_down in [false, true] {
        let before = tasks();
        // Its clone keeps the channel of the events open.
        let bus = Gated::default();
        let hub: Hub = hub().bus(bus.clone()).build();
        let (client, session) = connect(&hub).await;
        session.join("present").await.unwrap();
        if shuts_down {
            hub.shutdown("done").await.unwrap();
        }
        drop((client, session));
        // The tasks wait for something when the last handle is dropped.
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(hub);
        let ended = tokio::time::timeout(Duration::from_secs(20), async {
            while tasks() > before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(ended.await.is_ok(), "{} tasks are left", tasks() - before);
    }
}
