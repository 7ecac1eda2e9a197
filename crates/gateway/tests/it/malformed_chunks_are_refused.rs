use sockeye_gateway_testing::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway};

const RPC: &str = "/sockeye.gateway.testing.Echo";

/// Sends a chunked body, and returns the whole response.
async fn post(gateway: &ServedGateway, path: &str, content_type: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.url().trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: {content_type}\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut response = Vec::new();
    // The server may reset the connection after its response.
    let _ = timeout(LIMIT, stream.read_to_end(&mut response)).await.unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test]
async fn a_malformed_chunk_is_answered_with_400_and_the_reason() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    for (path, content_type) in [
        ("/v1/echo", "application/json"),
        ("/v1/collect", "application/json"),
        (&format!("{RPC}/Unary"), "application/proto"),
    ] {
        for body in [&b"zz\r\n{}\r\n0\r\n\r\n"[..], b"2\r\n{}xx0\r\n\r\n", b"2;\x01\n{}"] {
            let response = post(&gateway, path, content_type, body).await;
            assert!(response.starts_with("HTTP/1.1 400 "), "{path} {body:?}: {response}");
            assert!(response.contains("the body of the request is malformed: "), "{response}");
        }
    }
    let grpc_web = format!("{RPC}/Unary");
    let response = post(&gateway, &grpc_web, "application/grpc-web", b"zz\r\n").await;
    assert!(response.contains("grpc-status: 3\r\n"), "{response}");
    gateway.idle().await;
}
