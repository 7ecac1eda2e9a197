use sockeye_hub::Hub;
use sockeye_hub::bus::Local;
use sockeye_hub::core::Publication;
use sockeye_hub::core::filter::{Condition, Filter};
use sockeye_hub::{HubError, JoinOptions};

use crate::support::{connect, hub, line, nothing_more};

#[tokio::test]
async fn on_one_node() {
    let hub: Hub = hub().build();
    let (mut ada, ada_session) = connect(&hub).await;
    let (mut bob, bob_session) = connect(&hub).await;
    let (mut eve, eve_session) = connect(&hub).await;
    ada_session.join("lobby").await.unwrap();
    bob_session.join("lobby").await.unwrap();
    eve_session.join("other").await.unwrap();
    assert_eq!(hub.room("lobby").publish("hello").await.unwrap(), None);
    for client in [&mut ada, &mut bob] {
        assert_eq!(line(client).await, "lobby joined -");
        assert_eq!(line(client).await, "lobby - hello");
    }
    assert_eq!(line(&mut eve).await, "other joined -");
    nothing_more(&mut eve, &eve_session).await;
    assert_eq!(hub.room("lobby").sessions().unwrap().len(), 2);
    assert!(ada_session.leave("lobby").unwrap());
    assert!(!ada_session.leave("lobby").unwrap());
    hub.room("lobby").publish("more").await.unwrap();
    nothing_more(&mut ada, &ada_session).await;
    assert_eq!(line(&mut bob).await, "lobby - more");
}

#[tokio::test]
async fn on_three_nodes() {
    let bus = Local::new();
    let hubs: [Hub; 3] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    for room in ["lobby", "log"] {
        let mut clients = Vec::new();
        for hub in &hubs {
            let (client, session) = connect(hub).await;
            session.join(room).await.unwrap();
            clients.push((client, session));
        }
        for (number, hub) in hubs.iter().enumerate() {
            hub.room(room).publish(format!("from {number}")).await.unwrap();
            for (client, _) in &mut clients {
                if number == 0 {
                    assert!(line(client).await.starts_with(&format!("{room} joined")));
                }
                assert!(line(client).await.ends_with(&format!(" from {number}")));
            }
        }
        // Nobody receives anything twice.
        for (client, session) in &mut clients {
            nothing_more(client, session).await;
        }
    }
}

#[tokio::test]
async fn also_after_everybody_left_and_came_back() {
    let bus = Local::new();
    let [first, second]: [Hub; 2] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    let (mut client, session) = connect(&first).await;
    for room in ["lobby", "log"] {
        for _ in 0..20 {
            session.join(room).await.unwrap();
            assert!(line(&mut client).await.starts_with(&format!("{room} joined")));
            second.room(room).publish("hello").await.unwrap();
            assert!(line(&mut client).await.ends_with(" hello"));
            session.leave(room).unwrap();
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn if_their_filters_match_its_tags() {
    let hub: Hub = hub().build();
    let (mut ada, session) = connect(&hub).await;
    let filter = Filter::tag("level", Condition::Equals("error".into())).unwrap();
    session.join_with("log", JoinOptions::new().filter(filter)).await.unwrap();
    assert_eq!(line(&mut ada).await, "log joined 0");
    for level in ["info", "error", "info"] {
        let tags = vec![("level".into(), level.into())];
        let publication = Publication { tags, ..Publication::new(level) };
        hub.room("log").publish_with(publication).await.unwrap();
    }
    assert_eq!(line(&mut ada).await, "log 2 error");
    tokio::task::yield_now().await;
    nothing_more(&mut ada, &session).await;
}

#[tokio::test]
async fn unless_its_name_is_invalid() {
    let hub: Hub = hub().build();
    let (_client, session) = connect(&hub).await;
    assert!(matches!(session.join("").await, Err(HubError::RoomName(_))));
    assert!(matches!(hub.room("a\n").publish("x").await, Err(HubError::RoomName(_))));
}
