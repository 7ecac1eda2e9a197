use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sockeye_hub::router::codec::Packets;
use sockeye_hub::router::{Context, EncodeError, Json, PushError, Router, State, Text, Writer};

use crate::router::connection::connect;

#[derive(Clone, Default)]
struct Chat {
    members: Arc<Mutex<Vec<Writer>>>,
}

async fn join(State(chat): State<Chat>, writer: Writer) {
    chat.members.lock().unwrap().push(writer);
}

async fn say(State(chat): State<Chat>, Text(line): Text) -> Json<usize> {
    let mut members = chat.members.lock().unwrap();
    members.retain(|member| member.try_push("said", &*line).is_ok());
    Json(members.len())
}

#[tokio::test]
async fn to_any_client_from_anywhere() {
    let router = Router::new(Chat::default()).on("join", join).on("say", say);
    let (mut ada, mut bob) = (connect(&router).await, connect(&router).await);
    for member in [&mut ada, &mut bob] {
        member.expect(r#"{"id":1,"cmd":"join"}"#, r#"{"id":1,"data":null}"#).await;
    }
    ada.expect(r#"{"id":2,"cmd":"say","data":"hi"}"#, r#"{"event":"said","data":"hi"}"#).await;
    assert_eq!(ada.recv().await, r#"{"id":2,"data":2}"#);
    assert_eq!(bob.recv().await, r#"{"event":"said","data":"hi"}"#);
    assert_eq!(ada.writer, ada.writer.clone());
    assert_ne!(ada.writer, bob.writer);
    bob.close().await;
    ada.expect(r#"{"id":3,"cmd":"say","data":"bye"}"#, r#"{"event":"said","data":"bye"}"#).await;
    assert_eq!(ada.recv().await, r#"{"id":3,"data":1}"#, "who has left is forgotten");
}

#[tokio::test]
async fn before_the_reply_that_follows_them() {
    let router = Router::new(()).on("count", async |context: Context| {
        for number in 1..=3 {
            context.push("counted", Json(number)).await?;
            tokio::task::yield_now().await;
        }
        Ok::<_, sockeye_hub::router::Failure>("done")
    });
    let mut connected = connect(&router).await;
    connected.send(r#"{"id":1,"cmd":"count"}"#).await;
    for number in 1..=3 {
        assert_eq!(connected.recv().await, *format!(r#"{{"event":"counted","data":{number}}}"#));
    }
    assert_eq!(connected.recv().await, r#"{"id":1,"data":"done"}"#);
}

#[tokio::test]
async fn without_any_command() {
    let mut connected = connect(&Router::new(())).await;
    connected.writer.push("hello", "you").await.unwrap();
    assert_eq!(connected.recv().await, r#"{"event":"hello","data":"you"}"#);
}

#[tokio::test]
async fn unless_they_have_no_encoding() {
    let connected = connect(&Router::new(())).await;
    let keys = Json(HashMap::from([((1, 2), 3)]));
    let error = connected.writer.push("keys", keys).await.unwrap_err();
    assert!(matches!(error, PushError::Encode(EncodeError::Json(_))), "{error:?}");

    let connected = connect(&Router::new(()).codec(Packets::new())).await;
    let error = connected.writer.try_push("named", ()).unwrap_err();
    assert!(matches!(error, PushError::Encode(EncodeError::NotANumber(_))), "{error:?}");
    assert!(!connected.writer.is_closed());
}

#[tokio::test]
async fn until_the_client_has_left_or_does_not_keep_up() {
    let connected = connect(&Router::new(()).send_capacity(10_000)).await;
    let writer = connected.writer.clone();
    let (mut queued, block) = (0, "x".repeat(1000));
    let error = loop {
        match writer.try_push("block", &*block) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
        assert!(queued < 1000);
        tokio::task::yield_now().await;
    };
    assert!(matches!(error, PushError::Full), "{error:?}");
    connected.close().await;
    writer.closed().await;
    for error in [writer.push("late", ()).await, writer.try_push("late", ())] {
        assert!(matches!(error, Err(PushError::Closed(_))), "{error:?}");
    }
}
