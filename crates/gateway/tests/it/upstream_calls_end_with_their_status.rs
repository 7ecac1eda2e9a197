use std::time::Duration;

use sockeye_gateway::upstream::{CallOptions, Upstream};
use sockeye_gateway_testing::proto::{EchoMessage, Failure};
use sockeye_gateway_testing::{Proxy, Server};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt as _;
use tonic::Code;

use crate::support::{LIMIT, client, config, message, upstream, wait_for};

#[tokio::test]
async fn all_four_kinds_of_calls_pass() {
    let server = Server::start().await;
    let mut client = client(&upstream(&server.url()));
    let reply = client.unary(message("one")).await.unwrap().into_inner();
    assert_eq!(reply.text, "one");
    let request = EchoMessage { number: 3, ..message("many") };
    let replies = client.repeat(request).await.unwrap().into_inner();
    let numbers: Vec<_> = replies.map(|reply| reply.unwrap().number).collect().await;
    assert_eq!(numbers, [0, 1, 2]);
    let texts = || tokio_stream::iter(["a", "b"].map(message));
    let all = client.collect(texts()).await.unwrap().into_inner();
    assert_eq!((all.text.as_str(), all.number), ("ab", 2));
    let replies = client.chat(texts()).await.unwrap().into_inner();
    let texts: Vec<_> = replies.map(|reply| reply.unwrap().text).collect().await;
    assert_eq!(texts, ["a", "b"]);
}

#[tokio::test]
async fn the_servers_status_and_metadata_arrive() {
    let server = Server::start().await;
    let mut client = client(&upstream(&server.url()));
    let failure = Failure { code: 9, message: "not now".to_owned(), ..Failure::default() };
    let status = client.fail_unary(failure).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not now"));
    assert_eq!(status.metadata().get("x-failure").unwrap(), "yes");
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_at_the_server() {
    let server = Server::start().await;
    let upstream = upstream(&server.url());
    let mut replies = client(&upstream).stall(message("")).await.unwrap().into_inner();
    replies.message().await.unwrap();
    assert_eq!(upstream.pending_calls(), 1);
    drop(replies);
    wait_for(server.echo.in_progress(), 0).await;
    assert_eq!(upstream.pending_calls(), 0);
    // Before the head of a response as well.
    let mut waiting = client(&upstream);
    let call = tokio::spawn(async move {
        waiting.wait(EchoMessage { number: 60_000, ..EchoMessage::default() }).await
    });
    wait_for(server.echo.in_progress(), 1).await;
    call.abort();
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn a_deadline_is_enforced_whatever_the_server_does() {
    // A server that accepts connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(&format!("http://{}", listener.local_addr().unwrap()));
    let options = CallOptions {
        deadline: Some(Instant::now() + Duration::from_millis(50)),
        ..CallOptions::default()
    };
    let request = http::Request::post("/pkg.Service/Method").body(tonic::body::Body::empty());
    let called = timeout(LIMIT, Upstream::call(&upstream, request.unwrap(), options)).await;
    assert_eq!(called.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn calls_beyond_the_limits_wait_or_fail() {
    let server = Server::start().await;
    let config = config(&server.url()).max_calls(1).max_waiting_calls(1);
    let upstream = Upstream::new(config.max_wait(LIMIT)).unwrap();
    let first = client(&upstream).stall(message("")).await.unwrap();
    let mut second_client = client(&upstream);
    let second = tokio::spawn(async move { second_client.unary(message("second")).await });
    // The second call waits; there is no event for that.
    while upstream.waiting_calls() == 0 {
        tokio::task::yield_now().await;
    }
    let third = client(&upstream).unary(message("third")).await.unwrap_err();
    assert_eq!(third.code(), Code::Unavailable);
    drop(first);
    let second = timeout(LIMIT, second).await.unwrap().unwrap().unwrap();
    assert_eq!(second.into_inner().text, "second");
}

#[tokio::test]
async fn an_upstream_that_dies_ends_its_calls_and_is_used_again_once_it_is_back() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let upstream = upstream(&proxy.url());
    let mut client = client(&upstream);
    let mut replies = client.stall(message("")).await.unwrap().into_inner();
    replies.message().await.unwrap();
    proxy.set_refusing(true);
    proxy.cut();
    let status = timeout(LIMIT, replies.message()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let status = timeout(LIMIT, client.unary(message(""))).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    proxy.set_refusing(false);
    let back = async {
        while client.unary(message("back")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, back).await.unwrap();
    assert_eq!(upstream.pending_calls(), 0);
}
