//! Cancelled calls.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use sockeye_grpc::Channel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{assert_alive, assert_all_calls_end, greeter, hello, test_service};
use crate::proto::{DownloadRequest, Empty};
use crate::yield_once;

/// Number of calls of each kind.
const CALLS: u32 = 1000;

const BURST: u32 = 10_000;

/// Lengths of messages that a server sends as fast as it can, in bytes. With long messages, a
/// window of 2 MiB is in flight when the call is dropped, which takes 40 ms in unoptimized builds;
/// with short ones, some thousand messages.
const LONG: u32 = 32 * 1024;
const SHORT: u32 = 20;

/// 1,000 server streams are dropped after their first message, some with a whole window in flight;
/// the connection survives.
pub async fn cancelled_server_streams_end(channel: &Channel) {
    for n in 0..CALLS {
        let length = match n % 20 {
            0 => LONG,
            1 => SHORT,
            _ => {
                let mut replies = test_service(channel).stall(Empty {}).await.expect("a stream");
                assert!(replies.get_mut().message().await.expect("a message").is_some());
                continue;
            }
        };
        let endless = DownloadRequest { length, count: 0, piecemeal: true };
        let mut replies =
            test_service(channel).download(endless).await.expect("a stream").into_inner();
        assert!(replies.message().await.expect("a message").is_some());
    }
    assert_all_calls_end(channel).await;
    assert_alive(channel).await;
}

/// 1,000 client streams are dropped after their first message; the connection survives.
pub async fn cancelled_client_streams_end(channel: &Channel) {
    for _ in 0..CALLS {
        let (names, receiver) = mpsc::channel(1);
        names.send(hello("Ada")).await.expect("capacity");
        let mut greeter = greeter(channel);
        let mut call = pin!(greeter.collect(ReceiverStream::new(receiver)));
        // The first message was taken once there is capacity for the second.
        let mut capacity = pin!(names.reserve());
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            capacity.as_mut().poll(cx).map(|capacity| assert!(capacity.is_ok()))
        })
        .await;
    }
    assert_all_calls_end(channel).await;
    assert_alive(channel).await;
}

/// 1,000 conversations are dropped after their first answer while requests continue; the connection
/// survives.
pub async fn cancelled_conversations_end(channel: &Channel) {
    for _ in 0..CALLS {
        let (names, receiver) = mpsc::channel(1);
        names.send(hello("Ada")).await.expect("capacity");
        let replies = greeter(channel).chat(ReceiverStream::new(receiver)).await;
        let mut replies = replies.expect("a stream").into_inner();
        assert!(replies.message().await.expect("a reply").is_some());
        drop(replies);
        // The call drops the requests that it was to send.
        names.closed().await;
    }
    assert_all_calls_end(channel).await;
    assert_alive(channel).await;
}

/// 10,000 calls are begun and dropped as fast as possible; the connection survives.
pub async fn a_burst_of_cancelled_calls_is_survived(channel: &Channel) {
    for n in 0..BURST {
        let mut test_service = test_service(channel);
        let mut call = pin!(test_service.hang(Empty {}));
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // Some calls are dropped before they have left the program, some after.
        if n % 3 == 0 {
            yield_once().await;
        }
    }
    assert_all_calls_end(channel).await;
    assert_alive(channel).await;
}

/// 10,000 calls are begun, and then all dropped at once.
pub async fn calls_cancelled_all_at_once_end(channel: &Channel) {
    let mut calls = Vec::new();
    for _ in 0..BURST {
        let mut test_service = test_service(channel);
        let mut call = Box::pin(async move { test_service.hang(Empty {}).await });
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        calls.push(call);
    }
    for _ in 0..10 {
        yield_once().await;
    }
    drop(calls);
    assert_all_calls_end(channel).await;
    assert_alive(channel).await;
}
