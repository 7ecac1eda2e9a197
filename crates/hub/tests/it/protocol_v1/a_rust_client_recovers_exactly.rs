use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;
use sockeye::reconnect::Backoff;
use sockeye_hub::client::{ClientError, ClientEvent, ClientEvents, HistoryRequest, HubClient};
use sockeye_hub::core::UserId;
use sockeye_hub::core::history::{GapReason, Limit, Range};
use sockeye_hub::protocol::Refusal;
use sockeye_hub::{Hub, JoinOptions, Recipients, Recovered};

use crate::protocol_v1::support::{Proxy, endpoint, hub, serve, sign};

/// Connects a client in one of the encodings.
async fn connect(hub: &Hub, json: bool) -> (HubClient, ClientEvents) {
    let address = serve(endpoint(hub).build()).await;
    let backoff = Backoff::new().base(Duration::from_millis(20));
    let builder = HubClient::builder(&format!("ws://{address}/")).backoff(backoff);
    if json { builder.json().connect() } else { builder.connect() }
}

/// Returns the next event for which the function returns something.
async fn find<T>(events: &mut ClientEvents, find: impl Fn(&ClientEvent) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.next().await.expect("the client is open");
            if let Some(found) = find(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search).await.expect("the event in time")
}

fn text(event: &ClientEvent) -> Option<String> {
    match event {
        ClientEvent::Publication { publication, .. } => Some(publication.message.to_string()),
        _ => None,
    }
}

fn recovery(event: &ClientEvent) -> Option<Recovered> {
    match event {
        ClientEvent::Joined { joined, .. } => Some(joined.recovery),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_published_while_it_is_away() {
    for json in [false, true] {
        let hub = hub();
        let (client, mut events) = connect(&hub, json).await;
        let joined = client.join("log").await.unwrap();
        assert_eq!(joined.recovery, Recovered::NotAsked);
        let position = client.publish("log", "0").await.unwrap();
        assert_eq!(position.map(|position| position.offset), Some(1));
        assert_eq!(find(&mut events, text).await, "0");

        hub.close(Recipients::All, 4000, "lost").await.unwrap();
        for number in 1..=1_000 {
            hub.room("log").publish(number.to_string()).await.unwrap();
        }
        assert_eq!(find(&mut events, recovery).await, Recovered::All);
        for number in 1..=1_000 {
            assert_eq!(find(&mut events, text).await, number.to_string());
        }
        // What is called without a connection waits for one.
        assert_eq!(client.publish("log", "1001").await.unwrap().unwrap().offset, 1_002);
        assert_eq!(find(&mut events, text).await, "1001");
    }
}

#[tokio::test]
async fn or_reports_a_gap() {
    let hub = hub();
    let (client, mut events) = connect(&hub, false).await;
    client.join("short").await.unwrap();
    find(&mut events, recovery).await;
    hub.close(Recipients::All, 4000, "lost").await.unwrap();
    for number in 0..50 {
        hub.room("short").publish(number.to_string()).await.unwrap();
    }
    let expected = Recovered::Gap(GapReason::Trimmed);
    assert_eq!(find(&mut events, recovery).await, expected);
    hub.room("short").publish("new").await.unwrap();
    assert_eq!(find(&mut events, text).await, "new");
}

#[tokio::test]
async fn a_publication_whose_reply_was_lost_is_repeated_and_stored_once() {
    let hub = hub();
    let proxy = Proxy::start(serve(endpoint(&hub).build()).await).await;
    let backoff = Backoff::new().base(Duration::from_millis(20));
    let url = format!("ws://{}/", proxy.address);
    let (client, mut events) = HubClient::builder(&url).backoff(backoff).connect();
    client.join("log").await.unwrap();
    client.join("lobby").await.unwrap();

    proxy.hold_answers();
    let publishing = |room: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.publish(room, room).await })
    };
    let (to_lobby, to_log) = (publishing("lobby"), publishing("log"));
    let all = || async {
        let range = Range::forwards(Limit::NONE);
        hub.room("log").history(range).await.unwrap().entries
    };
    while all().await.is_empty() {
        tokio::task::yield_now().await;
    }
    proxy.cut();
    let position = to_log.await.unwrap().unwrap().unwrap();
    // There is no history to store it once.
    assert_eq!(to_lobby.await.unwrap(), Err(ClientError::Lost));
    client.publish("log", "end").await.unwrap();
    let entries = all().await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].offset, position.offset);
    assert_eq!(find(&mut events, text).await, "log");
    assert_eq!(find(&mut events, text).await, "end");
}

/// Returns a token that is valid for some seconds, of a room or of the connection.
fn token(channel: Option<&str>, seconds: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut claims = json!({ "sub": "ada", "exp": now.as_secs() + seconds });
    if let Some(channel) = channel {
        claims["channel"] = channel.into();
    }
    sign(&claims)
}

#[tokio::test]
async fn publications_that_wait_are_sent_after_the_rooms_are_joined_again() {
    let hub = hub();
    let address = serve(endpoint(&hub).build()).await;
    let (client, mut events) = HubClient::builder(&format!("ws://{address}/"))
        .backoff(Backoff::new().base(Duration::from_millis(20)))
        .token(async || Ok(Some(token(None, 60))))
        .room_token(|room| async move {
            // A token that takes its time.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(Some(token(Some(room.as_str()), 60)))
        })
        .connect();
    client.join("members").await.unwrap();
    hub.close(Recipients::All, 4000, "lost").await.unwrap();
    let disconnected =
        |event: &ClientEvent| matches!(event, ClientEvent::Disconnected { .. }).then_some(());
    find(&mut events, disconnected).await;
    client.publish("members", "1").await.unwrap();
    let connected =
        |event: &ClientEvent| matches!(event, ClientEvent::Connected { .. }).then_some(());
    find(&mut events, connected).await;
    assert_eq!(find(&mut events, text).await, "1");
}

#[tokio::test]
async fn a_token_source_that_fails_is_asked_again() {
    let hub = hub();
    let address = serve(endpoint(&hub).anonymous(false).build()).await;
    let calls = AtomicU32::new(0);
    let (client, mut events) =
        HubClient::builder(&format!("ws://{address}/"))
            .backoff(Backoff::new().base(Duration::from_millis(20)))
            .token(move || {
                let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    if is_first { Err("no network".into()) } else { Ok(Some(token(None, 60))) }
                }
            })
            .connect();
    client.join("log").await.unwrap();
    find(&mut events, recovery).await;
    // The code for a client whose token comes too late.
    hub.close(Recipients::All, 3502, "stale").await.unwrap();
    assert_eq!(find(&mut events, recovery).await, Recovered::All);
}

#[tokio::test]
async fn a_room_that_was_left_while_joining_is_left() {
    let hub = hub();
    let (client, _events) = connect(&hub, false).await;
    for _ in 0..10 {
        let (joined, left) = tokio::join!(client.join("log"), client.leave("log"));
        assert_eq!((joined, left), (Err(ClientError::Closed), Ok(())));
        assert!(!client.join("log").await.unwrap().already);
        assert_eq!(client.counts("log").await.unwrap().sessions, 1);
        client.leave("log").await.unwrap();
    }
}

#[tokio::test]
async fn the_token_of_a_room_is_not_replaced_after_the_room_was_left() {
    let hub = hub();
    let address = serve(endpoint(&hub).build()).await;
    let tokens = Arc::<AtomicU32>::default();
    let count = tokens.clone();
    let (client, _events) = HubClient::builder(&format!("ws://{address}/"))
        .token(async || Ok(Some(token(None, 60))))
        .room_token(move |room| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Some(token(Some(room.as_str()), 3))) }
        })
        .connect();
    for _ in 0..3 {
        client.join("log").await.unwrap();
        client.leave("log").await.unwrap();
    }
    client.join("log").await.unwrap();
    // A token is replaced after half of its time, which is 1 s to 1.5 s.
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    assert_eq!(tokens.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn rooms_are_joined_again_by_commands_of_a_limited_length() {
    let hub = hub();
    let (client, mut events) = connect(&hub, false).await;
    let info = format!("{:?}", "x".repeat(1_000));
    for number in 0..100 {
        let options = JoinOptions::new().info(info.clone());
        client.join_with(&format!("absent{number}"), options).await.unwrap();
        find(&mut events, recovery).await;
    }
    hub.close(Recipients::All, 4000, "lost").await.unwrap();
    for _ in 0..100 {
        find(&mut events, recovery).await;
    }
}

#[tokio::test]
async fn and_replaces_tokens_before_they_expire() {
    let hub = hub();
    let address = serve(endpoint(&hub).anonymous(false).build()).await;
    let (tokens, room_tokens) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let (count, room_count) = (tokens.clone(), room_tokens.clone());
    let in_seconds = |seconds| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_secs() + seconds
    };
    let (client, mut events) = HubClient::builder(&format!("ws://{address}/"))
        .token(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let token = sign(&json!({ "sub": "ada", "exp": in_seconds(2) }));
            async move { Ok(Some(token)) }
        })
        .room_token(move |room| {
            room_count.fetch_add(1, Ordering::SeqCst);
            let channel = room.as_str();
            let claims = json!({ "sub": "ada", "channel": channel, "exp": in_seconds(2) });
            let token = sign(&claims);
            async move { Ok(Some(token)) }
        })
        .connect();
    client.join("log").await.unwrap();
    find(&mut events, recovery).await;
    let ended = async {
        loop {
            match events.next().await.unwrap() {
                ClientEvent::Presence { diff, .. } => {
                    assert_eq!(diff.users_joined, [UserId::new("ada")]);
                }
                ended => return ended,
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_millis(3_500), ended).await;
    assert!(ended.is_err(), "{ended:?}");
    assert!(tokens.load(Ordering::SeqCst) > 1);
    assert!(room_tokens.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn a_refusal_is_an_error_and_a_permanent_close_the_end() {
    let hub = hub();
    let (client, mut events) = connect(&hub, false).await;
    let error = client.join("secret").await.unwrap_err();
    assert_eq!(error, ClientError::Refused(Refusal::new(103, "members only")));
    assert!(matches!(client.join("").await, Err(ClientError::RoomName(_))));
    let error = client.rpc("dance", "").await.unwrap_err();
    assert_eq!(error, ClientError::Refused(Refusal::new(404, "no such method")));

    hub.close(Recipients::All, 4500, "banned").await.unwrap();
    let closed = |event: &ClientEvent| matches!(event, ClientEvent::Closed { .. }).then_some(());
    find(&mut events, closed).await;
    assert_eq!(events.next().await, None);
    assert_eq!(client.publish("lobby", "1").await, Err(ClientError::Closed));
}

#[tokio::test]
async fn it_lists_members_reads_history_and_calls_methods() {
    for json in [false, true] {
        let hub = hub();
        let (client, mut events) = connect(&hub, json).await;
        client.join_with("log", JoinOptions::new().info(r#"{"name":"Ada"}"#)).await.unwrap();
        let joined = |event: &ClientEvent| match event {
            ClientEvent::Presence { diff, .. } => Some(diff.joined.len()),
            _ => None,
        };
        assert_eq!(find(&mut events, joined).await, 1);
        let members = client.members("log", None, 10).await.unwrap();
        assert_eq!(members.items[0].profile.info, r#"{"name":"Ada"}"#);
        assert_eq!(client.counts("log").await.unwrap().sessions, 1);
        assert_eq!(client.users("log", None, 10).await.unwrap().items, []);
        client.update_presence("log", "1").await.unwrap();

        for number in 0..5 {
            client.publish("log", number.to_string()).await.unwrap();
        }
        let request = HistoryRequest { limit: Some(2), reverse: true, ..HistoryRequest::default() };
        let page = client.history("log", request).await.unwrap();
        let texts: Vec<_> =
            page.publications.iter().map(|(one, _)| one.message.to_string()).collect();
        assert_eq!((&*texts, page.more), (&["4".to_owned(), "3".to_owned()][..], true));

        assert_eq!(client.rpc("echo", "[1]").await.unwrap(), "[1]");
        client.send("hi").await.unwrap();
        let message = |event: &ClientEvent| match event {
            ClientEvent::Message(message) => Some(message.to_string()),
            _ => None,
        };
        // JSON has no text that is not JSON: it is a string there.
        let expected = if json { r#""hi""# } else { "hi" };
        assert_eq!(find(&mut events, message).await, expected);
        client.leave("log").await.unwrap();
        // This server has a hook that authorises joins: only members may read.
        let refused = client.counts("log").await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused(Refusal { code: 103, .. })), "{refused}");
    }
}

#[tokio::test]
async fn a_room_that_the_server_chose_is_recovered_by_the_server() {
    let hub = hub();
    let address = serve(
        endpoint(&hub)
            .on_connect(async |_| {
                let room = sockeye_hub::core::RoomName::new("log:news").unwrap();
                Ok(sockeye_hub::protocol::Accepted::new(()).join(room))
            })
            .build(),
    )
    .await;
    let backoff = Backoff::new().base(Duration::from_millis(20));
    let builder = HubClient::builder(&format!("ws://{address}/")).backoff(backoff);
    let (_client, mut events) = builder.connect();
    assert_eq!(find(&mut events, recovery).await, Recovered::NotAsked);
    hub.room("log:news").publish("1").await.unwrap();
    assert_eq!(find(&mut events, text).await, "1");
    hub.close(Recipients::All, 4000, "lost").await.unwrap();
    hub.room("log:news").publish("2").await.unwrap();
    assert_eq!(find(&mut events, recovery).await, Recovered::All);
    assert_eq!(find(&mut events, text).await, "2");
}
