//! A queue is full only when the transport takes nothing.

use futures_util::FutureExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const DROPPING: [WhenFull; 3] = [WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Disconnect];

async fn tcp_pair() -> (WebSocket, WebSocket) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let config = Config::new();
    let over = |stream: TcpStream, connection| {
        WebSocket::new(stream.into(), connection, BytesMut::new(), NegotiatedHeaders::default())
            .with_timeouts(&config)
    };
    (
        over(client.unwrap(), Connection::client(&config, || [1, 2, 3, 4])),
        over(server.unwrap().0, Connection::server(&config)),
    )
}

/// Echoes `count` messages that are sent in one go, to a client that reads all along.
async fn echoes_all(when_full: WhenFull, count: usize, length: usize) {
    let (mut client, server) = tcp_pair().await;
    let queue = SendQueue::new().capacity(64 * 1024).when_full(when_full);
    let (sender, mut receiver) = server.split_with(queue);
    let echo = tokio::spawn(async move {
        while let Some(message) = receiver.recv().await? {
            sender.send(message).await?;
        }
        Ok::<_, Error>(sender.dropped())
    });
    let (mut sent, mut back) = (0, 0);
    while back < count {
        if sent < count {
            client.feed(vec![b'x'; length]).await.unwrap();
            sent += 1;
            continue;
        }
        let message = client.recv().await.unwrap();
        assert!(message.is_some(), "{when_full:?}: {:?}", client.close_frame());
        back += 1;
    }
    client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert_eq!(echo.await.unwrap().unwrap(), Dropped::default(), "{when_full:?}");
}

#[tokio::test]
async fn a_peer_that_reads_loses_nothing_under_any_policy() {
    for when_full in DROPPING {
        timeout(Duration::from_secs(120), echoes_all(when_full, 100, 4096)).await.unwrap();
        timeout(Duration::from_secs(120), echoes_all(when_full, 300, 1000)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_loses_nothing_with_threads() {
    for when_full in DROPPING {
        timeout(Duration::from_secs(120), echoes_all(when_full, 100, 4096)).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_reads_loses_nothing_over_a_transport_that_holds_little() {
    for when_full in DROPPING {
        let (mut client, server) = pair(64);
        let (sender, mut receiver) = server.split_with(queue_for(3, when_full));
        let reading = tokio::spawn(async move { numbers(&mut client).await });
        for number in 0..1000 {
            sender.send(numbered(number)).await.unwrap();
        }
        sender.close(1000, "").unwrap();
        assert_eq!(receiver.recv().await.unwrap(), None);
        assert_eq!(reading.await.unwrap(), (0..1000).collect::<Vec<_>>(), "{when_full:?}");
    }
}

#[tokio::test]
async fn try_send_writes_until_the_transport_is_full() {
    let (peer, stream) = duplex(1 << 16);
    let (sender, _receiver) = server(stream).split_with(queue_for(4, WhenFull::Wait));
    // The writer task does not run, as nothing is awaited.
    let mut taken = 0;
    while sender.try_send(numbered(taken)).is_ok() {
        taken += 1;
    }
    let written = usize::try_from(sender.sent()).unwrap();
    assert!(taken > 1000 && written * 38 >= (1 << 16) - 3 * 38, "{taken} taken, {written} written");
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_write_by_the_sender_itself_has_the_write_timeout() {
    let (sender, mut receiver, _peer) = server_with_bare_peer(queue_for(4, WhenFull::Wait));
    while sender.try_send(numbered(0)).is_ok() {}
    let error = receiver.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
}

#[tokio::test]
async fn a_message_that_is_not_finished_does_not_disconnect_the_peer() {
    let (mut client, server) = pair(1 << 16);
    let (sender, _receiver) = server.split_with(queue_for(3, WhenFull::Disconnect));
    let mut long = sender.send_stream(sockeye_proto::Kind::Binary).await.unwrap();
    long.write_all(&[0; 10]).await.unwrap();
    long.flush().await.unwrap();
    for number in 0..3 {
        sender.send(numbered(number)).await.unwrap();
    }
    let mut held = Box::pin(sender.send(numbered(3)));
    for _ in 0..100 {
        assert!(held.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    long.finish().await.unwrap();
    held.await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(vec![0; 10].into()));
    for number in 0..4 {
        assert_eq!(client.recv().await.unwrap(), Some(numbered(number)));
    }
    assert_eq!(sender.dropped().total(), 0);
}

#[tokio::test]
async fn the_latest_of_a_key_takes_the_capacity_of_the_message_it_replaces() {
    for when_full in
        [WhenFull::Wait, WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Disconnect]
    {
        let (mut client, server) = pair(64);
        let (sender, mut receiver) = server.split_with(queue_for(4, when_full));
        for number in 0..3 {
            sender.send(numbered(number)).await.unwrap();
        }
        let_the_writer_fill_the_transport(&sender).await;
        sender.send_latest("key", numbered(3)).await.unwrap();
        for number in 4..8 {
            let latest = sender.send_latest("key", numbered(number)).now_or_never();
            latest.expect("at once").unwrap();
        }
        sender.close(1000, "").unwrap();
        let (arrived, _) = tokio::join!(numbers(&mut client), receiver.recv());
        assert_eq!(arrived, [0, 1, 2, 7], "{when_full:?}");
    }
}
