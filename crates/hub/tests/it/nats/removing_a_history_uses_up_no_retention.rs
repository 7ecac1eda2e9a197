use std::time::Duration;

use sockeye_hub::bus::Bus;
use sockeye_hub::bus::nats::Nats;
use sockeye_hub::core::history::Retention;

use crate::broker::observer::{Observer, room};
use crate::nats::server::{self, Server};

with_each_server!(of_the_node);

fn retention(count: usize) -> Retention {
    Retention { count, age: Duration::from_secs(600), bytes: 1 << 20 }
}

async fn of_the_node(server: Server) {
    let options = server::options().max_bytes(None);
    let other = Observer::new(server.link_with(options.clone()).await, 1, 1_000);
    let room = room("log");
    for count in 1..=Nats::MAX_RETENTIONS {
        other.bus.top(&room, &retention(count)).await.unwrap();
    }
    let node = Observer::new(server.link_with(options).await, 2, 1_000);
    node.bus.remove_history(&room).await.unwrap();
    node.bus.top(&room, &retention(100)).await.unwrap();
}
