//! Calls in progress when the connection is lost, and calls after that.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sockeye_grpc::{Backoff, Channel, ConnectError, Endpoint};
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::proto::{Empty, HelloReply, HelloRequest};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::server::Stoppable;

/// A backoff longer than any test, so that no delay ends within one; the chance of a jitter near 0
/// is one in 10¹³.
const HOURS: Backoff =
    Backoff::new().base(Duration::from_secs(36_000)).cap(Duration::from_secs(36_000));

const NO_DELAY: Backoff = Backoff::new().base(Duration::ZERO);

/// A server that may be restarted: its current URL, and the number of connection attempts to it.
#[derive(Clone, Default)]
struct RestartableServer {
    url: Arc<Mutex<String>>,
    attempts: Arc<AtomicUsize>,
}

impl RestartableServer {
    fn endpoint(&self) -> Endpoint {
        let target = self.clone();
        Endpoint::with_connector(move || {
            target.attempts.fetch_add(1, Ordering::SeqCst);
            let url = target.url.lock().unwrap().clone();
            async move {
                let ws = sockeye::connect(url).await.map_err(io::Error::other)?;
                Ok(ws.into_byte_stream())
            }
        })
    }

    async fn start(&self) -> Stoppable {
        let server = Stoppable::start().await;
        self.url.lock().unwrap().clone_from(&server.url);
        server
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

async fn hello(channel: &Channel) -> Result<HelloReply, Status> {
    let request = HelloRequest { name: "Ada".into() };
    GreeterClient::new(channel.clone()).say_hello(request).await.map(tonic::Response::into_inner)
}

fn hang(channel: &Channel) -> tokio::task::JoinHandle<Status> {
    let mut test_service = TestServiceClient::new(channel.clone());
    tokio::spawn(async move { test_service.hang(Empty {}).await.unwrap_err() })
}

fn cause(status: &Status) -> &ConnectError {
    let source = std::error::Error::source(status).expect("a cause");
    source.downcast_ref().expect("why there is no connection")
}

#[tokio::test]
async fn calls_in_progress_are_unavailable_and_the_next_call_connects() {
    let target = RestartableServer::default();
    let server = target.start().await;
    let channel = target.endpoint().backoff(NO_DELAY).connect().await.unwrap();
    let mut replies =
        TestServiceClient::new(channel.clone()).stall(Empty {}).await.unwrap().into_inner();
    replies.message().await.unwrap();
    let hanging = hang(&channel);
    server.wait_for_calls(2).await;
    drop(server);

    assert_eq!(hanging.await.unwrap().code(), Code::Unavailable);
    assert_eq!(replies.message().await.unwrap_err().code(), Code::Unavailable);
    let status = hello(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(matches!(cause(&status), ConnectError::Transport(_)), "{status:?}");

    let _server = target.start().await;
    assert_eq!(hello(&channel).await.unwrap().message, "Hello Ada!");
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_it_has_begun() {
    let target = RestartableServer::default();
    let server = target.start().await;
    let channel = target.endpoint().connect().await.unwrap();
    let (names, receiver) = mpsc::channel(1);
    names.send(HelloRequest { name: "Ada".into() }).await.unwrap();
    let replies = GreeterClient::new(channel.clone()).chat(ReceiverStream::new(receiver)).await;
    let mut replies = replies.unwrap().into_inner();
    assert!(replies.message().await.unwrap().is_some());

    let stopping = tokio::spawn(server.stop());
    names.send(HelloRequest { name: "Grace".into() }).await.unwrap();
    assert_eq!(replies.message().await.unwrap().unwrap().message, "Hello Grace!");
    drop(names);
    assert!(replies.message().await.unwrap().is_none());
    stopping.await.unwrap();

    let _server = target.start().await;
    assert_eq!(hello(&channel).await.unwrap().message, "Hello Ada!");
    assert_eq!(target.attempts(), 2);
}

#[tokio::test]
async fn all_calls_that_wait_share_one_attempt() {
    let target = RestartableServer::default();
    let _server = target.start().await;
    let channel = target.endpoint().connect_lazy();
    assert_eq!(target.attempts(), 0);
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let channel = channel.clone();
        calls.spawn(async move { hello(&channel).await });
    }
    for reply in calls.join_all().await {
        assert_eq!(reply.unwrap().message, "Hello Ada!");
    }
    assert_eq!(target.attempts(), 1);
}

#[tokio::test]
async fn calls_fail_at_once_in_the_delay_after_a_failure() {
    let target = RestartableServer::default();
    let server = target.start().await;
    drop(server);
    let channel = target.endpoint().backoff(HOURS).connect_lazy();
    for _ in 0..10 {
        let status = hello(&channel).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(matches!(cause(&status), ConnectError::Transport(_)), "{status:?}");
    }
    assert_eq!(target.attempts(), 1);
}

#[tokio::test]
async fn an_attempt_outlives_the_call_that_began_it() {
    let target = RestartableServer::default();
    let _server = target.start().await;
    let channel = target.endpoint().connect_lazy();
    let first = tokio::time::timeout(Duration::ZERO, hello(&channel)).await;
    assert!(first.is_err());
    assert_eq!(hello(&channel).await.unwrap().message, "Hello Ada!");
    assert_eq!(target.attempts(), 1);
}

#[tokio::test]
async fn a_deadline_covers_the_wait_for_a_connection() {
    let endpoint = Endpoint::with_connector(std::future::pending::<io::Result<DuplexStream>>);
    let mut request = tonic::Request::new(HelloRequest::default());
    request.set_timeout(Duration::from_millis(20));
    let status = GreeterClient::new(endpoint.connect_lazy()).say_hello(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_url_where_nobody_listens_is_an_error_of_the_websocket() {
    let server = Stoppable::start().await;
    let url = server.url.clone();
    drop(server);
    let error = sockeye_grpc::connect(url).await.unwrap_err();
    assert!(matches!(error, ConnectError::WebSocket(_)), "{error:?}");
}

#[tokio::test]
async fn a_websocket_that_echoes_is_not_taken_for_grpc() {
    let echo = sockeye::Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", echo.local_addr().unwrap());
    tokio::spawn(echo.serve(async |mut ws: sockeye::WebSocket| {
        while let Ok(Some(message)) = ws.recv().await {
            if ws.send(message).await.is_err() {
                return;
            }
        }
    }));
    // The first bytes come back before the client can tell what they are; then nothing is answered.
    if let Ok(channel) = sockeye_grpc::connect(url).await {
        assert_eq!(hello(&channel).await.unwrap_err().code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_named() {
    let endpoint = Endpoint::with_connector(async || Ok(tokio::io::duplex(64 * 1024).0));
    let error = endpoint.connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Closed | ConnectError::Http2(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let limit = Duration::from_millis(20);
    let (ours, _theirs) = tokio::io::duplex(64 * 1024);
    let ours = Mutex::new(Some(ours));
    let endpoint = Endpoint::with_connector(move || {
        let ours = ours.lock().unwrap().take();
        async move { ours.ok_or_else(|| io::Error::other("only once")) }
    });
    let error = endpoint.connect_timeout(limit).connect().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::TimedOut { limit: actual } if actual == limit),
        "{error:?}"
    );
}

/// Serves a connection with one call at a time. The first connection accepts a call and never
/// answers it, and ends when `end` is notified; every other answers with an empty message.
async fn serve_one_at_a_time(
    stream: DuplexStream,
    accepted: &Notify,
    end: Option<(&Notify, bool)>,
) {
    let mut connection =
        h2::server::Builder::new().max_concurrent_streams(1).handshake(stream).await.unwrap();
    let mut unanswered = Vec::new();
    loop {
        let ended = async {
            match end {
                Some((end, _)) => end.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            call = connection.accept() => {
                let Some(Ok((_, mut respond))) = call else { return };
                accepted.notify_one();
                if end.is_some() {
                    unanswered.push(respond);
                    continue;
                }
                let head = http::Response::builder().header("content-type", "application/grpc");
                let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
                body.send_data(bytes::Bytes::from_static(&[0; 5]), false).unwrap();
                let status = (HeaderName::from_static("grpc-status"), HeaderValue::from(0));
                body.send_trailers(HeaderMap::from_iter([status])).unwrap();
            }
            () = ended => match end {
                Some((_, true)) => connection.graceful_shutdown(),
                _ => return,
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_waits_for_others_goes_to_the_next_connection() {
    for is_graceful in [true, false] {
        let attempts = Arc::new(AtomicUsize::new(0));
        let (accepted, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (counted, accepting, ending) =
            (Arc::clone(&attempts), Arc::clone(&accepted), Arc::clone(&end));
        let endpoint = Endpoint::with_connector(move || {
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let (accepting, ending) = (Arc::clone(&accepting), Arc::clone(&ending));
            tokio::spawn(async move {
                let end = is_first.then_some((&*ending, is_graceful));
                serve_one_at_a_time(theirs, &accepting, end).await;
            });
            std::future::ready(Ok(ours))
        });
        let channel = endpoint.backoff(NO_DELAY).connect().await.unwrap();
        let first = hang(&channel);
        accepted.notified().await;
        let mut waiting = JoinSet::new();
        for _ in 0..3 {
            let channel = channel.clone();
            waiting.spawn(async move { hello(&channel).await });
        }
        // The calls have had their turn, and wait for the first.
        tokio::task::yield_now().await;
        end.notify_one();
        for reply in waiting.join_all().await {
            assert_eq!(reply.unwrap(), HelloReply::default());
        }
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
        if is_graceful {
            assert!(!first.is_finished());
        } else {
            assert_eq!(first.await.unwrap().code(), Code::Unavailable);
        }
    }
}

/// The server sends its settings and closes each connection.
#[tokio::test]
async fn a_connection_that_ends_before_any_answer_counts_as_a_failure() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let endpoint = Endpoint::with_connector(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            let first = connection.accept().await;
            assert!(first.is_none_or(|call| call.is_ok()));
        });
        std::future::ready(Ok(ours))
    });
    let channel = endpoint.backoff(HOURS).connect_lazy();
    for _ in 0..20 {
        assert_eq!(hello(&channel).await.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_delay_can_be_cut_short() {
    let target = RestartableServer::default();
    let channel = target.endpoint().backoff(HOURS).connect_lazy();
    assert_eq!(hello(&channel).await.unwrap_err().code(), Code::Unavailable);
    let _server = target.start().await;
    assert_eq!(hello(&channel).await.unwrap_err().code(), Code::Unavailable);
    channel.reset_backoff();
    assert_eq!(hello(&channel).await.unwrap().message, "Hello Ada!");
    assert_eq!(target.attempts(), 2);
}

#[tokio::test]
async fn a_call_that_waits_for_ready_waits_through_delays() {
    let target = RestartableServer::default();
    let channel = target.endpoint().backoff(HOURS).wait_for_ready(true).connect_lazy();
    let waiting = {
        let channel = channel.clone();
        tokio::spawn(async move { hello(&channel).await })
    };
    while target.attempts() == 0 {
        tokio::task::yield_now().await;
    }
    // With a deadline, or without one.
    let mut request = tonic::Request::new(HelloRequest::default());
    request.set_timeout(Duration::from_millis(20));
    let status = GreeterClient::new(channel.clone()).say_hello(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let _server = target.start().await;
    while !waiting.is_finished() {
        channel.reset_backoff();
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.await.unwrap().unwrap().message, "Hello Ada!");
}

/// Returns a channel to a server whose handler never answers, and that itself is `alive` or not
/// once connected.
async fn channel_to_silence(is_alive: bool) -> Channel {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(theirs).await.unwrap();
        let call = connection.accept().await.unwrap().unwrap();
        while is_alive && connection.accept().await.is_some() {}
        std::future::pending::<()>().await;
        drop((connection, call));
    });
    let ours = Mutex::new(Some(ours));
    let connector = move || std::future::ready(Ok(ours.lock().unwrap().take().unwrap()));
    let endpoint = Endpoint::with_connector(connector)
        .keepalive_after(Some(Duration::from_secs(30)))
        .keepalive_timeout(Duration::from_secs(20));
    endpoint.connect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_froze_is_given_up_by_the_keepalive() {
    let channel = channel_to_silence(false).await;
    let begin = tokio::time::Instant::now();
    let status = hang(&channel).await.unwrap();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(begin.elapsed() <= Duration::from_secs(2 * 30 + 20), "{:?}", begin.elapsed());
    assert!(status.message().contains("nothing more was received"), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lives_and_is_silent_is_not_given_up() {
    let channel = channel_to_silence(true).await;
    let mut request = tonic::Request::new(Empty {});
    request.set_timeout(Duration::from_secs(1000));
    let status = TestServiceClient::new(channel).hang(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}
