//! npm `@moq/qmux`, as a server and as a client.

use serde_json::json;
use sockeye::mux::{Config, SUBPROTOCOL, Session};
use sockeye::upgrade::Options;
use sockeye::{Client, Server};
use tokio::sync::mpsc;

use super::{assert_done, echo, talk};
use crate::foreign::{Peer, within_deadline};

#[tokio::test(flavor = "multi_thread")]
async fn our_client_talks_to_their_server() {
    let Some(mut peer) = Peer::start("qmux.cjs") else { return };
    within_deadline(async {
        let port = peer.ask(&json!({ "serve": true })).await["port"].as_u64().unwrap();
        let client = Client::new(format!("ws://127.0.0.1:{port}/")).subprotocols([SUBPROTOCOL]);
        let session = Session::client(client.connect().await.unwrap(), Config::new());
        talk(&session).await;
        let closed = peer.closed(port).await;
        assert_eq!((&closed["code"], &closed["reason"]), (&json!(7), &json!("done")), "{closed}");
        peer.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn their_client_talks_to_our_server() {
    let Some(mut peer) = Peer::start("qmux.cjs") else { return };
    within_deadline(async {
        let (ends, mut ended) = mpsc::channel(1);
        let options = Options::new().subprotocols([SUBPROTOCOL]);
        let server = Server::bind("127.0.0.1:0").await.unwrap().options(options);
        let url = format!("ws://{}/", server.local_addr().unwrap());
        tokio::spawn(server.serve(move |ws| {
            let ends = ends.clone();
            async move {
                let end = echo(Session::server(ws, Config::new())).await;
                ends.send(end).await.unwrap();
            }
        }));
        assert_eq!(peer.ask(&json!({ "connect": url })).await, json!({ "ok": true }));
        assert_done(&ended.recv().await.unwrap());
        peer.stop().await;
    })
    .await;
}
