//! The example `one_port`: gRPC, grpc-web and gRPC over a WebSocket.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/one_port.rs"]
mod one_port;

use std::net::SocketAddr;

use sockeye_grpc_testing::proto::HelloRequest;
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { one_port::serve(listener).await.unwrap() });
    address
}

fn ada() -> HelloRequest {
    HelloRequest { name: "Ada".into() }
}

#[tokio::test]
async fn grpc_is_answered() {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server().await));
    let channel = endpoint.unwrap().connect().await.unwrap();
    let reply = GreeterClient::new(channel).say_hello(ada()).await.unwrap().into_inner();
    assert_eq!(reply.message, "Hello Ada!");
}

#[tokio::test]
async fn grpc_over_a_websocket_is_answered() {
    let url = format!("ws://{}/grpc", server().await);
    let channel = sockeye_grpc::connect(url).await.unwrap();
    let reply = GreeterClient::new(channel).say_hello(ada()).await.unwrap().into_inner();
    assert_eq!(reply.message, "Hello Ada!");
}

#[tokio::test]
async fn grpc_web_is_answered() {
    // A message with field 1, "Ada", after a flag and the length.
    let request = b"POST /sockeye.testing.Greeter/SayHello HTTP/1.1\r\n\
        Host: localhost\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 10\r\n\
        Connection: close\r\n\r\n\0\0\0\0\x05\x0a\x03Ada";
    let mut stream = TcpStream::connect(server().await).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("Hello Ada!"), "{answer}");
    assert!(answer.contains("grpc-status:0"), "{answer}");
}
