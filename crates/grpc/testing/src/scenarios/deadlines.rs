//! Calls that exceed their deadlines.

use std::time::Duration;

use sockeye_grpc::Channel;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use super::{assert_alive, assert_all_calls_end, greeter, hello, test_service};
use crate::proto::Empty;

/// A deadline that passes on any machine, for calls to a server that never answers.
const SHORT: Duration = Duration::from_millis(50);

/// A deadline longer than any test.
const LONG: Duration = Duration::from_secs(1000);

fn with_deadline<T>(message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

/// A call that is answered in time is unaffected by its deadline.
pub async fn a_deadline_that_is_met_changes_nothing(channel: &Channel) {
    for _ in 0..100 {
        let request = with_deadline(hello("Ada"), LONG);
        let reply = greeter(channel).say_hello(request).await.expect("a reply").into_inner();
        assert_eq!(reply.message, "Hello Ada!");
    }
}

/// A call that is not answered fails as `deadline_exceeded`, and ends at the server.
pub async fn a_call_without_answer_ends_at_its_deadline(channel: &Channel) {
    let request = with_deadline(Empty {}, SHORT);
    let status = test_service(channel).hang(request).await.expect_err("no answer");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_all_calls_end(channel).await;
}

/// A deadline of zero has passed before the call begins.
pub async fn a_deadline_of_zero_is_over_at_once(channel: &Channel) {
    let request = with_deadline(Empty {}, Duration::ZERO);
    let status = test_service(channel).hang(request).await.expect_err("no answer");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_alive(channel).await;
}

/// The deadline covers the messages of a stream, before which no error occurs.
pub async fn a_stream_ends_at_its_deadline(channel: &Channel) {
    let request = with_deadline(Empty {}, SHORT * 4);
    let mut replies = test_service(channel).stall(request).await.expect("a stream").into_inner();
    assert!(replies.message().await.expect("the first message").is_some());
    let status = replies.message().await.expect_err("no other message");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_all_calls_end(channel).await;
}

/// The deadline covers requests in progress: the server sees their stream end.
pub async fn a_stream_of_requests_ends_at_its_deadline(channel: &Channel) {
    let (names, receiver) = tokio::sync::mpsc::channel(1);
    names.send(hello("Ada")).await.expect("room");
    let request = with_deadline(ReceiverStream::new(receiver), SHORT);
    let status = greeter(channel).collect(request).await.expect_err("no answer");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_all_calls_end(channel).await;
    names.closed().await;
}
