//! A connection that is aborted ends at once, without a close frame.

use std::io;

use tokio::net::{TcpListener, TcpStream};

use super::*;

#[tokio::test(start_paused = true)]
async fn an_abort_drops_what_is_queued() {
    let (sender, mut receiver, mut peer) = with_bare_peer(SendQueue::new());
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
    let (sender, mut receiver, _peer) = with_bare_peer(capacity_for(2, WhenFull::Wait));
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

#[tokio::test]
async fn an_abort_resets_a_tcp_connection() {
    for receiving in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (peer, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut peer, (server, _)) = (peer.unwrap(), server.unwrap());
        let connection = Connection::server(&Config::new());
        let server =
            WebSocket::new(server.into(), connection, BytesMut::new(), Negotiated::default());
        let (sender, mut receiver) = server.split();
        // More than the system holds for a peer that does not read.
        while sender.try_send(vec![0; 1 << 16]).is_ok() {}
        sender.abort();
        if receiving {
            assert!(matches!(receiver.recv().await, Err(Error::Closed(None))));
        } else {
            drop(receiver);
        }
        let mut read = Vec::new();
        let end = timeout(Duration::from_secs(60), peer.read_to_end(&mut read)).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
