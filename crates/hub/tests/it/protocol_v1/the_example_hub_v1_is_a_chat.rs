//! The examples `hub_v1` and `hub_v1_client`.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../../examples/hub_v1.rs"]
mod hub_v1;

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../../examples/hub_v1_client.rs"]
mod hub_v1_client;

use sockeye_hub::client::{ClientEvent, HubClient};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[tokio::test]
async fn between_clients_in_the_same_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async { hub_v1::serve(listener).await.unwrap() });
    let (client, mut events) = HubClient::builder(&url).connect();
    client.join("lobby").await.unwrap();
    assert_eq!(client.rpc("rooms", "").await.unwrap(), r#"["lobby"]"#);

    let (typed, lines) = mpsc::channel(1);
    typed.send("hello".into()).await.unwrap();
    drop(typed);
    hub_v1_client::chat(&url, "lobby", "ada", lines).await.unwrap();
    loop {
        let event = events.next().await.expect("the client is open");
        if let ClientEvent::Publication { publication, .. } = event {
            assert_eq!(publication.message.to_string(), r#"{"name":"ada","text":"hello"}"#);
            break;
        }
    }
}
