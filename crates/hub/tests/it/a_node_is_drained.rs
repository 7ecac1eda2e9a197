use std::collections::HashSet;
use std::time::Duration;

use sockeye::{Shutdown, WebSocket};
use sockeye_hub::bus::Local;
use sockeye_hub::core::presence::PresenceConfig;
use sockeye_hub::{Hub, JoinOptions, Recovered, Session};

use crate::support::{connect, hub, line};

/// Receives until the server closes the connection. Returns the delay that it asks for.
async fn closed(mut client: WebSocket) -> Duration {
    while client.recv().await.unwrap().is_some() {}
    let frame = client.close_frame().unwrap();
    assert_eq!(u16::from(frame.code), 1012);
    Shutdown::retry_hint(frame).unwrap()
}

fn serve(mut session: Session) {
    tokio::spawn(async move { while let Ok(Some(_)) = session.recv().await {} });
}

#[tokio::test]
async fn and_its_clients_recover_on_another() {
    let config = PresenceConfig { diff_delay: Duration::ZERO, ..PresenceConfig::default() };
    let bus = Local::new();
    let [first, second]: [Hub; 2] =
        std::array::from_fn(|_| hub().bus(bus.clone()).presence(config.clone()).unwrap().build());
    let mut position = None;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let (client, session) = connect(&first).await;
        position = session.join("log").await.unwrap().position;
        session.join("present").await.unwrap();
        serve(session);
        clients.push(tokio::spawn(closed(client)));
    }
    while second.room("present").counts().unwrap().sessions < 50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.drain(Duration::from_millis(50)).await;
    assert_eq!(first.session_count(), 0);
    let mut delays = HashSet::new();
    for client in clients {
        delays.insert(client.await.unwrap());
    }
    assert!(delays.len() > 1, "{delays:?}");
    while second.room("present").counts().unwrap().sessions > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    // One that comes late is sent on.
    let (client, session) = connect(&first).await;
    assert!(session.is_closed());
    serve(session);
    closed(client).await;

    first.room("log").publish("meanwhile").await.unwrap();
    let (mut client, session) = connect(&second).await;
    let options = JoinOptions::new().from(position.unwrap());
    assert_eq!(session.join_with("log", options).await.unwrap().recovery, Recovered::All);
    assert_eq!(line(&mut client).await, "log joined 0 recovered");
    assert_eq!(line(&mut client).await, "log 1 meanwhile");
}
