//! Situations that left rooms, sessions or panics behind in other systems.

use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::{Disconnect, Hub};
use tokio::sync::Semaphore;

use crate::gated::Gated;
use crate::support::{connect, hub, line};

/// Waits until the node has neither sessions nor rooms.
async fn empty(hub: &Hub) {
    let empty = async {
        loop {
            let metrics = hub.metrics();
            if (metrics.sessions, metrics.rooms, metrics.memberships) == (0, 0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), empty).await.expect("nothing is left");
}

#[tokio::test]
async fn if_they_end_while_they_join_a_room() {
    let bus = Gated::default();
    let hub: Hub = hub().bus(bus.clone()).build();
    bus.store.set_open(false);
    let mut joins = Vec::new();
    for number in 0..10 {
        let (client, session) = connect(&hub).await;
        let handle = session.handle();
        let room = format!("log {}", number % 3);
        joins.push(tokio::spawn(async move { handle.join(room).await }));
        tokio::task::yield_now().await;
        drop((client, session));
    }
    bus.store.set_open(true);
    for join in joins {
        assert!(join.await.unwrap().is_err(), "the session has ended");
    }
    empty(&hub).await;
}

#[tokio::test]
async fn if_they_end_while_the_application_decides_about_a_join() {
    let decide = Arc::new(Semaphore::new(0));
    let waits = decide.clone();
    let hub: Hub = hub()
        .authorize_join(move |_, _| {
            let waits = waits.clone();
            async move {
                waits.acquire().await.unwrap().forget();
                Ok(())
            }
        })
        .build();
    let (client, session) = connect(&hub).await;
    let handle = session.handle();
    let join = tokio::spawn(async move { handle.join("lobby").await });
    tokio::task::yield_now().await;
    drop((client, session));
    // The client is back before the decision about its former session.
    let (mut client, session) = connect(&hub).await;
    let handle = session.handle();
    let second = tokio::spawn(async move { handle.join("lobby").await });
    tokio::task::yield_now().await;
    decide.add_permits(2);
    assert!(join.await.unwrap().is_err());
    assert!(!second.await.unwrap().unwrap().already);
    assert_eq!(line(&mut client).await, "lobby joined -");
    assert_eq!(hub.metrics().memberships, 1);
    drop((client, session));
    empty(&hub).await;
}

#[tokio::test]
async fn if_they_are_used_after_their_end() {
    let hub: Hub = hub().build();
    let (client, session) = connect(&hub).await;
    session.join("present").await.unwrap();
    let handle = session.handle();
    drop((client, session));
    assert!(!handle.leave("present").unwrap_or_default());
    assert!(!handle.leave("never").unwrap_or_default());
    assert!(handle.join("present").await.is_err());
    assert!(handle.join("log").await.is_err());
    handle.end(&Disconnect::Dropped);
    assert!(handle.rooms().is_empty());
    empty(&hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_they_end_while_others_publish() {
    const COUNT: usize = 300;

    let hub: Hub = hub().build();
    let (mut client, session) = connect(&hub).await;
    session.join("lobby").await.unwrap();
    assert_eq!(line(&mut client).await, "lobby joined -");
    let publisher = hub.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..COUNT {
            publisher.room("lobby").publish(number.to_string()).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let coming = hub.clone();
    let coming = tokio::spawn(async move {
        for number in 0..100 {
            let (client, session) = connect(&coming).await;
            session.join("lobby").await.unwrap();
            if number % 2 == 0 {
                session.close(1000, "").unwrap();
            }
            drop((client, session));
        }
    });
    for number in 0..COUNT {
        assert_eq!(line(&mut client).await, format!("lobby - {number}"));
    }
    publishing.await.unwrap();
    coming.await.unwrap();
    assert_eq!(hub.panics(), 0);
    drop((client, session));
    empty(&hub).await;
}
