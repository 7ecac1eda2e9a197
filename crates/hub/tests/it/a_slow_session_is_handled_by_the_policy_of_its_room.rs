use sockeye::WebSocket;
use sockeye_hub::core::Publication;
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::{Hub, HubError, Session};

use crate::support::{connect, hub, line, lines, nothing_more};

const COUNT: usize = 2_000;

/// Returns a member that has not read anything of `COUNT` publications of 1 KiB, which do not fit
/// its queues.
async fn slow_member(room: &str) -> (Hub, WebSocket, Session) {
    let mut limits = OutboxLimits::default();
    limits.bytes = 64 * 1024;
    let hub: Hub = hub().send_queue(16 * 1024).outbox_limits(limits).build();
    let (mut client, session) = connect(&hub).await;
    session.join(room).await.unwrap();
    line(&mut client).await;
    for number in 1..=COUNT {
        let tags = vec![("key".into(), (number % 3).to_string().into())];
        let message = format!("{number} {}", "x".repeat(1024));
        let publication = Publication { tags, ..Publication::new(message) };
        hub.room(room).publish_with(publication).await.unwrap();
        tokio::task::yield_now().await;
    }
    (hub, client, session)
}

/// Returns the number of a publication, or the number of publications that a notice reports.
pub(crate) fn parse(line: &str) -> Result<usize, usize> {
    let words: Vec<_> = line.split(' ').collect();
    match words[1] {
        "missed" => {
            let count = words[2].trim_start_matches("Some(").trim_end_matches(')');
            Err(count.parse().unwrap())
        }
        _ => Ok(words[2].parse().unwrap()),
    }
}

#[tokio::test]
async fn the_oldest_publications_are_dropped_and_counted_in_their_place() {
    let (_hub, mut client, _session) = slow_member("lobby").await;
    let mut next = 1;
    let mut dropped = 0;
    while next <= COUNT {
        match parse(&line(&mut client).await) {
            Ok(number) => {
                assert_eq!(number, next);
                next += 1;
            }
            Err(count) => {
                next += count;
                dropped += count;
            }
        }
    }
    assert!(dropped > COUNT / 2, "{dropped}");
}

#[tokio::test]
async fn it_catches_up_from_the_history_without_a_loss() {
    let (hub, mut client, _session) = slow_member("log:slow").await;
    // The publications that the history has not kept would be a gap.
    let kept = hub.room("log:slow");
    for number in 1..=COUNT {
        match parse(&line(&mut client).await) {
            Ok(found) => assert_eq!(found, number),
            Err(count) => panic!("{count} missed before {number}"),
        }
    }
    kept.publish("live again").await.unwrap();
    assert_eq!(line(&mut client).await, format!("log:slow {} live again", COUNT + 1));
}

#[tokio::test]
async fn its_connection_is_closed() {
    let (hub, mut client, mut session) = slow_member("disconnect").await;
    let server = tokio::spawn(async move { session.recv().await });
    while client.recv().await.unwrap().is_some() {}
    assert_eq!(client.close_frame().map(|frame| u16::from(frame.code)), Some(1013));
    assert_eq!(server.await.unwrap().unwrap(), None);
    assert_eq!(hub.session_count(), 0);
}

#[tokio::test]
async fn only_the_latest_of_each_key_is_kept() {
    let (_hub, mut client, _session) = slow_member("latest").await;
    let mut last = [0; 3];
    let mut received = 0;
    while last.iter().max() != Some(&COUNT) || last.iter().min() < Some(&(COUNT - 2)) {
        let number = parse(&line(&mut client).await).unwrap();
        assert!(last[number % 3] < number);
        last[number % 3] = number;
        received += 1;
    }
    assert!(received < COUNT / 2, "{received}");
}

#[tokio::test]
async fn a_paced_room_sends_the_first_at_once_and_the_latest_after_an_interval() {
    let hub: Hub = hub().build();
    let (mut client, session) = connect(&hub).await;
    session.join("paced").await.unwrap();
    assert_eq!(line(&mut client).await, "paced joined -");
    for number in 1..=100 {
        hub.room("paced").publish(number.to_string()).await.unwrap();
    }
    let mut last = line(&mut client).await;
    let mut received = 1;
    // Replies do not wait for the interval.
    session.send("reply").await.unwrap();
    assert_eq!(line(&mut client).await, "reply");
    while last != "paced - 100" {
        last = line(&mut client).await;
        received += 1;
    }
    assert!(received < 50, "{received}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_catches_up_while_more_is_published() {
    const MORE: usize = 6_000;

    let (hub, mut client, _session) = slow_member("log:slow").await;
    let publisher = tokio::spawn(async move {
        for number in COUNT + 1..=MORE {
            let message = format!("{number} {}", "x".repeat(512));
            hub.room("log:slow").publish(message).await.unwrap();
            if number % 20 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
    });
    for number in 1..=MORE {
        assert_eq!(parse(&line(&mut client).await), Ok(number));
    }
    publisher.await.unwrap();
}

#[tokio::test]
async fn under_a_policy_by_key_it_is_told_no_positions() {
    let hub: Hub = hub().build();
    let (mut client, session) = connect(&hub).await;
    let joined = session.join("keyed:log").await.unwrap();
    assert!(joined.position.is_some());
    let tags = vec![("key".into(), "a".into())];
    let publication = Publication { tags, ..Publication::new("1") };
    assert!(hub.room("keyed:log").publish_with(publication).await.unwrap().is_some());
    assert_eq!(lines(&mut client, 2).await, ["keyed:log joined 0", "keyed:log - 1"]);
}

/// The second message does not fit beside the first, which takes less than half of what may wait.
#[tokio::test]
async fn it_is_not_closed_for_messages_that_wait_to_be_sent() {
    let hub: Hub = hub().send_queue(16 * 1024).build();
    let (mut client, session) = connect(&hub).await;
    let lengths = [100_000, 500_000, 600_000, 500_000, 600_000];
    let senders = lengths.map(|length| {
        let session = session.clone();
        tokio::spawn(async move { session.send("x".repeat(length)).await })
    });
    tokio::task::yield_now().await;
    let mut received = Vec::new();
    for _ in lengths {
        received.push(line(&mut client).await.len());
    }
    received.sort_unstable();
    assert_eq!(received, [100_000, 500_000, 500_000, 600_000, 600_000]);
    for sender in senders {
        sender.await.unwrap().unwrap();
    }
    nothing_more(&mut client, &session).await;
}

#[tokio::test]
async fn it_is_over_once_it_is_closed_behind_what_waits() {
    let (_hub, mut client, mut session) = slow_member("lobby").await;
    assert!(session.close(4000, "bye").unwrap());
    assert!(session.is_closed());
    assert!(matches!(session.send("lost").await, Err(HubError::Closed)));
    assert!(matches!(session.join("hall").await, Err(HubError::Closed)));
    let server = tokio::spawn(async move { session.recv().await });
    // What waited is still sent.
    let mut last = String::new();
    while let Some(message) = client.recv().await.unwrap() {
        last = message.to_string();
    }
    assert_eq!(parse(&last), Ok(COUNT));
    assert_eq!(client.close_frame().map(|frame| u16::from(frame.code)), Some(4000));
    server.await.unwrap().unwrap();
}
