use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, StatusCode};
use prost::Message as _;
use sockeye::MemoryBudget;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::sockets::serve;
use crate::support::raw_upstream::{RawUpstream, begin, end, framed, read_messages, until_reset};
use crate::support::{LIMIT, Pieces, ServedGateway, message};

const MIB: usize = 1024 * 1024;
const UNARY: &str = "/sockeye.gateway.testing.Echo/Unary";

/// The bytes that a budget may hold while those who hold the most are notified.
fn bound(budget: &MemoryBudget) -> usize {
    budget.limit() / 4 * 5
}

/// Starts an upstream whose method `Unary` answers with a mebibyte, and a gateway with a budget.
async fn large_answers(budget: &MemoryBudget) -> (RawUpstream, ServedGateway) {
    let server = RawUpstream::start(|request, mut response| async move {
        let is_large = request.uri().path() == UNARY;
        read_messages(&mut request.into_body()).await;
        let text = if is_large { "x".repeat(MIB) } else { "small".to_owned() };
        let mut stream = begin(&mut response);
        let _ = stream.send_data(framed(&message(&text).encode_to_vec()), false);
        end(&mut stream, 0);
    })
    .await;
    let builder = server.builder("echo.proto").memory_budget(budget.clone());
    let gateway = ServedGateway::start(builder.build()).await;
    (server, gateway)
}

/// Opens a connection of HTTP/2 whose windows let 64 KiB through, as nothing is read.
async fn connect(gateway: &ServedGateway) -> SendRequest<Bytes> {
    let address: SocketAddr = gateway.url().strip_prefix("http://").unwrap().parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a unary call in one of three dialects.
async fn call(sender: &mut SendRequest<Bytes>, number: usize, url: &str) -> ResponseFuture {
    let (path, content_type, body) = match number % 3 {
        0 => ("/v1/echo", "application/json", "{}"),
        1 => (UNARY, "application/json", "{}"),
        _ => (UNARY, "application/proto", ""),
    };
    let request = Request::post(format!("{url}{path}"))
        .header("content-type", content_type)
        .header("connect-protocol-version", "1")
        .body(());
    poll_fn(|cx| sender.poll_ready(cx)).await.unwrap();
    let (response, mut stream) = sender.send_request(request.unwrap(), false).unwrap();
    stream.send_data(body.into(), true).unwrap();
    response
}

/// Waits until nothing is held.
async fn released(budget: &MemoryBudget) {
    let released = async {
        while budget.held() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, released).await.unwrap_or_else(|_| panic!("{budget:?}"));
}

#[tokio::test]
async fn clients_that_never_read_hold_no_more_than_the_budget() {
    let budget = MemoryBudget::new(8 * MIB);
    let (_server, gateway) = large_answers(&budget).await;
    let mut sender = connect(&gateway).await;
    let mut unread = Vec::new();
    for number in 0..40 {
        let response = call(&mut sender, number, &gateway.url()).await;
        let response = timeout(LIMIT, response).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{number}");
        assert!(budget.held() <= bound(&budget), "{number}: {budget:?}");
        unread.push(response);
    }
    assert!(budget.closed() >= 30, "{budget:?}");
    // Others are answered whole, also with as much as those hold that do not read.
    for _ in 0..3 {
        let fetched = gateway.post("/v1/echo", "{}").await;
        assert_eq!((fetched.status, fetched.json()["text"].as_str().unwrap().len()), (200, MIB));
        assert!(budget.held() <= bound(&budget), "{budget:?}");
    }
    drop((unread, sender));
    gateway.idle().await;
    released(&budget).await;
}

#[tokio::test]
async fn an_answer_beyond_the_budget_is_refused_in_each_dialect() {
    let budget = MemoryBudget::new(MIB / 2);
    let (_server, gateway) = large_answers(&budget).await;
    let mut sender = connect(&gateway).await;
    for (number, code) in [(0, "8"), (1, "\"resource_exhausted\""), (2, "\"resource_exhausted\"")] {
        let response = call(&mut sender, number, &gateway.url()).await;
        let response = timeout(LIMIT, response).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{number}");
        let body = response.into_body().data().await.unwrap().unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.starts_with(&format!("{{\"code\":{code}")), "{body}");
        assert!(body.contains("no memory"), "{body}");
    }
    gateway.idle().await;
    released(&budget).await;
}

#[tokio::test]
async fn requests_that_do_not_arrive_hold_no_more_than_the_budget() {
    let budget = MemoryBudget::new(4 * MIB);
    let (server, gateway) = serve(|builder| builder.memory_budget(budget.clone())).await;
    let gateway = Arc::new(gateway);
    let mut sending = JoinSet::new();
    for number in 0..8 {
        let (path, content_type) = match number % 2 {
            0 => ("/v1/echo", "application/json"),
            _ => (UNARY, "application/proto"),
        };
        let request = Request::post(path).header("content-type", content_type);
        let pieces = vec![vec![b' '; MIB / 16]; 16];
        let request = request.body(Pieces::new(pieces).endless()).unwrap();
        let gateway = Arc::clone(&gateway);
        sending.spawn(async move { gateway.send(request).await });
    }
    for _ in 0..3 {
        let refused = timeout(LIMIT, sending.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(budget.held() <= bound(&budget), "{budget:?}");
    }
    assert_eq!(gateway.get("/v1/echo/x").await.json()["text"], "x");
    drop(sending);
    gateway.idle().await;
    released(&budget).await;
    assert_eq!(server.echo.calls(), 1);
}

#[tokio::test]
async fn streams_of_requests_that_stop_within_a_message_are_charged() {
    let budget = MemoryBudget::new(4 * MIB);
    let (_server, gateway) = serve(|builder| builder.memory_budget(budget.clone())).await;
    let gateway = Arc::new(gateway);
    let mut sending = JoinSet::new();
    for _ in 0..8 {
        let request = Request::post("/v1/collect").header("content-type", "application/json");
        let mut pieces = vec![vec![b'x'; MIB / 16]; 16];
        pieces.insert(0, b"{\"text\":\"".to_vec());
        let request = request.body(Pieces::new(pieces).endless()).unwrap();
        let gateway = Arc::clone(&gateway);
        sending.spawn(async move { gateway.send(request).await });
    }
    for _ in 0..3 {
        let refused = timeout(LIMIT, sending.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    }
    drop(sending);
    gateway.idle().await;
    released(&budget).await;
}

#[tokio::test]
async fn answers_that_the_upstream_does_not_end_are_charged() {
    let server = RawUpstream::start(|request, mut response| async move {
        read_messages(&mut request.into_body()).await;
        let mut stream = begin(&mut response);
        // Half of a message.
        let begun = framed(&message(&"x".repeat(2 * MIB)).encode_to_vec()).slice(..MIB);
        let _ = stream.send_data(begun, false);
        until_reset(&mut stream).await;
    })
    .await;
    let budget = MemoryBudget::new(4 * MIB);
    let builder = server.builder("echo.proto").memory_budget(budget.clone());
    let gateway = ServedGateway::start(builder.build()).await;
    let mut sender = connect(&gateway).await;
    let mut answers = JoinSet::new();
    for number in 0..8 {
        answers.spawn(call(&mut sender, number, &gateway.url()).await);
    }
    for _ in 0..3 {
        let refused = timeout(LIMIT, answers.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(budget.held() <= bound(&budget), "{budget:?}");
    }
    drop((answers, sender));
    gateway.idle().await;
    released(&budget).await;
}
