use std::sync::{Arc, Mutex};

use sockeye_hub::{Hub, SessionHandle};

use crate::support::{connect, hub, lines};

/// The slot of a session is given to the next one, before its disconnect hook is called.
#[tokio::test]
async fn its_handle_does_not_act_on_the_next_session() {
    let kept: Arc<Mutex<Option<SessionHandle<()>>>> = Arc::default();
    let store = kept.clone();
    let hub: Hub = hub()
        .on_disconnect(move |session, _| *store.lock().unwrap() = Some(session.clone()))
        .build();
    let (client, mut first) = connect(&hub).await;
    first.join("lobby").await.unwrap();
    drop(client);
    assert!(first.recv().await.is_err());
    drop(first);
    let (mut client, second) = connect(&hub).await;
    second.join("lobby").await.unwrap();
    let first = kept.lock().unwrap().take().unwrap();
    assert_eq!(first.rooms(), []);
    assert!(!first.leave("lobby").unwrap());
    hub.room("lobby").publish("hello").await.unwrap();
    assert_eq!(lines(&mut client, 2).await, ["lobby joined -", "lobby - hello"]);
}
