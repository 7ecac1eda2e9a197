use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::{Message, WebSocket};
use sockeye_hub::bus::Local;
use sockeye_hub::core::RoomName;
use sockeye_hub::core::presence::{PresenceConfig, PresenceDiff};
use sockeye_hub::{
    Delivery, Encoder, Hub, HubError, JoinOptions, Joined, Missed, Session, SessionOptions,
};

use crate::support::{Lines, connect, hub, line, lines, pair};

/// The protocol of [`Lines`], which panics at messages that contain "panic".
#[derive(Debug)]
struct Fragile;

fn check(message: &Message) {
    assert!(!message.to_string().contains("panic"), "a test of panics");
}

impl Encoder for Fragile {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        check(&delivery.publication.message);
        Lines.publication(delivery)
    }

    fn message(&self, message: &Message) -> Message {
        check(message);
        Lines.message(message)
    }

    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        check(&room.as_str().into());
        Lines.joined(room, joined)
    }

    fn presence(&self, room: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        Lines.presence(room, diff).inspect(check)
    }

    fn missed(&self, room: &RoomName, missed: &Missed) -> Option<Message> {
        Lines.missed(room, missed)
    }
}

async fn connect_fragile(hub: &Hub) -> (WebSocket, Session) {
    let (client, server) = pair().await;
    let options = SessionOptions::new().encoder(Arc::new(Fragile));
    (client, hub.connect_with(server, (), options))
}

/// Asserts that the server closes the connection with 1011.
async fn is_failed(client: &mut WebSocket, mut session: Session) {
    let ended = tokio::spawn(async move { while let Ok(Some(_)) = session.recv().await {} });
    while client.recv().await.unwrap().is_some() {}
    assert_eq!(client.close_frame().map(|frame| u16::from(frame.code)), Some(1011));
    ended.await.unwrap();
}

#[tokio::test]
async fn of_an_encoder_at_a_publication() {
    let bus = Local::new();
    let other: Hub = hub().bus(bus.clone()).build();
    let hub: Hub = hub().bus(bus).build();
    for room in ["lobby", "log"] {
        let (mut fragile, fragile_session) = connect_fragile(&hub).await;
        let (mut client, session) = connect(&hub).await;
        let position = fragile_session.join(room).await.unwrap().position;
        session.join(room).await.unwrap();
        line(&mut fragile).await;
        line(&mut client).await;
        for message in ["before", "panic", "after"] {
            other.room(room).publish(message).await.unwrap();
        }
        for message in ["before", "panic", "after"] {
            assert!(line(&mut client).await.ends_with(message));
        }
        assert!(line(&mut fragile).await.ends_with("before"));
        assert_eq!(line(&mut fragile).await, format!("{room} missed Some(1) Panicked"));
        assert!(line(&mut fragile).await.ends_with("after"));
        let Some(position) = position else { continue };

        // The same when the publications are recovered.
        fragile_session.leave(room).unwrap();
        let options = JoinOptions::new().from(position);
        fragile_session.join_with(room, options).await.unwrap();
        let expected = [
            "log joined 0 recovered",
            "log 1 before",
            "log missed Some(1) Panicked",
            "log 3 after",
        ];
        assert_eq!(lines(&mut fragile, 4).await, expected);
    }
    assert_eq!(hub.panics(), 3);
}

#[tokio::test]
async fn of_an_encoder_at_a_message_or_a_notice() {
    let config = PresenceConfig { diff_delay: Duration::ZERO, ..PresenceConfig::default() };
    let hub: Hub = hub().presence(config).unwrap().build();
    let (mut fragile, fragile_session) = connect_fragile(&hub).await;
    let (mut client, session) = connect(&hub).await;
    hub.broadcast("panic").await.unwrap();
    hub.broadcast("after").await.unwrap();
    assert_eq!(lines(&mut client, 2).await, ["panic", "after"]);
    assert_eq!(line(&mut fragile).await, "after");

    for session in [&fragile_session, &session] {
        session.join("present").await.unwrap();
    }
    session.update_presence("present", b"panic").unwrap();
    while !line(&mut client).await.contains("panic") {}
    session.update_presence("present", b"calm").unwrap();
    while !line(&mut client).await.contains("calm") {}
    while !line(&mut fragile).await.contains("calm") {}

    // The client would not know that it is in the room.
    fragile_session.join("panic").await.unwrap();
    is_failed(&mut fragile, fragile_session).await;
    assert!(hub.room("panic").sessions().unwrap().is_empty());
}

#[tokio::test]
async fn of_a_hook_for_rooms() {
    let (occupied, vacated) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (count_occupied, count) = (occupied.clone(), vacated.clone());
    let config = PresenceConfig {
        grace: Duration::from_millis(1),
        diff_delay: Duration::ZERO,
        ..PresenceConfig::default()
    };
    let hub: Hub = hub()
        .presence(config)
        .unwrap()
        .on_occupied(move |room| {
            count_occupied.fetch_add(1, Ordering::Relaxed);
            assert!(room.as_str() != "present:panic", "a test of panics");
        })
        .on_vacated(move |_| {
            let _ = count.fetch_add(1, Ordering::Relaxed);
        })
        .build();
    for (before, room) in ["present:panic", "present"].into_iter().enumerate() {
        let (_client, session) = connect(&hub).await;
        session.join(room).await.unwrap();
        // Of a room that is vacated before, nothing would be told.
        while occupied.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
    }
    while vacated.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(hub.panics(), 1);
}

#[tokio::test]
async fn of_a_hook_for_sessions() {
    let hub: Hub<&str> = hub()
        .on_connect(|session| assert!(*session.state() != "connect", "a test of panics"))
        .on_message(|_, message| check(message))
        .on_sent(|_, message| check(message))
        .on_error(|_, _| panic!("a test of panics"))
        .on_disconnect(|_, _| panic!("a test of panics"))
        .authorize_join(async |_, room| {
            assert!(room.as_str() != "panic", "a test of panics");
            Ok(())
        })
        .authorize_publish(async |_, _, message| {
            check(&message);
            Ok(())
        })
        .build();
    for name in ["connect", "message", "sent", "join", "publish", "error"] {
        let (mut client, server) = pair().await;
        let mut session = hub.connect(server, name);
        match name {
            "message" => {
                client.send("panic").await.unwrap();
                session.recv().await.unwrap();
            }
            "sent" => session.send("panic").await.unwrap(),
            "join" => {
                let joined = session.join("panic").await;
                assert!(matches!(joined, Err(HubError::Panicked)), "{joined:?}");
            }
            "publish" => {
                let published = session.publish("lobby", "panic").await;
                assert!(matches!(published, Err(HubError::Panicked)), "{published:?}");
            }
            "error" => {
                drop(client);
                assert!(session.recv().await.is_err());
                continue;
            }
            _ => {}
        }
        let ended = tokio::spawn(async move { while let Ok(Some(_)) = session.recv().await {} });
        while client.recv().await.unwrap().is_some() {}
        let code = client.close_frame().map(|frame| u16::from(frame.code));
        assert_eq!(code, Some(1011), "{name}");
        ended.await.unwrap();
    }
    assert_eq!(hub.session_count(), 0);
}

#[tokio::test]
async fn of_the_function_of_the_rooms_properties() {
    let hub: Hub = Hub::builder()
        .encoder(Lines)
        .rooms(|room| {
            assert!(room.as_str() != "panic", "a test of panics");
            sockeye_hub::RoomOptions::new()
        })
        .build();
    let (mut client, session) = connect(&hub).await;
    assert!(matches!(session.join("panic").await, Err(HubError::Panicked)));
    assert!(matches!(hub.room("panic").publish("x").await, Err(HubError::Panicked)));
    session.join("lobby").await.unwrap();
    assert_eq!(line(&mut client).await, "lobby joined -");
}
