//! Interceptors, layers, compression, large metadata, and limits set by the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{Request as HttpRequest, Response as HttpResponse};
use sockeye::Client;
use sockeye_grpc::{Channel, Endpoint, ResponseBody};
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::greeter_server::GreeterServer;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::proto::{Bytes, Failure, HelloRequest};
use sockeye_grpc_testing::service::services;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service;
use tonic::{Code, Request, Status};

use crate::server;

fn ada() -> HelloRequest {
    HelloRequest { name: "Ada".into() }
}

#[tokio::test]
async fn an_interceptor_adds_metadata_and_refuses_calls() {
    let channel = server::served_over_websocket().await;
    let mut greeter = GreeterClient::with_interceptor(channel, |mut request: Request<()>| {
        request.metadata_mut().insert("x-user", "Ada".parse().unwrap());
        Ok(request)
    });
    let response = greeter.say_hello(ada()).await.unwrap();
    assert_eq!(response.metadata().get("x-user").unwrap(), "Ada");

    let channel = server::served_over_websocket().await;
    let mut greeter = GreeterClient::with_interceptor(channel, |_: Request<()>| {
        Err::<Request<()>, _>(Status::unauthenticated("log in first"))
    });
    let status = greeter.say_hello(ada()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "log in first"));
}

/// A tower layer, as a program writes one.
#[derive(Clone)]
struct Counting {
    channel: Channel,
    calls: Arc<AtomicUsize>,
}

impl Service<HttpRequest<tonic::body::Body>> for Counting {
    type Response = HttpResponse<ResponseBody>;
    type Error = Status;
    type Future = <Channel as Service<HttpRequest<tonic::body::Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequest<tonic::body::Body>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.channel.call(request)
    }
}

#[tokio::test]
async fn a_layer_around_the_channel_sees_each_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let channel = server::served_over_websocket().await;
    let mut greeter = GreeterClient::new(Counting { channel, calls: Arc::clone(&calls) });
    for _ in 0..3 {
        assert_eq!(greeter.say_hello(ada()).await.unwrap().into_inner().message, "Hello Ada!");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn compressed_messages_are_carried_both_ways() {
    let (greeter, _): (GreeterServer<_>, _) = services();
    let greeter = greeter
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let mut greeter = GreeterClient::new(server::serve_service(greeter).await)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let name = "Ada".repeat(10_000);
    let response = greeter.say_hello(HelloRequest { name: name.clone() }).await.unwrap();
    assert_eq!(response.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(response.into_inner().message, format!("Hello {name}!"));
}

/// Requests a status with metadata and details of `length` bytes.
async fn fail(channel: &Channel, length: usize) -> Status {
    let details = vec![7; length * 3 / 4];
    let failure = Failure { code: Code::NotFound as i32, message: "no".into(), details };
    TestServiceClient::new(channel.clone()).fail(failure).await.unwrap_err()
}

#[tokio::test]
async fn metadata_and_status_of_60_000_bytes_arrive() {
    let channel = server::served_over_websocket().await;
    let mut request = Request::new(ada());
    let long = "a".repeat(60_000);
    request.metadata_mut().insert("x-long", long.parse().unwrap());
    let response = GreeterClient::new(channel.clone()).say_hello(request).await.unwrap();
    assert_eq!(response.metadata().get("x-long").unwrap(), long.as_str());
    let status = fail(&channel, 60_000).await;
    assert_eq!((status.code(), status.details().len()), (Code::NotFound, 45_000));
}

#[tokio::test]
async fn headers_over_the_limit_are_said_to_be_that_and_harm_no_other_call() {
    let url = server::at_websocket().await;
    let endpoint = Endpoint::new(Client::new(url)).max_header_list_size(20_000);
    let channel = endpoint.connect().await.unwrap();
    // The second is more than three times the limit.
    for length in [25_000, 70_000] {
        let status = fail(&channel, length).await;
        assert_eq!(status.code(), Code::Internal, "{status:?}");
        assert!(status.message().contains("max_header_list_size"), "{status:?}");
        let reply = GreeterClient::new(channel.clone()).say_hello(ada()).await.unwrap();
        assert_eq!(reply.into_inner().message, "Hello Ada!");
    }
}

#[tokio::test]
async fn a_message_over_a_limit_of_the_program_is_said_to_be_that() {
    let channel = server::served_over_websocket().await;
    let bytes = Bytes { content: vec![7; 10_000] };
    let mut sending = TestServiceClient::new(channel.clone()).max_encoding_message_size(5_000);
    let mut receiving = TestServiceClient::new(channel).max_decoding_message_size(5_000);
    for test_service in [&mut sending, &mut receiving] {
        let status = test_service.echo(bytes.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
        assert!(status.message().contains("5000"), "{status:?}");
    }
}
