//! The scenarios, and what becomes of a channel whose server dies, in a browser.
//!
//! The server is the example `browser_peer`, whose addresses are given when the tests are compiled: see `ci/web.sh`.

use std::time::Duration;

use sockeye::{Client, WebSocket};
use sockeye_grpc::{Backoff, Channel, Endpoint};
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::trial_client::TrialClient;
use sockeye_grpc_testing::proto::{HelloRequest, Nothing};
use tonic::Code;
use wasm_bindgen_test::wasm_bindgen_test;

/// The URLs of the service, of the same behind a relay, and of what cuts that relay.
const PEER: Option<&str> = option_env!("SOCKEYE_GRPC_TEST_PEER");

fn url(number: usize) -> &'static str {
    let urls = PEER.expect("the tests are compiled with the URLs of their server: run ci/web.sh");
    urls.split(' ').nth(number).expect("three URLs")
}

macro_rules! in_browser {
    ($module:ident::$name:ident) => {
        #[wasm_bindgen_test]
        async fn $name() {
            let channel = sockeye_grpc::connect(url(0)).await.expect("a connection");
            sockeye_grpc_testing::scenarios::$module::$name(&channel).await;
        }
    };
}

sockeye_grpc_testing::for_each_scenario!(in_browser);

async fn hello(channel: &Channel) -> Result<String, tonic::Status> {
    let request = HelloRequest { name: "Ada".into() };
    let reply = GreeterClient::new(channel.clone()).say_hello(request).await?;
    Ok(reply.into_inner().message)
}

async fn tell(control: &mut WebSocket, what: &str) {
    control.send(what).await.expect("a server that listens");
    assert!(control.recv().await.expect("an answer").is_some());
}

#[wasm_bindgen_test]
async fn a_server_that_dies_and_returns_is_connected_again() {
    let mut control = sockeye::connect(url(2)).await.expect("a connection");
    let no_pause = Backoff::new().base(Duration::ZERO);
    let endpoint = Endpoint::new(Client::new(url(1))).backoff(no_pause);
    let channel = endpoint.connect().await.expect("a connection");
    let stalled = TrialClient::new(channel.clone()).stall(Nothing {}).await.expect("a stream");
    let mut stalled = stalled.into_inner();
    assert!(stalled.message().await.expect("a message").is_some());

    tell(&mut control, "die").await;
    let status = stalled.message().await.expect_err("the connection is lost");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let status = hello(&channel).await.expect_err("nobody listens");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");

    tell(&mut control, "live").await;
    assert_eq!(hello(&channel).await.expect("a reply"), "Hello Ada!");
}
