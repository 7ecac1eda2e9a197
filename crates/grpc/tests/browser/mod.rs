//! The scenarios, and a channel whose server dies, in a browser.
//!
//! The server is the example `browser_peer`, and the gateway before such a server the example
//! `tunnel_peer` of sockeye-gateway. Their addresses are given at compile time: see `ci/web.sh`.

use std::future::poll_fn;
use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream;
use js_sys::{Date, Function, Promise, Reflect};
use sockeye::reconnect::Reconnecting;
use sockeye::resume::{ResumableStream, SUBPROTOCOL};
use sockeye::{Client, WebSocket};
use sockeye_grpc::{Backoff, Channel, Endpoint};
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::proto::{Empty, HelloRequest};
use tokio::sync::mpsc;
#[cfg(feature = "tls")]
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use tonic::Code;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

/// The URLs of the service, of the same service behind a relay, of the control WebSocket of the
/// relay, and of the service with TLS inside, and the certificate of the latter.
const PEER: Option<&str> = option_env!("SOCKEYE_GRPC_TEST_PEER");

fn peer(number: usize) -> &'static str {
    let words = PEER.expect("the tests are compiled with the URLs of their server: run ci/web.sh");
    words.split(' ').nth(number).expect("four URLs and a certificate")
}

macro_rules! in_browser {
    ($module:ident::$name:ident) => {
        #[wasm_bindgen_test]
        async fn $name() {
            let channel = sockeye_grpc::connect(peer(0)).await.expect("a connection");
            sockeye_grpc_testing::scenarios::$module::$name(&channel).await;
        }
    };
}

sockeye_grpc_testing::for_each_scenario!(in_browser);

/// The same scenarios through the tunnel of a gateway.
mod through_a_gateway {
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The URL of the tunnel of the example `tunnel_peer` of sockeye-gateway.
    const TUNNEL: Option<&str> = option_env!("SOCKEYE_GRPC_TEST_TUNNEL");

    macro_rules! in_browser {
        ($module:ident::$name:ident) => {
            #[wasm_bindgen_test]
            async fn $name() {
                let url = TUNNEL.expect("the tests are compiled with this URL: run ci/web.sh");
                let channel = sockeye_grpc::connect(url).await.expect("a connection");
                sockeye_grpc_testing::scenarios::$module::$name(&channel).await;
            }
        };
    }

    sockeye_grpc_testing::for_each_scenario!(in_browser);
}

async fn hello(channel: &Channel) -> Result<String, tonic::Status> {
    let request = HelloRequest { name: "Ada".into() };
    let reply = GreeterClient::new(channel.clone()).say_hello(request).await?;
    Ok(reply.into_inner().message)
}

async fn send_command(control: &mut WebSocket, command: &str) {
    control.send(command).await.expect("a server that listens");
    assert!(control.recv().await.expect("an answer").is_some());
}

#[wasm_bindgen_test]
async fn a_server_that_dies_and_returns_is_connected_again() {
    let mut control = sockeye::connect(peer(2)).await.expect("a connection");
    let no_delay = Backoff::new().base(Duration::ZERO);
    let endpoint = Endpoint::new(Client::new(peer(1))).backoff(no_delay);
    let channel = endpoint.connect().await.expect("a connection");
    let stalled = TestServiceClient::new(channel.clone()).stall(Empty {}).await.expect("a stream");
    let mut stalled = stalled.into_inner();
    assert!(stalled.message().await.expect("a message").is_some());

    send_command(&mut control, "die").await;
    let status = stalled.message().await.expect_err("the connection is lost");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let status = hello(&channel).await.expect_err("nobody listens");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");

    send_command(&mut control, "live").await;
    assert_eq!(hello(&channel).await.expect("a reply"), "Hello Ada!");
}

/// Returns an endpoint whose connections outlive their WebSocket.
fn resumable(url: &'static str) -> Endpoint {
    Endpoint::with_connector(move || async move {
        let backoff = Backoff::new().base(Duration::from_millis(10));
        let backoff = backoff.cap(Duration::from_millis(50)).max_attempts(Some(1000));
        let client = Client::new(url).subprotocols([SUBPROTOCOL]);
        let stream = ResumableStream::connect(Reconnecting::new(client).backoff(backoff)).await;
        stream.map_err(io::Error::from)
    })
}

#[wasm_bindgen_test]
async fn calls_survive_the_loss_of_a_resumable_websocket() {
    let mut control = sockeye::connect(peer(2)).await.expect("a connection");
    let channel = resumable(peer(1)).connect().await.expect("a connection");
    let (names, mut requests) = mpsc::unbounded_channel();
    let requests = stream::poll_fn(move |cx| requests.poll_recv(cx));
    let chat = GreeterClient::new(channel.clone()).chat(requests).await.expect("a stream");
    let mut replies = chat.into_inner();
    for round in 0..5 {
        let name = format!("Ada {round}");
        names.send(HelloRequest { name: name.clone() }).expect("an open call");
        let reply = replies.message().await.expect("a reply").expect("no end");
        assert_eq!(reply.message, format!("Hello {name}!"));

        send_command(&mut control, "die").await;
        // Both calls wait for a WebSocket.
        names.send(HelloRequest { name: "Grace".into() }).expect("an open call");
        let hello = hello(&channel);
        let reply = async {
            send_command(&mut control, "live").await;
            replies.message().await.expect("a reply").expect("no end").message
        };
        let (hello, reply) = join(hello, reply).await;
        assert_eq!(hello.expect("a reply"), "Hello Ada!");
        assert_eq!(reply, "Hello Grace!");
    }
    drop(names);
    assert!(replies.message().await.expect("an end").is_none());
}

#[wasm_bindgen_test]
async fn all_kinds_of_calls_pass_through_a_resumable_stream() {
    let channel = resumable(peer(0)).connect().await.expect("a connection");
    sockeye_grpc_testing::scenarios::calls::all_four_kinds_are_answered(&channel).await;
    sockeye_grpc_testing::scenarios::load::sixty_four_calls_run_at_once(&channel).await;
    sockeye_grpc_testing::scenarios::load::a_long_message_is_carried_both_ways(&channel).await;
}

#[cfg(feature = "tls")]
fn tls(roots: RootCertStore) -> Endpoint {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Endpoint::new(Client::new(peer(3))).tls(Arc::new(config))
}

#[cfg(feature = "tls")]
#[wasm_bindgen_test]
async fn tls_inside_the_websocket_carries_calls() {
    let hex = peer(4).as_bytes().chunks(2).map(|two| str::from_utf8(two).expect("hexadecimal"));
    let der: Vec<u8> = hex.map(|two| u8::from_str_radix(two, 16).expect("hexadecimal")).collect();
    let mut roots = RootCertStore::empty();
    roots.add(der.into()).expect("a certificate");
    let channel = tls(roots).connect().await.expect("a connection");
    sockeye_grpc_testing::scenarios::calls::all_four_kinds_are_answered(&channel).await;
    sockeye_grpc_testing::scenarios::load::sixty_four_calls_run_at_once(&channel).await;
    sockeye_grpc_testing::scenarios::load::a_long_message_is_carried_both_ways(&channel).await;
}

#[cfg(feature = "tls")]
#[wasm_bindgen_test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let error = tls(RootCertStore::empty()).connect().await.expect_err("nobody is trusted");
    assert!(matches!(error, sockeye_grpc::ConnectError::Tls(_)), "{error:?}");
}

/// Yields to the page for this many milliseconds.
async fn turn(millis: u32) {
    let promise = Promise::new(&mut |resolve, _| {
        let set_timeout = Reflect::get(&js_sys::global(), &"setTimeout".into());
        let set_timeout: Function = set_timeout.expect("a timer").unchecked_into();
        set_timeout.call2(&JsValue::UNDEFINED, &resolve, &millis.into()).expect("a timer");
    });
    JsFuture::from(promise).await.expect("a turn");
}

/// The page is busy until the deadline has passed for the server as well, whose response about it
/// then waits beside the timer of the page.
#[wasm_bindgen_test]
async fn a_busy_page_sees_its_own_deadline_and_not_the_servers() {
    let channel = sockeye_grpc::connect(peer(0)).await.expect("a connection");
    for _ in 0..20 {
        let mut test_service = TestServiceClient::new(channel.clone());
        let mut request = tonic::Request::new(Empty {});
        request.set_timeout(Duration::from_millis(50));
        let mut call = Box::pin(test_service.hang(request));
        let first = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        // The request is sent meanwhile.
        turn(5).await;
        let begin = Date::now();
        while Date::now() < begin + 100.0 {}
        let status = call.await.expect_err("no answer");
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
}
