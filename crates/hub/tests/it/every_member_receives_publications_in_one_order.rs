use sockeye_hub::Hub;
use sockeye_hub::bus::Local;

use crate::support::{connect, hub, line, nothing_more};

const PUBLISHERS: usize = 8;
const EACH: usize = 200;

/// Publishes from all nodes at once, and returns what each member received.
async fn publish(room: &'static str, shuffled: bool) -> Vec<Vec<String>> {
    let bus = Local::new();
    let hubs: [Hub; 3] = std::array::from_fn(|_| hub().bus(bus.clone()).build());
    let mut members = Vec::new();
    for number in 0..6 {
        let (mut client, session) = connect(&hubs[number % 3]).await;
        session.join(room).await.unwrap();
        line(&mut client).await;
        members.push((client, session));
    }
    for number in 0..PUBLISHERS {
        let hub = hubs[number % 3].clone();
        tokio::spawn(async move {
            for message in 0..EACH {
                hub.room(room).publish(format!("{number}.{message}")).await.unwrap();
                if shuffled || message % 7 == number {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let mut received = Vec::new();
    for (mut client, session) in members {
        let mut lines = Vec::new();
        for _ in 0..PUBLISHERS * EACH {
            lines.push(line(&mut client).await);
        }
        nothing_more(&mut client, &session).await;
        received.push(lines);
    }
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_history_the_same_for_all() {
    let received = publish("log", true).await;
    for lines in &received {
        assert_eq!(lines, &received[0]);
        let offsets =
            lines.iter().map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap());
        assert!(offsets.eq(1..=PUBLISHERS * EACH));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_history_in_the_order_of_each_publisher() {
    for lines in publish("lobby", false).await {
        let mut next = [0; PUBLISHERS];
        for line in lines {
            let (publisher, message) =
                line.strip_prefix("lobby - ").unwrap().split_once('.').unwrap();
            let next = &mut next[publisher.parse::<usize>().unwrap()];
            assert_eq!(message.parse::<usize>().unwrap(), *next);
            *next += 1;
        }
        assert_eq!(next, [EACH; PUBLISHERS]);
    }
}
