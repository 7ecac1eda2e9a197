use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use prost::Message as _;
use serde_json::{Value, json};
use sockeye_gateway::Gateway;
use sockeye_gateway_testing::proto::EchoMessage;
use sockeye_gateway_testing::{Proxy, Server};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::raw_upstream::{RawUpstream, begin, end, framed, read_messages, until_reset};
use crate::support::{
    LIMIT, Pieces, ServedGateway, client, message, next_data, upstream, wait_for,
};

const RPC: &str = "/sockeye.gateway.testing.Echo";

async fn before(server: &RawUpstream) -> ServedGateway {
    ServedGateway::start(server.builder("echo.proto").build()).await
}

/// Returns the code of a unary call in JSON over HTTP, Connect, grpc-web and gRPC.
async fn codes(gateway: &ServedGateway) -> [Value; 4] {
    let json = gateway.post("/v1/echo", "{}").await.json()["code"].clone();
    let request = |content_type: &str| {
        Request::post(format!("{RPC}/Unary"))
            .header("content-type", content_type)
            .header("connect-protocol-version", "1")
    };
    let connect = request("application/json").body("{}".to_owned()).unwrap();
    let connect = gateway.fetch(connect).await.json()["code"].clone();
    let web = request("application/grpc-web-text").body("AAAAAAA=".to_owned()).unwrap();
    let web = gateway.fetch(web).await;
    let web = match web.headers.get("grpc-status") {
        Some(code) => code.to_str().unwrap().parse::<u32>().unwrap(),
        None => panic!("no status: {web:?}"),
    };
    let status = client(&upstream(&gateway.url())).unary(message("")).await.unwrap_err();
    [json, connect, web.into(), i32::from(status.code()).into()]
}

#[tokio::test]
async fn answers_of_http_that_are_not_grpc_have_the_code_of_grpcs_table() {
    for (status, code, name) in [
        (404, 12, "unimplemented"),
        (401, 16, "unauthenticated"),
        (403, 7, "permission_denied"),
        (429, 14, "unavailable"),
        (502, 14, "unavailable"),
        (503, 14, "unavailable"),
        (200, 2, "unknown"),
        (500, 2, "unknown"),
    ] {
        let server = RawUpstream::start(move |_request, mut response| async move {
            let head = Response::builder()
                .status(StatusCode::from_u16(status).unwrap())
                .header("content-type", "text/html");
            let mut stream = response.send_response(head.body(()).unwrap(), false).unwrap();
            let _ = stream.send_data(Bytes::from_static(b"<html>go away</html>"), true);
        })
        .await;
        let gateway = before(&server).await;
        let expected = [json!(code), json!(name), json!(code), json!(code)];
        assert_eq!(codes(&gateway).await, expected, "{status}");
        gateway.idle().await;
    }
}

#[tokio::test]
async fn a_reset_before_the_response_is_an_error_of_each_dialect() {
    let server = RawUpstream::start(|request, mut response| async move {
        read_messages(&mut request.into_body()).await;
        response.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let gateway = before(&server).await;
    let expected = [json!(13), json!("internal"), json!(13), json!(13)];
    assert_eq!(codes(&gateway).await, expected);
    gateway.idle().await;
}

#[tokio::test]
async fn bytes_that_are_no_messages_are_an_error() {
    for garbage in [
        &b"\0\0\0\0\x05abc"[..],     // shorter than its length
        b"\x07\0\0\0\x01a",          // flags that do not exist
        b"\0\0\0\0\x03\xff\xff\xff", // no protobuf
        b"\0\xff\xff\xff\xffabc",    // longer than the limit
        b"\0\0\0\0\0\0\0\0\0\0",     // two messages
        b"",                         // none
    ] {
        let server = RawUpstream::start(move |request, mut response| async move {
            read_messages(&mut request.into_body()).await;
            let mut stream = begin(&mut response);
            let _ = stream.send_data(Bytes::from_static(garbage), false);
            end(&mut stream, 0);
        })
        .await;
        let gateway = before(&server).await;
        let fetched = gateway.post("/v1/echo", "{}").await;
        let code = fetched.json()["code"].clone();
        assert!(code == 13 || code == 8, "{garbage:x?}: {fetched:?}");
        gateway.idle().await;
    }
}

#[tokio::test]
async fn a_response_without_a_status_is_an_error() {
    let server = RawUpstream::start(|request, mut response| async move {
        read_messages(&mut request.into_body()).await;
        let mut stream = begin(&mut response);
        let _ = stream.send_data(framed(b""), true);
    })
    .await;
    let gateway = before(&server).await;
    let fetched = gateway.post("/v1/echo", "{}").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (500, &json!(13)));
    let status = client(&upstream(&gateway.url())).unary(message("")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_with_an_error_line() {
    let server = RawUpstream::start(|request, mut response| async move {
        read_messages(&mut request.into_body()).await;
        let mut stream = begin(&mut response);
        let _ = stream.send_data(framed(b""), false);
        // The message is on its way before the reset.
        let _ = poll_fn(|cx| {
            stream.reserve_capacity(1);
            stream.poll_capacity(cx)
        })
        .await;
        tokio::task::yield_now().await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let gateway = before(&server).await;
    let fetched = gateway.get("/v1/stall").await;
    let last: Value = serde_json::from_str(fetched.text().lines().last().unwrap()).unwrap();
    // Before the first message, the error is all of the response.
    let code = if fetched.status == 200 { &last["error"]["code"] } else { &last["code"] };
    assert_eq!(code, &json!(13), "{fetched:?}");
    gateway.idle().await;
}

#[tokio::test]
async fn a_deadline_holds_for_a_server_that_never_answers() {
    let (resets, reset) = watch::channel(0_usize);
    let server = RawUpstream::start(move |request, mut response| {
        let resets = resets.clone();
        async move {
            let (_head, mut body) = request.into_parts();
            read_messages(&mut body).await;
            let _ = poll_fn(|cx| response.poll_reset(cx)).await;
            resets.send_modify(|count| *count += 1);
        }
    })
    .await;
    let gateway = before(&server).await;
    let request = Request::post("/v1/echo")
        .header("content-type", "application/json")
        .header("x-server-timeout", "0.1");
    let fetched = gateway.fetch(request.body("{}".to_owned()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (504, &json!(4)));
    let mut request = tonic::Request::new(message(""));
    request.set_timeout(Duration::from_millis(100));
    let called = client(&upstream(&gateway.url())).unary(request).await;
    assert_eq!(called.unwrap_err().code(), tonic::Code::DeadlineExceeded);
    // The server is told, so that it can stop.
    wait_for(reset, 2).await;
    gateway.idle().await;
}

#[tokio::test]
async fn a_server_that_floods_waits_for_a_client_that_does_not_read() {
    let (stalled, mut is_stalled) = watch::channel(None);
    let server = RawUpstream::start(move |request, mut response| {
        let stalled = stalled.clone();
        async move {
            read_messages(&mut request.into_body()).await;
            let mut stream = begin(&mut response);
            let text = EchoMessage { text: "x".repeat(60_000), ..EchoMessage::default() };
            let framed = framed(&text.encode_to_vec());
            let mut sent = 0;
            loop {
                stream.reserve_capacity(framed.len());
                while stream.capacity() < framed.len() {
                    let capacity = poll_fn(|cx| stream.poll_capacity(cx));
                    match timeout(Duration::from_millis(500), capacity).await {
                        Ok(Some(Ok(_))) => {}
                        Ok(_) => return,
                        Err(_) => {
                            stalled.send_replace(Some(sent));
                            return until_reset(&mut stream).await;
                        }
                    }
                }
                if stream.send_data(framed.clone(), false).is_err() {
                    return;
                }
                sent += framed.len();
            }
        }
    })
    .await;
    let gateway = before(&server).await;
    let request = Request::get("/v1/stall").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    let sent = *timeout(LIMIT * 2, is_stalled.wait_for(Option::is_some)).await.unwrap().unwrap();
    let sent = sent.unwrap();
    // The windows of both connections and the buffers of the sockets.
    assert!(sent < 24 * 1024 * 1024, "{sent} bytes were taken");
    drop(response);
    gateway.idle().await;
}

#[tokio::test]
async fn headers_of_a_hostile_server_do_not_reach_browsers() {
    let server = RawUpstream::start(|request, mut response| async move {
        read_messages(&mut request.into_body()).await;
        let head = Response::builder()
            .header("content-type", "application/grpc")
            .header("set-cookie", "session=stolen")
            .header("access-control-allow-origin", "*")
            .header("content-encoding", "br");
        let mut stream = response.send_response(head.body(()).unwrap(), false).unwrap();
        let _ = stream.send_data(framed(b""), false);
        end(&mut stream, 0);
    })
    .await;
    let gateway = before(&server).await;
    let fetched = gateway.post("/v1/echo", "{}").await;
    for name in ["set-cookie", "access-control-allow-origin", "content-encoding"] {
        assert!(!fetched.headers.contains_key(name), "{name}: {fetched:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_midway_ends_each_dialect_with_its_status() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let stall = |content_type: &str, body: Bytes| {
        Request::post(format!("{RPC}/Stall"))
            .header("content-type", content_type)
            .body(Pieces::new([body]))
            .unwrap()
    };
    for (request, end) in [
        (stall("application/json", Bytes::from_static(b"{}")), "{\"error\":{\"code\":14,"),
        (stall("application/connect+json", framed(b"{}")), "\"code\":\"unavailable\""),
        (stall("application/grpc-web", framed(b"")), "grpc-status: 14"),
    ] {
        let mut response = gateway.send(request).await;
        next_data(response.body_mut()).await.unwrap();
        proxy.cut();
        let mut rest = Vec::new();
        while let Some(data) = timeout(LIMIT, next_data(response.body_mut())).await.unwrap() {
            rest.extend_from_slice(&data);
        }
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.contains(end), "{rest:?} has no {end}");
        gateway.idle().await;
    }
    let mut grpc = client(&upstream(&gateway.url()));
    let mut replies = grpc.stall(message("")).await.unwrap().into_inner();
    replies.message().await.unwrap();
    proxy.cut();
    let status = timeout(LIMIT, replies.message()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
}
