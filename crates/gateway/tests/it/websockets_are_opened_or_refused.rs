use http::Request;
use sockeye_gateway::dialect::framing::ClientFrame;
use sockeye_gateway::status::Code;

use crate::sockets::{CallsClient, client, receive, serve, start};
use crate::support::{ServedGateway, wait_for};

/// Asks for a WebSocket, and returns the status of the response.
async fn status(gateway: &ServedGateway, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::get(path)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.send(request.body(String::new()).unwrap()).await.status().as_u16()
}

#[tokio::test]
async fn pages_of_other_origins_open_no_socket() {
    let (server, gateway) = serve(|builder| builder.tunnel_path("/tunnel")).await;
    for (path, subprotocol) in [
        ("/", Some("sockeye.grpc.v1")),
        ("/sockeye.gateway.testing.Echo/Unary", Some("grpc-websockets")),
        ("/tunnel", None),
        ("/v1/echo/x", None),
    ] {
        let mut headers = vec![("origin", "https://evil.example")];
        headers.extend(subprotocol.map(|name| ("sec-websocket-protocol", name)));
        assert_eq!(status(&gateway, path, &headers).await, 403, "{path}");
        assert_eq!(server.echo.calls(), 0);
        headers[0].1 = "http://gateway.test";
        assert_eq!(status(&gateway, path, &headers).await, 101, "{path}");
        // The socket with JSON makes its call at once.
        let calls = usize::from(path == "/v1/echo/x");
        assert!(server.echo.calls() <= calls);
    }
}

#[tokio::test]
async fn a_request_without_a_dialect_is_refused() {
    let (_server, gateway) = serve(|builder| builder).await;
    let chat = [("sec-websocket-protocol", "chat")];
    assert_eq!(status(&gateway, "/v1/echo/x", &chat).await, 400);
    assert_eq!(status(&gateway, "/nothing", &[]).await, 404);
    assert_eq!(status(&gateway, "/tunnel", &[]).await, 404);
    // A handshake that breaks a rule of WebSockets: two keys.
    let calls = [("sec-websocket-protocol", "sockeye.grpc.v1"), ("sec-websocket-key", "x")];
    assert_eq!(status(&gateway, "/", &calls).await, 400);
}

#[tokio::test]
async fn a_gateway_with_all_calls_in_progress_opens_no_socket() {
    let (server, gateway) = serve(|builder| builder.max_calls(1)).await;
    let mut calls = CallsClient::connect(&gateway).await;
    calls.start_with(1, "Stall", "{}").await;
    wait_for(server.echo.in_progress(), 1).await;
    let refused = client(&gateway, "/").subprotocols(["sockeye.grpc.v1"]).connect().await;
    let error = refused.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    calls.send(ClientFrame::Cancel(1)).await;
    assert_eq!(calls.finish(1).await.end.code, Code::Canceled);
}

#[tokio::test]
async fn a_socket_without_calls_takes_none_of_their_places() {
    let (_server, gateway) = serve(|builder| builder.max_calls(1)).await;
    let mut first = CallsClient::connect(&gateway).await;
    let mut second = CallsClient::connect(&gateway).await;
    for client in [&mut first, &mut second] {
        client.start_with(1, "Unary", "{}").await;
        assert_eq!(client.finish(1).await.end.code, Code::Ok);
    }
}

#[tokio::test]
async fn sockets_are_opened_over_http_2_as_well() {
    let (server, gateway) = serve(|builder| builder).await;
    let with_calls = client(&gateway, "/").subprotocols(["sockeye.grpc.v1"]);
    let connection = with_calls.connect_http2().await.unwrap();
    let mut calls = CallsClient { socket: connection.open_as(&with_calls).await.unwrap() };
    calls.start_with(1, "Unary", r#"{"text":"over HTTP/2"}"#).await;
    assert_eq!(calls.finish(1).await.texts(), ["over HTTP/2"]);
    calls.start(2, start("Chat")).await;
    calls.start_with(3, "Stall", "{}").await;
    wait_for(server.echo.in_progress(), 1).await;
    drop(calls);
    wait_for(server.echo.in_progress(), 0).await;
    let mut json = connection.open_as(&client(&gateway, "/v1/echo/x")).await.unwrap();
    let reply = receive(&mut json).await;
    assert!(reply.as_text().unwrap().contains("\"x\""), "{reply}");
}
