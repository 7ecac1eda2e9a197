use std::time::Duration;

use sockeye_hub::core::history::Retention;
use sockeye_hub::core::presence::PresenceConfig;
use sockeye_hub::{Hub, JoinOptions, Recovered, RoomOptions};

use crate::gated::Gated;
use crate::support::{connect, hub, line, lines};

#[tokio::test]
async fn before_changes_of_the_presence_during_a_recovery() {
    let bus = Gated::default();
    let config = PresenceConfig { diff_delay: Duration::ZERO, ..PresenceConfig::default() };
    let hub: Hub = hub()
        .bus(bus.clone())
        .presence(config)
        .unwrap()
        .rooms(|_| RoomOptions::new().history(Retention::default()).presence())
        .build();
    let (mut ada, ada_session) = connect(&hub).await;
    let options = JoinOptions::new().info("ada");
    let start = ada_session.join_with("room", options).await.unwrap().position.unwrap();
    while !line(&mut ada).await.contains("+ada") {}
    hub.room("room").publish("missed").await.unwrap();

    bus.store.set_open(false);
    let (mut bob, bob_session) = connect(&hub).await;
    let options = JoinOptions::new().info("bob").from(start);
    let handle = bob_session.handle();
    let join = tokio::spawn(async move { handle.join_with("room", options).await });
    // The others see him while he recovers.
    while !line(&mut ada).await.contains("+bob") {}
    ada_session.update_presence("room", b"ada is typing").unwrap();
    while !line(&mut ada).await.contains("~ada is typing") {}
    bus.store.set_open(true);
    assert_eq!(join.await.unwrap().unwrap().recovery, Recovered::All);
    let mut received = lines(&mut bob, 4).await;
    assert_eq!(received[0], "room joined 0 recovered");
    received.sort();
    let expected =
        ["room + ~ada is typing -", "room +bob ~ -", "room 1 missed", "room joined 0 recovered"];
    assert_eq!(received, expected);
}
