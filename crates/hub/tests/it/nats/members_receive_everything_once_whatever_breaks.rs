//! Connections that the broker ends, and a broker that stands still, while publishers and members
//! on three nodes go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_hub::bus::nats::{ConnectOptions, Nats};
use sockeye_hub::{Hub, JoinOptions, Recovered};

use crate::broker::one_order::{PUBLISHERS, receive_everything_once, recovers_everything};
use crate::nats::proxy::Proxy;
use crate::nats::server::{Server, options};
use crate::support::{connect, hub};

/// Ends connections and stops the broker until told otherwise.
async fn disturb(server: Arc<Server>, proxy: Proxy, over: Arc<AtomicBool>) {
    let mut round = 0;
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(400)).await;
        round += 1;
        if round % 5 == 0 {
            server.signal("STOP");
            tokio::time::sleep(Duration::from_secs(4)).await;
            server.signal("CONT");
        }
        proxy.end_connections();
    }
}

with_each_server!(and_in_the_same_order);

async fn and_in_the_same_order(server: Server) {
    let proxy = Proxy::before(server.port).await;
    let server = Arc::new(server);
    let mut nodes: Vec<Hub> = Vec::new();
    for _ in 0..PUBLISHERS {
        let connection = ConnectOptions::new();
        let bus = Nats::connect_with(&proxy.url(), options(), connection).await.unwrap();
        nodes.push(hub().bus(bus).build());
    }
    let disturb = |over| tokio::spawn(disturb(server.clone(), proxy.clone(), over));
    // The stream's epoch and the room's marker are the first messages of the stream.
    let (start, texts) = receive_everything_once(&nodes, 2, disturb).await;
    // A client that missed all of it.
    let (mut client, session) = connect(&nodes[1]).await;
    let joined = loop {
        // The link may break once more.
        match session.join_with("log", JoinOptions::new().from(start)).await {
            Ok(joined) => break joined,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(joined.recovery, Recovered::All);
    recovers_everything(&mut client, 2, &texts).await;
    // The server runs until here.
    drop(server);
}
