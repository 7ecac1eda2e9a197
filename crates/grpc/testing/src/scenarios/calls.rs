//! Calls of all kinds, with metadata and status.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sockeye_grpc::Channel;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use super::{assert_alive, greeter, hello, test_service};
use crate::proto::{Empty, Failure, HellosRequest};
use crate::yield_once;

/// All four kinds of calls are answered in full.
pub async fn all_four_kinds_are_answered(channel: &Channel) {
    let mut greeter = greeter(channel);
    let reply = greeter.say_hello(hello("Ada")).await.expect("a reply").into_inner();
    assert_eq!(reply.message, "Hello Ada!");

    let request = HellosRequest { name: "Ada".into(), count: 100 };
    let replies = greeter.say_hellos(request).await.expect("replies").into_inner();
    let replies: Vec<_> = replies.map(|reply| reply.expect("a reply").message).collect().await;
    assert_eq!(replies.len(), 100);
    assert_eq!(replies[99], "Hello Ada 99!");

    let names = tokio_stream::iter(["Ada", "Grace", "Barbara"].map(hello));
    let reply = greeter.collect(names).await.expect("a reply").into_inner();
    assert_eq!(reply.message, "Hello Ada and Grace and Barbara!");

    let names = tokio_stream::iter((0..100).map(|n| hello(n.to_string())));
    let replies = greeter.chat(names).await.expect("replies").into_inner();
    let replies: Vec<_> = replies.map(|reply| reply.expect("a reply").message).collect().await;
    assert_eq!(replies.len(), 100);
    assert_eq!(replies[99], "Hello 99!");
}

/// In a bidirectional stream, each message is answered before the next is sent: no message is held
/// back for another.
pub async fn each_message_of_a_stream_is_answered_before_the_next(channel: &Channel) {
    let (names, receiver) = mpsc::channel(1);
    names.send(hello("0")).await.expect("capacity");
    let replies = greeter(channel).chat(ReceiverStream::new(receiver)).await.expect("replies");
    let mut replies = replies.into_inner();
    for n in 0..1000 {
        let reply = replies.message().await.expect("a reply").expect("no end yet");
        assert_eq!(reply.message, format!("Hello {n}!"));
        names.send(hello((n + 1).to_string())).await.expect("the call goes on");
    }
    drop(names);
    assert!(replies.message().await.expect("the last reply").is_some());
    assert!(replies.message().await.expect("the end").is_none());
}

/// Each half of a bidirectional stream may stop waiting at any time, or end, and the other half
/// continues. The deadline of a stalled stream is enforced after a dropped wait too.
pub async fn each_half_of_a_stream_may_stop_alone(channel: &Channel) {
    for polls in 0..4 {
        let (names, receiver) = mpsc::channel(1);
        names.send(hello("0")).await.expect("capacity");
        let replies = greeter(channel).chat(ReceiverStream::new(receiver)).await.expect("replies");
        let mut replies = replies.into_inner();
        for n in 0..3 {
            let reply = replies.message().await.expect("a reply").expect("no end yet");
            assert_eq!(reply.message, format!("Hello {n}!"));
            poll_and_drop(replies.message(), polls).await;
            poll_and_drop(names.reserve(), polls).await;
            names.send(hello((n + 1).to_string())).await.expect("the call goes on");
        }
        drop(names);
        assert!(replies.message().await.expect("the last reply").is_some());
        assert!(replies.message().await.expect("the end").is_none());
    }
    let mut request = Request::new(Empty {});
    request.set_timeout(Duration::from_secs(1));
    let mut replies = test_service(channel).stall(request).await.expect("a stream").into_inner();
    assert!(replies.message().await.expect("a message").is_some());
    poll_and_drop(replies.message(), 2).await;
    let status = replies.message().await.expect_err("no other message");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

/// Polls a future `polls` times, or until it is ready, and drops it.
async fn poll_and_drop<F: Future>(future: F, polls: u32) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return;
        }
        yield_once().await;
    }
}

/// Metadata reaches the server and comes back, text and binary.
pub async fn metadata_travels_both_ways(channel: &Channel) {
    let binary: Vec<u8> = (0..=255).collect();
    let mut request = Request::new(hello("Ada"));
    request.metadata_mut().insert("x-text", "as it is".parse().expect("ASCII"));
    request.metadata_mut().insert_bin("x-binary-bin", MetadataValue::from_bytes(&binary));
    let response = greeter(channel).say_hello(request).await.expect("a reply");
    let metadata = response.metadata();
    assert_eq!(metadata.get("x-text").expect("text"), "as it is");
    assert_eq!(
        metadata.get_bin("x-binary-bin").expect("bytes").to_bytes().expect("base64"),
        binary
    );
}

/// A status arrives with its code, message, details and metadata, and the connection continues.
pub async fn a_status_arrives_whole(channel: &Channel) {
    for code in 1..=16 {
        let message = format!("Störung {code}: 100 %\nand more");
        let details: Vec<u8> = (0..=255).collect();
        let failure = Failure { code, message: message.clone(), details: details.clone() };
        let status = test_service(channel).fail(failure).await.expect_err("a failure");
        assert_eq!(status.code(), Code::from(code));
        assert_eq!(status.message(), message);
        assert_eq!(status.details(), details);
        assert_eq!(status.metadata().get("x-failure").expect("metadata"), "asked for");
    }
    assert_alive(channel).await;
}
