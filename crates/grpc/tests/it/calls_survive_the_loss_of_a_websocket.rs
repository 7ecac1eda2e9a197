//! Calls on connections that outlive their WebSocket.

use std::future::IntoFuture;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::reconnect::Reconnecting;
use sockeye::resume::{self, ResumableStream, SUBPROTOCOL};
use sockeye::upgrade::{Admission, Options};
use sockeye::{Client, Server};
use sockeye_grpc::{Backoff, Endpoint, Incoming};
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::proto::{Bytes, HelloRequest};
use sockeye_grpc_testing::service::services;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Request;
use tonic::service::Routes;

/// A name that the hook of the opening handshake attaches to a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User(&'static str);

/// Starts a server of sessions. Each change of the returned number cuts all of its WebSockets.
async fn serve() -> (String, watch::Sender<u32>) {
    let (listener, sessions) = resume::listener();
    let options = Options::new().subprotocols([SUBPROTOCOL]);
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options);
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let epoch = watch::Sender::new(0);
    let cuts = epoch.clone();
    tokio::spawn(server.serve(move |ws| {
        let (sessions, mut epoch) = (sessions.clone(), cuts.subscribe());
        async move {
            tokio::select! {
                ended = sessions.serve(ws, "anyone") => ended,
                // The WebSocket is dropped, and the session goes on.
                _ = epoch.changed() => Ok(()),
            }
        }
    }));
    let (greeter, test_service) = services();
    let routes = Routes::new(greeter).add_service(test_service);
    tokio::spawn(sockeye_grpc::serve(Incoming::from(listener), routes).into_future());
    (url, epoch)
}

fn endpoint(url: String) -> Endpoint {
    Endpoint::with_connector(move || {
        let client = Client::new(&url).subprotocols([SUBPROTOCOL]);
        let backoff = Backoff::new().base(Duration::from_millis(1)).max_attempts(Some(1000));
        let client = Reconnecting::new(client).backoff(backoff.cap(Duration::from_millis(20)));
        async move { ResumableStream::connect(client).await.map_err(io::Error::from) }
    })
}

#[tokio::test]
async fn a_stream_and_new_calls_go_on_after_each_cut() {
    let (url, epoch) = serve().await;
    let channel = endpoint(url).connect().await.unwrap();
    let mut greeter = GreeterClient::new(channel.clone());
    let (names, requests) = mpsc::unbounded_channel();
    let replies = greeter.chat(UnboundedReceiverStream::new(requests)).await.unwrap();
    let mut replies = replies.into_inner();
    for round in 0..20 {
        epoch.send_modify(|epoch| *epoch += 1);
        let name = format!("Ada {round}");
        names.send(HelloRequest { name: name.clone() }).unwrap();
        let reply = replies.message().await.unwrap().unwrap();
        assert_eq!(reply.message, format!("Hello {name}!"));
        let content = vec![round; 100_000];
        let mut test_service = TestServiceClient::new(channel.clone());
        let echo = test_service.echo(Bytes { content: content.clone() }).await.unwrap();
        assert_eq!(echo.into_inner().content, content);
    }
    drop(names);
    assert!(replies.message().await.unwrap().is_none());
}

#[tokio::test]
async fn handlers_see_the_data_and_the_address_of_the_first_websocket() {
    let (listener, sessions) = resume::listener();
    let options = Options::new().subprotocols([SUBPROTOCOL]);
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options);
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let server = server.admit(|_| async { Ok(Admission::new().data(User("Ada"))) });
    tokio::spawn(server.serve(move |ws| {
        let sessions = sessions.clone();
        async move { sessions.serve(ws, "anyone").await }
    }));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let (greeter, _) = services();
    let interceptor = move |request: Request<()>| {
        let user = request.extensions().get::<User>().cloned();
        let address = request.remote_addr().map(|address| address.ip().is_loopback());
        log.lock().unwrap().push((user, address));
        Ok(request)
    };
    let service = tonic::service::interceptor::InterceptedService::new(greeter, interceptor);
    tokio::spawn(sockeye_grpc::serve(Incoming::from(listener), service).into_future());
    let channel = endpoint(url).connect().await.unwrap();
    GreeterClient::new(channel).say_hello(HelloRequest { name: "Ada".into() }).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(Some(User("Ada")), Some(true))]);
}
