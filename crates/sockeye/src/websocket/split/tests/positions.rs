//! The messages that `flush` waits for, and those that `close` keeps.

use futures_util::FutureExt as _;

use super::*;

#[tokio::test]
async fn flush_waits_for_queued_messages_though_others_are_replaced_meanwhile() {
    let (sender, _receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    sender.send(numbered(0)).await.unwrap();
    sender.send(numbered(1)).await.unwrap();
    let_the_writer_fill_the_transport(&sender).await;
    sender.send(numbered(2)).await.unwrap();
    sender.send_latest("key", numbered(3)).await.unwrap();
    let mut flushing = Box::pin(sender.flush());
    assert!(flushing.as_mut().now_or_never().is_none());
    for number in 4..20 {
        sender.send_latest("key", numbered(number)).await.unwrap();
    }
    assert!(flushing.as_mut().now_or_never().is_none(), "nothing was written");
    peer.read_exact(&mut [0; 4 * 38]).await.unwrap();
    flushing.await.unwrap();
    assert_eq!(sender.sent(), 4);
}

#[tokio::test]
async fn flush_waits_for_queued_messages_though_older_ones_are_dropped_meanwhile() {
    let (sender, _receiver, mut peer) = server_with_bare_peer(queue_for(4, WhenFull::DropOldest));
    for number in 0..4 {
        sender.send(numbered(number)).await.unwrap();
    }
    let_the_writer_fill_the_transport(&sender).await;
    let mut flushing = Box::pin(sender.flush());
    assert!(flushing.as_mut().now_or_never().is_none());
    // The messages that `flush` waits for are dropped or being written.
    for number in 4..20 {
        sender.send(numbered(number)).await.unwrap();
    }
    assert!(flushing.as_mut().now_or_never().is_none(), "the first are being written");
    peer.read_exact(&mut [0; 2 * 38]).await.unwrap();
    flushing.await.unwrap();
}

#[tokio::test]
async fn flush_succeeds_after_the_end_if_all_messages_were_written() {
    let (mut client, server) = pair(1 << 16);
    let (sender, mut receiver) = server.split();
    sender.send("written").await.unwrap();
    sender.close(1000, "").unwrap();
    let mut flushing = Box::pin(sender.flush());
    assert!(flushing.as_mut().now_or_never().is_none());
    let (message, closed) = tokio::join!(
        async {
            let message = client.recv().await.unwrap();
            assert_eq!(client.recv().await.unwrap(), None);
            message
        },
        receiver.recv()
    );
    assert_eq!((message, closed.unwrap()), (Some("written".into()), None));
    flushing.await.unwrap();
}

#[tokio::test]
async fn close_keeps_the_queue_from_a_send_that_is_about_to_drop_the_oldest() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Disconnect] {
        let (mut client, server) = pair(64);
        let (sender, mut receiver) = server.split_with(queue_for(4, when_full));
        for number in 0..4 {
            sender.send(numbered(number)).await.unwrap();
        }
        // Stands for another thread that closes after the send has found the queue full.
        sender.close(1000, "").unwrap();
        assert!(sender.overflow(100).is_err(), "{when_full:?}");
        assert_eq!(sender.dropped(), Dropped::default(), "{when_full:?}");
        let (arrived, _) = tokio::join!(numbers(&mut client), receiver.recv());
        assert_eq!(arrived, [0, 1, 2, 3], "{when_full:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_queued_before_a_close_arrive_while_senders_continue() {
    for round in 0..50u32 {
        let (mut client, server) = pair(64);
        let (sender, mut receiver) = server.split_with(queue_for(4, WhenFull::DropOldest));
        let sending = tokio::spawn({
            let sender = sender.clone();
            async move {
                let mut number = 0;
                while sender.send(numbered(number)).await.is_ok() {
                    number += 1;
                }
                number
            }
        });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        sender.close(1000, "").unwrap();
        let (arrived, closed) = tokio::join!(numbers(&mut client), receiver.recv());
        closed.unwrap();
        let taken = sending.await.unwrap();
        let dropped = sender.dropped();
        assert_eq!(arrived.len() as u64 + dropped.total(), u64::from(taken));
        assert_eq!(dropped.unsent, 0);
        assert_eq!(arrived.last().copied(), taken.checked_sub(1), "the newest is never dropped");
    }
}
