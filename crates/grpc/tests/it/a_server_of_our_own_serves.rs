//! The request data that `serve` passes to handlers, and its shutdown.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::upgrade::Admission;
use sockeye::{Client, Server};
use sockeye_grpc::{Channel, Endpoint, ServeConfig, incoming};
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::greeter_server::{self, GreeterServer};
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::proto::{
    Bytes, DownloadRequest, Empty, HelloReply, HelloRequest, HellosRequest,
};
use sockeye_grpc_testing::service::services;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// Timeout after which a test counts as hung, also on a slow machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone)]
struct User(String);

/// A service that greets the user whom the handshake admitted, and names the peer.
struct Knowing;

type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

#[tonic::async_trait]
impl greeter_server::Greeter for Knowing {
    type SayHellosStream = Replies;
    type ChatStream = Replies;

    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let peer = request.remote_addr().ok_or_else(|| Status::internal("no address"))?;
        let User(name) = request.extensions().get().ok_or_else(|| Status::internal("nobody"))?;
        Ok(Response::new(HelloReply { message: format!("{name} from {}", peer.ip()) }))
    }

    async fn say_hellos(&self, _: Request<HellosRequest>) -> Result<Response<Replies>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn collect(
        &self,
        _: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<HelloReply>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn chat(&self, _: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test]
async fn what_the_handshake_admitted_reaches_the_handler_with_the_address() {
    let websockets = Server::bind("127.0.0.1:0").await.unwrap().admit(async |request| {
        let user = request.query("user").unwrap_or_default().into_owned();
        Ok(Admission::new().data(User(user)))
    });
    let address = websockets.local_addr().unwrap();
    let (incoming, accept) = incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    tokio::spawn(sockeye_grpc::serve(incoming, GreeterServer::new(Knowing)).into_future());
    for user in ["Ada", "Grace"] {
        let channel = sockeye_grpc::connect(format!("ws://{address}/?user={user}")).await.unwrap();
        let mut greeter = GreeterClient::new(channel);
        for _ in 0..2 {
            let reply = greeter.say_hello(HelloRequest::default()).await.unwrap().into_inner();
            assert_eq!(reply.message, format!("{user} from 127.0.0.1"));
        }
    }
}

/// Starts a server with these limits. Returns a channel to it, the sender that stops it, and its
/// task.
async fn start(config: ServeConfig) -> (Channel, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let websockets = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", websockets.local_addr().unwrap());
    let (incoming, accept) = incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    let (greeter, test_service) = services();
    let (stop, stopped) = oneshot::channel();
    let server = sockeye_grpc::serve(incoming, Routes::new(greeter).add_service(test_service))
        .config(config)
        .with_graceful_shutdown(async {
            let _ = stopped.await;
        });
    let server = tokio::spawn(server.into_future());
    (Endpoint::new(Client::new(url)).connect().await.unwrap(), stop, server)
}

#[tokio::test]
async fn a_server_that_stops_finishes_the_calls_in_progress() {
    let (channel, stop, server) = start(ServeConfig::new()).await;
    let (names, receiver) = mpsc::channel(1);
    names.send(HelloRequest { name: "Ada".into() }).await.unwrap();
    let mut greeter = GreeterClient::new(channel.clone());
    let mut replies = greeter.chat(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    assert!(replies.message().await.unwrap().is_some());
    stop.send(()).unwrap();
    names.send(HelloRequest { name: "Grace".into() }).await.unwrap();
    assert_eq!(replies.message().await.unwrap().unwrap().message, "Hello Grace!");
    drop(names);
    assert!(replies.message().await.unwrap().is_none());
    tokio::time::timeout(TEST_TIMEOUT, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_over_the_limit_wait_for_others_to_end() {
    let (channel, _stop, _server) = start(ServeConfig::new().max_calls(1)).await;
    let mut greeter = GreeterClient::new(channel.clone());
    greeter.say_hello(HelloRequest { name: "Ada".into() }).await.unwrap();
    let mut test_service = TestServiceClient::new(channel);
    let stalled = test_service.stall(Empty {}).await.unwrap();
    let waiting = tokio::spawn(async move {
        greeter.say_hello(HelloRequest { name: "Grace".into() }).await.unwrap().into_inner()
    });
    drop(stalled);
    assert_eq!(waiting.await.unwrap().message, "Hello Grace!");
}

/// Each of 40 streams has more frames of its own than h2's defaults tolerate for a connection.
#[tokio::test]
async fn many_calls_that_nobody_reads_harm_no_other_call() {
    let config = ServeConfig::new().stream_window(65_535);
    let (channel, _stop, _server) = start(config).await;
    let mut senders = Vec::new();
    for _ in 0..40 {
        let (messages, receiver) = mpsc::channel(1);
        let mut test_service = TestServiceClient::new(channel.clone());
        let call =
            tokio::spawn(async move { test_service.upload(ReceiverStream::new(receiver)).await });
        let sender = tokio::spawn(async move {
            for _ in 0..4_000 {
                messages.send(Bytes { content: vec![7; 20] }).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        senders.push((call, sender));
    }
    let mut replies = Vec::new();
    for _ in 0..2 {
        let request = DownloadRequest { length: 20, count: 50_000, piecemeal: true };
        let reply =
            TestServiceClient::new(channel.clone()).download(request).await.unwrap().into_inner();
        replies.push(reply);
    }
    let mut greeter = GreeterClient::new(channel.clone());
    for _ in 0..1_000 {
        greeter.say_hello(HelloRequest { name: "Ada".into() }).await.unwrap();
    }
    TestServiceClient::new(channel).start_reading(Empty {}).await.unwrap();
    for (call, sender) in senders {
        sender.await.unwrap();
        assert_eq!(call.await.unwrap().unwrap().into_inner().count, 4_000);
    }
    for reply in replies {
        assert_eq!(reply.map(Result::unwrap).fold(0, |count, _| count + 1).await, 50_000);
    }
}

#[tokio::test]
async fn a_client_that_never_speaks_does_not_keep_a_server_from_stopping() {
    let websockets = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", websockets.local_addr().unwrap());
    let (incoming, accept) = incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    let (greeter, _) = services();
    let (stop, stopped) = oneshot::channel();
    let server = sockeye_grpc::serve(incoming, greeter).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    let silent = sockeye::connect(url).await.unwrap();
    stop.send(()).unwrap();
    tokio::time::timeout(TEST_TIMEOUT, server).await.unwrap().unwrap();
    drop(silent);
}

/// Begins and cancels calls, one after the other, until the connection is replaced.
#[tokio::test]
async fn a_client_that_cancels_many_calls_is_given_another_connection_in_order() {
    let websockets = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", websockets.local_addr().unwrap());
    let (incoming, accept) = incoming();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(websockets.serve(move |ws| {
        count.fetch_add(1, Ordering::Relaxed);
        accept.deliver(ws)
    }));
    let (greeter, test_service) = services();
    let config = ServeConfig::new().max_cancelled_calls(10);
    let server = sockeye_grpc::serve(incoming, Routes::new(greeter).add_service(test_service));
    tokio::spawn(server.config(config).into_future());
    let channel = sockeye_grpc::connect(url).await.unwrap();
    let (names, receiver) = mpsc::channel(1);
    names.send(HelloRequest { name: "Ada".into() }).await.unwrap();
    let mut greeter = GreeterClient::new(channel.clone());
    let mut replies = greeter.chat(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    assert!(replies.message().await.unwrap().is_some());
    let mut cancelled = 0;
    while connections.load(Ordering::Relaxed) == 1 {
        // Several at a time: the server forgives 500 calls a second.
        let calls = (0..4).map(|_| {
            let mut test_service = TestServiceClient::new(channel.clone());
            tokio::spawn(async move { test_service.stall(Empty {}).await })
        });
        for call in calls.collect::<Vec<_>>() {
            let _ = call.await.unwrap();
            cancelled += 1;
        }
        assert!(cancelled < 10_000, "the connection takes calls on and on");
    }
    assert!(cancelled > 10, "{cancelled} calls");
    // The call in progress continues.
    names.send(HelloRequest { name: "Grace".into() }).await.unwrap();
    assert_eq!(replies.message().await.unwrap().unwrap().message, "Hello Grace!");
    greeter.say_hello(HelloRequest { name: "Ada".into() }).await.unwrap();
}

#[tokio::test]
async fn a_client_that_cancels_twice_as_many_calls_is_cut_off() {
    let websockets = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", websockets.local_addr().unwrap());
    let (incoming, accept) = incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    let (_, test_service) = services();
    let config = ServeConfig::new().max_cancelled_calls(10);
    tokio::spawn(sockeye_grpc::serve(incoming, test_service).config(config).into_future());
    let stream = sockeye::connect(url).await.unwrap().into_byte_stream();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..60 {
        requests = requests.ready().await.unwrap();
        let request = http::Request::post("http://localhost/sockeye.testing.TestService/Hang")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (_response, mut call) = requests.send_request(request, false).unwrap();
        call.send_reset(h2::Reason::CANCEL);
    }
    let error = tokio::time::timeout(TEST_TIMEOUT, connection).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "{error:?}");
    assert!(error.is_remote());
}
