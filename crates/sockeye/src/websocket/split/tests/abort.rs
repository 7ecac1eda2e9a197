//! A connection that is aborted ends at once, without a close frame.

use std::io;

use tokio::net::{TcpListener, TcpStream};

use super::*;

#[tokio::test(start_paused = true)]
async fn an_abort_drops_the_queued_messages() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    for number in 0..10 {
        sender.send(numbered(number)).await.unwrap();
    }
    let_the_writer_fill_the_transport(&sender).await;
    peer.write_all(&[0x82, 0x80, 0, 0, 0, 0]).await.unwrap();
    sender.abort();
    assert!(sender.is_closed());
    let error = receiver.recv().await.unwrap_err();
    assert!(matches!(error, Error::Closed(None)), "{error:?}");
    assert!(matches!(receiver.recv().await, Ok(None)));
    assert_eq!(sender.try_send("late"), Err(TrySendError::Closed("late".into())));
    assert!(is_closing(&sender.send("late").await));
    assert!(is_closing(&sender.flush().await));
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert_eq!(read.len(), 64, "what the transport had taken");
    assert_eq!((sender.queued(), sender.sent(), sender.dropped().unsent), (0, 0, 10));
    sender.abort();
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_every_wait() {
    let (sender, mut receiver, _peer) = server_with_bare_peer(queue_for(2, WhenFull::Wait));
    for number in 0..2 {
        sender.send(numbered(number)).await.unwrap();
    }
    let_the_writer_fill_the_transport(&sender).await;
    let waiting = sender.clone();
    let waiting = tokio::spawn(async move {
        let long = async { waiting.send(vec![0; 1000]).await };
        tokio::join!(long, waiting.flush(), async { waiting.ping().await.map(drop) })
    });
    let receiving = tokio::spawn(async move { receiver.recv().await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished() && !receiving.is_finished());
    let begun = Instant::now();
    sender.close(1000, "never written").unwrap();
    sender.abort();
    let (sent, flushed, answered) = waiting.await.unwrap();
    assert!(is_closing(&sent) && is_closing(&flushed) && is_closing(&answered));
    assert!(matches!(receiving.await.unwrap(), Err(Error::Closed(None))));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// Returns the halves of a server's connection over TCP, and its peer.
async fn over_tcp() -> (Sender, Receiver, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (peer, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let connection = Connection::server(&Config::new());
    let transport = server.unwrap().0.into();
    let server =
        WebSocket::new(transport, connection, BytesMut::new(), NegotiatedHeaders::default());
    let (sender, receiver) = server.split();
    (sender, receiver, peer.unwrap())
}

async fn expect_reset(mut peer: TcpStream) {
    let mut read = Vec::new();
    let end = timeout(Duration::from_secs(60), peer.read_to_end(&mut read)).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_abort_after_the_receiver_was_dropped_resets_a_tcp_connection() {
    for seen_by_the_task in [false, true] {
        let (sender, receiver, peer) = over_tcp().await;
        while sender.try_send(vec![0; 1 << 16]).is_ok() {}
        drop(receiver);
        if seen_by_the_task {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        sender.abort();
        expect_reset(peer).await;
    }
}

#[tokio::test]
async fn the_last_output_of_a_dropped_receiver_arrives_though_input_is_unread() {
    let (sender, receiver, mut peer) = over_tcp().await;
    // More than one segment, and nothing of it is read before the receiver is dropped.
    peer.write_all(&vec![0; 100_000]).await.unwrap();
    sender.send("last").await.unwrap();
    drop((sender, receiver));
    let mut read = Vec::new();
    let close = [0x88, 2, 3, 0xe9];
    let read_all = async {
        while !read.ends_with(&close) {
            assert_ne!(peer.read_buf(&mut read).await.unwrap(), 0);
        }
        // The peer goes on for a while before it ends its half.
        peer.write_all(&vec![0; 100_000]).await.unwrap();
        assert_eq!(peer.read_buf(&mut read).await.unwrap(), 0);
    };
    timeout(Duration::from_secs(60), read_all).await.unwrap();
    assert_eq!(read, [&[0x81, 4][..], b"last", &close].concat());
}

#[tokio::test]
async fn an_abort_resets_a_tcp_connection() {
    for receiving in [true, false] {
        let (sender, mut receiver, peer) = over_tcp().await;
        // More than the system holds for a peer that does not read.
        while sender.try_send(vec![0; 1 << 16]).is_ok() {}
        sender.abort();
        if receiving {
            assert!(matches!(receiver.recv().await, Err(Error::Closed(None))));
        } else {
            drop(receiver);
        }
        expect_reset(peer).await;
    }
}
