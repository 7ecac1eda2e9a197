use std::time::Duration;

use sockeye_hub::bus::{Bus, Source};
use sockeye_hub::core::Publication;
use sockeye_hub::core::history::{Limit, Range, Retention};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::redis::server::Server;

async fn changes(server: &Server) -> u64 {
    let info = server.command::<String>("INFO persistence").await;
    let changes = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
    changes.unwrap().parse().unwrap()
}

#[tokio::test]
async fn unless_their_metadata_is_about_to_expire() {
    let Some(server) = Server::start().await else { return };
    let node = Observer::new(server.link().await, 1, 1_000);
    let (room, empty) = (room("idle"), room("empty"));
    node.store(&room, "before").await;
    node.read(&empty, Range::forwards(Limit::NONE)).await;
    let before = changes(&server).await;
    for room in [&room, &empty] {
        for _ in 0..3 {
            node.bus.top(room, &RETENTION).await.unwrap();
            node.read(room, Range::forwards(Limit::NONE)).await;
        }
    }
    assert_eq!(changes(&server).await, before);
    server.command::<i64>("PEXPIRE sockeye:m:idle 1000000000").await;
    node.bus.top(&room, &RETENTION).await.unwrap();
    assert!(server.command::<u64>("PTTL sockeye:m:idle").await > 2_500_000_000);
}

#[tokio::test]
async fn and_the_metadata_outlives_the_entries() {
    let Some(server) = Server::start().await else { return };
    let node = Observer::new(server.link().await, 1, 1_000);
    let room = room("log");
    let retention = Retention { age: Duration::from_secs(90 * 24 * 3600), ..RETENTION };
    let publication = std::sync::Arc::new(Publication::new("kept"));
    node.bus.publish(&room, publication, Some(&retention)).await.unwrap();
    let outlives = || async {
        let entries = server.command::<u64>("PTTL sockeye:s:log").await;
        server.command::<u64>("PTTL sockeye:m:log").await > entries
    };
    assert!(outlives().await);
    server.command::<i64>("EXPIRE sockeye:m:log 5000000").await;
    node.bus.read(&room, &retention, Range::forwards(Limit::NONE), Source::Any).await.unwrap();
    assert!(outlives().await);
}
