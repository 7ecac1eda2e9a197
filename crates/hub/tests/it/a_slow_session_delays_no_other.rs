//! One member of a room does not read, under each policy and over each kind of connection.

use std::time::Duration;

use sockeye::WebSocket;
use sockeye_hub::core::Publication;
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::{Hub, SessionHandle};

use crate::a_slow_session_is_handled_by_the_policy_of_its_room::parse;
use crate::handler_connections_are_sessions::Serving;
use crate::support::{connect, hub, line};

const MEMBERS: usize = 3;

/// The bounds of an outbox.
const MESSAGES: usize = 50;
const BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Split,
    Push,
}

struct Member {
    client: WebSocket,
    session: SessionHandle,
}

impl Kind {
    /// Returns the number and the length of publications that no buffer on the way holds.
    fn load(self) -> (usize, usize) {
        match self {
            Self::Split => (1_000, 1024),
            // The buffers of TCP connections hold megabytes.
            Self::Push => (2_000, 6 * 1024),
        }
    }

    /// Connects a member.
    async fn member(self, hub: &Hub, serving: Option<&Serving>, room: &str) -> Member {
        let before: Vec<_> = hub.sessions().iter().map(SessionHandle::id).collect();
        let mut client = if let Some(serving) = serving {
            serving.client().await
        } else {
            let (client, mut session) = connect(hub).await;
            session.join(room).await.unwrap();
            tokio::spawn(async move { while let Ok(Some(_)) = session.recv().await {} });
            client
        };
        assert!(line(&mut client).await.contains("joined"));
        let sessions = hub.sessions();
        let session = sessions.into_iter().find(|session| !before.contains(&session.id()));
        Member { client, session: session.unwrap() }
    }
}

async fn publish(hub: &Hub, room: &str, number: usize, length: usize) {
    let tags = vec![("key".into(), (number % 3).to_string().into())];
    let text = format!("{number} {}", "x".repeat(length));
    hub.room(room).publish_with(Publication { tags, ..Publication::new(text) }).await.unwrap();
}

/// Publishes to a slow member and others. The others receive everything at once, what waits for the
/// slow member is bounded, and each publication is received, told as dropped, or superseded.
async fn delays_no_other(kind: Kind, room: &'static str) {
    let mut limits = OutboxLimits::default();
    (limits.messages, limits.bytes) = (MESSAGES, BYTES);
    let hub: Hub = hub().send_queue(16 * 1024).outbox_limits(limits).build();
    let serving = (kind == Kind::Push).then(|| Serving::start(&hub, room));
    let mut slow = kind.member(&hub, serving.as_ref(), room).await;
    let mut others = Vec::new();
    for _ in 1..MEMBERS {
        others.push(kind.member(&hub, serving.as_ref(), room).await);
    }

    let (count, length) = kind.load();
    let is_paced = room == "paced";
    let mut published = 0;
    while published < count && !slow.session.is_closed() {
        published += 1;
        publish(&hub, room, published, length).await;
        for other in others.iter_mut().filter(|_| !is_paced) {
            assert_eq!(parse(&line(&mut other.client).await), Ok(published), "{kind:?} {room}");
        }
        let waiting = slow.session.metrics();
        assert!(waiting.queued <= MESSAGES && waiting.queued_bytes <= BYTES, "{waiting:?}");
    }
    for other in others.iter_mut().filter(|_| is_paced) {
        // The last of each key.
        let mut last = [0; 3];
        while last.iter().sum::<usize>() != 3 * count - 3 {
            let number = parse(&line(&mut other.client).await).unwrap();
            last[number % 3] = number;
        }
    }

    let (mut received, mut told) = (0, 0);
    if room == "disconnect" {
        while slow.client.recv().await.unwrap().is_some() {
            received += 1;
        }
        let code = slow.client.close_frame().map(|frame| u16::from(frame.code));
        assert_eq!(code, Some(1013), "{kind:?}");
        assert!(published < count, "{kind:?}");
    } else {
        let superseded = || slow.session.metrics().publications.superseded;
        while received + told + usize::try_from(superseded()).unwrap() < published {
            match parse(&line(&mut slow.client).await) {
                Ok(_) => received += 1,
                Err(dropped) => told += dropped,
            }
        }
    }
    // The last message arrives before the task that has sent it goes on.
    let left = if room == "disconnect" { MEMBERS - 1 } else { MEMBERS };
    let quiet = async {
        while hub.metrics().queued > 0 || hub.session_count() > left {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), quiet).await.expect("nothing waits");
    let metrics = hub.metrics();
    let all = (MEMBERS * published) as u64;
    assert_eq!(metrics.deliveries, all + metrics.skipped, "{kind:?} {room}: {metrics:?}");
    assert_eq!(metrics.dropped_expired, 0);
    if room == "disconnect" {
        let unread = usize::try_from(metrics.dropped_slow + metrics.discarded).unwrap();
        // The message that the session's task was sending, if any, was taken from the queue.
        assert!(
            (published - 1..=published).contains(&(received + unread)),
            "{kind:?}: {received} received, {metrics:?}"
        );
    } else {
        assert_eq!(metrics.dropped_slow, told as u64, "{kind:?} {room}");
        let counts = slow.session.metrics().publications;
        let dropped = counts.dropped_newest + counts.dropped_oldest;
        let gone = dropped + counts.superseded + counts.skipped;
        assert_eq!(counts.pushed, counts.popped + gone, "{kind:?} {room}: {counts:?}");
        assert!(gone > 0, "{kind:?} {room}: {counts:?}");
    }
    drop((slow, others));
    if let Some(serving) = serving {
        serving.stop().await;
    }
}

macro_rules! policies {
    ($($name:ident: $room:literal),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                for kind in [Kind::Split, Kind::Push] {
                    delays_no_other(kind, $room).await;
                }
            }
        )*
    };
}

policies! {
    while_its_newest_publications_are_dropped: "newest",
    while_its_oldest_publications_are_dropped: "lobby",
    while_its_publications_are_superseded: "latest",
    while_it_is_disconnected: "disconnect",
    while_it_catches_up: "log:slow",
    while_its_publications_are_paced: "paced",
}
