use std::time::Duration;

use futures_util::FutureExt;
use sockeye_proto::handshake::RequestError;
use sockeye_web::{Client, ConnectError};
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, answer};

#[wasm_bindgen_test]
async fn what_is_no_url_is_refused_before_anything_is_sent() {
    let error = sockeye_web::connect("https://example.com/").await.unwrap_err();
    let scheme = "https".to_owned();
    assert_eq!(error, ConnectError::Request(RequestError::Scheme { scheme }));
    let error = Client::new("ws://a/").subprotocols(["not a token"]).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Request(RequestError::Subprotocol(_))));
}

#[wasm_bindgen_test]
async fn a_refused_connection_and_a_refused_upgrade_look_alike() {
    let port = answer("/unused_port").await;
    for kind in KINDS {
        let client = Client::new(format!("ws://127.0.0.1:{port}/"))
            .websocket_stream(kind == super::peer::Kind::Streams);
        assert_eq!(client.connect().await.unwrap_err(), ConnectError::Failed);
        let refused = kind.client("/refuse").connect().await.unwrap_err();
        assert_eq!(refused, ConnectError::Failed);
    }
}

#[wasm_bindgen_test]
async fn a_handshake_that_never_ends_times_out() {
    for kind in KINDS {
        let after = Duration::from_millis(100);
        let error = kind.client("/stall").connect_timeout(after).connect().await.unwrap_err();
        assert_eq!(error, ConnectError::TimedOut { after });
    }
}

#[wasm_bindgen_test]
async fn a_connect_may_be_dropped() {
    for kind in KINDS {
        let client = kind.client("/stall");
        let mut connecting = Box::pin(client.connect());
        assert!(connecting.as_mut().now_or_never().is_none());
        drop(connecting);
        kind.connect("/echo").await;
    }
}
