use sockeye::WebSocket;
use sockeye_hub::bus::Local;
use sockeye_hub::core::UserId;
use sockeye_hub::{Hub, HubError, Recipients, Session, SessionHandle, SessionOptions};

use crate::support::{hub, line, nothing_more, pair};

/// Connects a client of this user to the hub.
async fn connect(hub: &Hub, user: &str) -> (WebSocket, Session) {
    let (client, server) = pair().await;
    let options = SessionOptions::new().user(UserId::new(user));
    (client, hub.connect_with(server, (), options))
}

fn nodes() -> [Hub; 2] {
    let bus = Local::new();
    let node = || {
        hub().bus(bus.clone()).selector("named", |session: &SessionHandle, name| {
            assert!(name != b"panic", "a test of panics");
            session.user().is_some_and(|user| user.as_str().as_bytes() == name)
        })
    };
    std::array::from_fn(|_| node().build())
}

#[tokio::test]
async fn messages_reach_sessions_by_id_by_user_and_by_broadcast() {
    let [first, second] = nodes();
    let (mut ada, ada_session) = connect(&first, "ada").await;
    let (mut ada_phone, ada_phone_session) = connect(&second, "ada").await;
    let (mut bob, bob_session) = connect(&second, "bob").await;

    first.broadcast("all").await.unwrap();
    for client in [&mut ada, &mut ada_phone, &mut bob] {
        assert_eq!(line(client).await, "all");
    }
    second.send_to(Recipients::AllExcept(bob_session.id()), "others").await.unwrap();
    for client in [&mut ada, &mut ada_phone] {
        assert_eq!(line(client).await, "others");
    }
    first.send_to(UserId::new("ada"), "to ada").await.unwrap();
    for client in [&mut ada, &mut ada_phone] {
        assert_eq!(line(client).await, "to ada");
    }
    first.send_to(bob_session.id(), "to bob").await.unwrap();
    assert_eq!(line(&mut bob).await, "to bob");
    let both = vec![ada_session.id(), bob_session.id()];
    second.send_to(both, "to two").await.unwrap();
    for client in [&mut ada, &mut bob] {
        assert_eq!(line(client).await, "to two");
    }
    let others = Recipients::UserExcept(UserId::new("ada"), ada_session.id());
    first.send_to(others, "to the phone").await.unwrap();
    assert_eq!(line(&mut ada_phone).await, "to the phone");
    for (name, text) in [("ada", "selected"), ("panic", "nobody"), ("bob", "selected")] {
        first.send_to(Recipients::selected("named", name), text).await.unwrap();
    }
    first.send_to(Recipients::selected("unknown", ""), "nobody").await.unwrap();
    for client in [&mut ada, &mut ada_phone, &mut bob] {
        assert_eq!(line(client).await, "selected");
    }
    let is_bob =
        |session: &SessionHandle| session.user().is_some_and(|user| user.as_str() == "bob");
    assert_eq!(second.send_where("to some", is_bob), 1);
    assert_eq!(line(&mut bob).await, "to some");
    nothing_more(&mut ada, &ada_session).await;
    nothing_more(&mut ada_phone, &ada_phone_session).await;
    assert!(second.session(ada_session.id()).is_none());
    assert_eq!(second.sessions_of(&UserId::new("ada")).len(), 1);
}

#[tokio::test]
async fn sessions_of_a_user_are_closed_with_code_and_reason() {
    let [first, second] = nodes();
    let (mut ada, mut ada_session) = connect(&first, "ada").await;
    let (mut ada_phone, mut ada_phone_session) = connect(&second, "ada").await;
    let (mut bob, bob_session) = connect(&second, "bob").await;
    first.close(UserId::new("ada"), 4003, "banned").await.unwrap();
    let (closed, ended) = tokio::join!(ada_phone.recv(), ada_phone_session.recv());
    assert_eq!((closed.unwrap(), ended.unwrap()), (None, None));
    let frame = ada_phone.close_frame().unwrap();
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4003, "banned"));
    let (closed, ended) = tokio::join!(ada.recv(), ada_session.recv());
    assert_eq!((closed.unwrap(), ended.unwrap()), (None, None));
    nothing_more(&mut bob, &bob_session).await;
    let refused = first.close(Recipients::All, 1005, "no").await;
    assert!(matches!(refused, Err(HubError::Usage(_))));
}

#[tokio::test]
async fn sessions_join_and_leave_by_user_and_by_id() {
    let [first, second] = nodes();
    let (mut ada, _ada_session) = connect(&first, "ada").await;
    let (mut ada_phone, ada_phone_session) = connect(&second, "ada").await;
    first.join(UserId::new("ada"), "news").await.unwrap();
    assert_eq!(line(&mut ada).await, "news joined -");
    assert_eq!(line(&mut ada_phone).await, "news joined -");
    second.room("news").publish("extra").await.unwrap();
    assert_eq!(line(&mut ada).await, "news - extra");
    assert_eq!(line(&mut ada_phone).await, "news - extra");
    first.leave(ada_phone_session.id(), "news").await.unwrap();
    while !ada_phone_session.rooms().is_empty() {
        tokio::task::yield_now().await;
    }
    first.room("news").publish("again").await.unwrap();
    assert_eq!(line(&mut ada).await, "news - again");
    nothing_more(&mut ada_phone, &ada_phone_session).await;
}

#[tokio::test]
async fn joins_and_leaves_are_applied_in_order() {
    let [first, second] = nodes();
    let (mut ada, ada_session) = connect(&second, "ada").await;
    first.join(ada_session.id(), "lobby").await.unwrap();
    first.leave(ada_session.id(), "lobby").await.unwrap();
    first.join(ada_session.id(), "hall").await.unwrap();
    while line(&mut ada).await != "hall joined -" {}
    assert_eq!(ada_session.rooms().iter().map(ToString::to_string).collect::<Vec<_>>(), ["hall"]);
}
