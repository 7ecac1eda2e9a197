use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::WebSocket;
use sockeye_hub::bus::Local;
use sockeye_hub::core::UserId;
use sockeye_hub::core::presence::PresenceConfig;
use sockeye_hub::{Hub, HubError, JoinOptions, Session, SessionOptions};

use crate::support::{hub, line, pair};

struct Node {
    hub: Hub,
    occupied: Arc<AtomicUsize>,
    vacated: Arc<AtomicUsize>,
}

/// Returns nodes whose presence does everything at once, but for leases.
fn nodes() -> [Node; 2] {
    let config = PresenceConfig {
        grace: Duration::from_millis(1),
        diff_delay: Duration::from_millis(1),
        delta_delay: Duration::ZERO,
        ..PresenceConfig::default()
    };
    let bus = Local::new();
    std::array::from_fn(|_| {
        let (occupied, vacated) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count_occupied, count_vacated) = (occupied.clone(), vacated.clone());
        let builder = hub().bus(bus.clone()).presence(config.clone()).unwrap();
        let hub = builder
            .on_occupied(move |_| {
                let _ = count_occupied.fetch_add(1, Ordering::Relaxed);
            })
            .on_vacated(move |_| {
                let _ = count_vacated.fetch_add(1, Ordering::Relaxed);
            })
            .build();
        Node { hub, occupied, vacated }
    })
}

async fn join(node: &Node, user: &str, info: &'static str) -> (WebSocket, Session) {
    let (mut client, server) = pair().await;
    let options = SessionOptions::new().user(UserId::new(user));
    let session = node.hub.connect_with(server, (), options);
    session.join_with("present", JoinOptions::new().info(info)).await.unwrap();
    assert_eq!(line(&mut client).await, "present joined -");
    (client, session)
}

/// Waits for a line with these words, which may come with others or in several.
async fn expect(client: &mut WebSocket, words: &[&str]) {
    let mut missing = words.to_vec();
    while !missing.is_empty() {
        let line = line(client).await;
        missing.retain(|word| !line.split(' ').any(|found| found == *word));
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn as_sessions_join_update_and_leave() {
    let [first, second] = nodes();
    let (mut ada, ada_session) = join(&first, "ada", "A").await;
    expect(&mut ada, &["+A", "ada", "here"]).await;
    let (mut bob, bob_session) = join(&second, "bob", "B").await;
    expect(&mut ada, &["+B", "bob"]).await;
    expect(&mut bob, &["here"]).await;
    for node in [&first, &second] {
        until(|| node.hub.room("present").counts().unwrap().sessions == 2).await;
        let page = node.hub.room("present").presence(None, 10).unwrap();
        let mut sessions: Vec<_> = page.items.iter().map(|member| member.session).collect();
        sessions.sort();
        let mut expected = vec![ada_session.id(), bob_session.id()];
        expected.sort();
        assert_eq!(sessions, expected);
    }
    bob_session.update_presence("present", b"BB").unwrap();
    expect(&mut ada, &["~BB"]).await;
    assert!(matches!(bob_session.update_presence("other", b""), Err(HubError::Presence(_))));

    // The phone of Ada leaves and Ada stays.
    let (phone, phone_session) = join(&second, "ada", "P").await;
    expect(&mut ada, &["+P"]).await;
    drop((phone, phone_session));
    expect(&mut ada, &["-P"]).await;
    assert_eq!(first.hub.room("present").counts().unwrap().users, 2);

    second.hub.shutdown("done").await.unwrap();
    expect(&mut ada, &["-BB"]).await;
    drop(ada_session);
    until(|| first.hub.room("present").counts().unwrap().sessions == 0).await;
    until(|| first.vacated.load(Ordering::Relaxed) == 1).await;
    assert_eq!(first.occupied.load(Ordering::Relaxed), 1);
    assert_eq!(second.occupied.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn and_an_info_that_is_too_long_is_refused() {
    let [node, _] = nodes();
    let (_client, server) = pair().await;
    let session = node.hub.connect(server, ());
    let options = JoinOptions::new().info(vec![0; 10_000]);
    assert!(matches!(session.join_with("present", options).await, Err(HubError::Presence(_))));
    assert!(session.rooms().is_empty());
}
