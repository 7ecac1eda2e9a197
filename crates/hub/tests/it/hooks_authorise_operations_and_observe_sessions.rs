use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, Config};
use sockeye_hub::core::UserId;
use sockeye_hub::{Denied, Disconnect, Hub, HubError, SessionOptions};

use crate::support::{hub, line, pair};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Returns a hub of named sessions that logs all hooks, and which only `ada` may use fully.
fn logged(log: &Log) -> Hub<&'static str> {
    let logs: [Log; 5] = std::array::from_fn(|_| log.clone());
    let [connected, received, sent, failed, ended] = logs;
    hub::<&'static str>()
        .on_connect(move |session| connected.add(format!("{} connected", session.state())))
        .on_message(move |session, message| {
            received.add(format!("{} received {message}", session.state()));
        })
        .on_sent(move |session, message| sent.add(format!("{} sent {message}", session.state())))
        .on_error(move |session, error| failed.add(format!("{}: {error}", session.state())))
        .on_disconnect(move |session, reason| {
            let reason = match reason {
                Disconnect::Client(frame) => format!("by the client: {frame:?}"),
                Disconnect::Server(frame) => format!("by the server: {}", frame.reason),
                Disconnect::Failed(_) => "failed".into(),
                _ => "dropped".into(),
            };
            ended.add(format!("{} {reason}", session.state()));
        })
        .authorize_join(async |session, room| {
            let is_open = room.as_str() == "lobby" || *session.state() == "ada";
            if is_open { Ok(()) } else { Err(Denied::new("members only")) }
        })
        .authorize_publish(async |session, _, _| {
            if *session.state() == "ada" { Ok(()) } else { Err(Denied::new("read only")) }
        })
        .build()
}

#[tokio::test]
async fn in_the_course_of_a_session() {
    let log = Log::default();
    let hub = logged(&log);
    let (mut client, server) = pair().await;
    let options = SessionOptions::new().user(UserId::new("ada"));
    let mut session = hub.connect_with(server, "ada", options);
    assert_eq!(session.user(), Some(&UserId::new("ada")));
    client.send("hello").await.unwrap();
    assert_eq!(session.recv().await.unwrap(), Some("hello".into()));
    session.send("welcome").await.unwrap();
    assert_eq!(line(&mut client).await, "welcome");
    session.join("secret").await.unwrap();
    session.publish("secret", "psst").await.unwrap();
    assert_eq!(line(&mut client).await, "secret joined -");
    assert_eq!(line(&mut client).await, "secret - psst");
    let (closed, ended) = tokio::join!(client.close(4000, "bye"), session.recv());
    closed.unwrap();
    assert_eq!(ended.unwrap(), None);
    assert!(session.is_closed());
    assert_eq!(hub.session_count(), 0);
    assert!(hub.sessions_of(&UserId::new("ada")).is_empty());
    assert!(hub.room("secret").sessions().unwrap().is_empty());
    let log = log.take();
    assert_eq!(log[..3], ["ada connected", "ada received hello", "ada sent welcome"]);
    assert_eq!(log.len(), 4, "{log:?}");
    assert!(log[3].starts_with("ada by the client") && log[3].contains("bye"), "{log:?}");
    assert!(matches!(session.join("lobby").await, Err(HubError::Closed)));
    assert!(matches!(session.send("late").await, Err(HubError::Closed)));
}

#[tokio::test]
async fn when_a_client_answers_a_ping() {
    let log = Log::default();
    let pongs = log.clone();
    let hub: Hub<&str> =
        hub().on_pong(move |session, _| pongs.add(format!("{} answered", session.state()))).build();
    let (mut client, server) = pair().await;
    let mut session = hub.connect(server, "ada");
    let handle = session.handle();
    tokio::spawn(async move { while let Ok(Some(_)) = client.recv().await {} });
    let receiving = tokio::spawn(async move { while let Ok(Some(_)) = session.recv().await {} });
    handle.ping().await.unwrap();
    assert_eq!(log.take(), ["ada answered"]);
    receiving.abort();

    // The keepalive's pings as well.
    let (near, far) = tokio::io::duplex(1024);
    let config = Config::new().ping_after(Some(Duration::from_millis(5)));
    let server = Upgrader::new().options(Options::new().config(config));
    let client = Client::new("ws://localhost/");
    let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
    let (mut client, mut session) = (client.unwrap(), hub.connect(server.unwrap(), "bob"));
    tokio::spawn(async move { while let Ok(Some(_)) = client.recv().await {} });
    let receiving = tokio::spawn(async move { while let Ok(Some(_)) = session.recv().await {} });
    let mut lines = log.take();
    while lines.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        lines = log.take();
    }
    assert_eq!(lines[0], "bob answered");
    receiving.abort();
}

#[tokio::test]
async fn and_refuse_what_a_session_may_not() {
    let hub = logged(&Log::default());
    let (_client, server) = pair().await;
    let session = hub.connect(server, "eve");
    let denied = session.join("secret").await;
    assert!(matches!(denied, Err(HubError::Denied(denied)) if &*denied.reason == "members only"));
    session.join("lobby").await.unwrap();
    assert!(matches!(session.publish("lobby", "x").await, Err(HubError::Denied(_))));
    assert_eq!(session.rooms().len(), 1);
}

#[tokio::test]
async fn when_a_session_is_dropped_closed_or_lost() {
    let log = Log::default();
    let hub = logged(&log);
    let (client, server) = pair().await;
    drop(hub.connect(server, "dropped"));
    assert_eq!(log.take(), ["dropped connected", "dropped dropped"]);
    drop(client);

    let (mut client, server) = pair().await;
    let mut session = hub.connect(server, "kicked");
    assert!(session.close(4001, "go away").unwrap());
    assert!(!session.close(4002, "again").unwrap());
    let (received, ended) = tokio::join!(client.recv(), session.recv());
    assert_eq!((received.unwrap(), ended.unwrap()), (None, None));
    assert_eq!(log.take()[1], "kicked by the server: go away");

    let (client, server) = pair().await;
    let mut session = hub.connect(server, "lost");
    drop(client);
    assert!(session.recv().await.is_err());
    let log = log.take();
    assert!(log[1].starts_with("lost: "), "{log:?}");
    assert_eq!(log[2..], ["lost failed"]);
}
