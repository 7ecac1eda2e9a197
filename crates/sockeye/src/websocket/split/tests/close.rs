//! A close frame follows what was queued before it.

use super::*;

/// Reads a little each second until the end, and returns the numbers before the close frame.
async fn read_slowly(peer: &mut DuplexStream) -> (Vec<u8>, Instant) {
    let (mut read, mut piece) = (Vec::new(), [0; 64]);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let got = peer.read(&mut piece).await.unwrap();
        read.extend_from_slice(&piece[..got]);
        if got == 0 || read.ends_with(&[0x88, 2, 3, 0xe8]) {
            return (read, Instant::now());
        }
    }
}

/// Returns the same as [`server_with_bare_peer`], without pings between the messages.
fn with_silent_peer() -> (Sender, Receiver, DuplexStream) {
    let (peer, stream) = duplex(64);
    let config = Config::new().ping_after(None);
    let server = websocket(stream, Connection::server(&config));
    let (sender, receiver) = server.split();
    (sender, receiver, peer)
}

#[tokio::test(start_paused = true)]
async fn close_follows_the_messages_queued_before_it() {
    let (sender, mut receiver, mut peer) = with_silent_peer();
    for number in 0..70 {
        sender.send(numbered(number)).await.unwrap();
    }
    let closing = tokio::spawn(async move {
        let closed = receiver.close(1000, "").await;
        (closed, Instant::now())
    });
    let (read, written) = read_slowly(&mut peer).await;
    assert_eq!(read.len(), 70 * 38 + 4, "all, and the close frame");
    sender.flush().await.unwrap();
    // The peer does not answer within `close_timeout`.
    let (closed, ended) = closing.await.unwrap();
    assert!(matches!(closed, Err(Error::TimedOut(TimedOut::Closing))), "{closed:?}");
    assert!((ended - written).as_secs() <= 5, "{:?}", ended - written);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receiver_closes_after_the_queued_messages_though_the_peer_reads_slowly() {
    let (sender, receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    for number in 0..70 {
        sender.send(numbered(number)).await.unwrap();
    }
    drop(receiver);
    let (read, _) = read_slowly(&mut peer).await;
    assert_eq!(read.len(), 70 * 38 + 4, "all, and the close frame");
    assert_eq!(read[70 * 38..], [0x88, 2, 3, 0xe9]);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_that_cannot_be_written_times_out() {
    let (sender, mut receiver, _peer) = server_with_bare_peer(SendQueue::new());
    for number in 0..100 {
        sender.send(numbered(number)).await.unwrap();
    }
    let started = Instant::now();
    let error = receiver.close(1000, "").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_close_frame_that_cannot_be_written_is_an_error() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    sender.send(vec![0; 1000]).await.unwrap();
    let_the_writer_fill_the_transport(&sender).await;
    peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let error = receiver.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_frame_follows_the_message_being_written() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    sender.send(vec![0; 1000]).await.unwrap();
    let_the_writer_fill_the_transport(&sender).await;
    peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let ((read, _), closed) = tokio::join!(read_slowly(&mut peer), receiver.recv());
    assert_eq!(read.len(), 4 + 1000 + 4);
    assert_eq!(closed.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_the_queue_is_written_before_a_close() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(queue_for(40, WhenFull::Wait));
    for number in 0..40 {
        sender.send(numbered(number)).await.unwrap();
    }
    sender.close(1000, "").unwrap();
    let receiving = tokio::spawn(async move { receiver.recv().await });
    peer.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let (read, _) = read_slowly(&mut peer).await;
    assert_eq!(read.len(), 40 * 38 + 4 + 4);
    assert!(read.windows(4).any(|four| four == [0x8a, 2, b'h', b'i']));
    receiving.abort();
}

#[tokio::test(start_paused = true)]
async fn close_when_follows_the_queued_messages() {
    let (mut client, mut server) = pair(64);
    server.close_when(std::future::ready(()), 4001);
    let (sender, mut receiver) = server.split();
    for number in 0..100 {
        sender.send(numbered(number)).await.unwrap();
    }
    let (arrived, closed) = tokio::join!(numbers(&mut client), receiver.recv());
    assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    assert_eq!(closed.unwrap(), None);
    assert_eq!(client.close_frame().unwrap().code, 4001.into());
}

#[tokio::test]
async fn a_dropped_receiver_still_reads_from_the_peer() {
    let (mut client, server) = pair(64);
    let (sender, receiver) = server.split();
    for number in 0..50 {
        sender.send(numbered(number)).await.unwrap();
    }
    drop(receiver);
    // The client reads only once its own message is written.
    client.send(vec![0; 10_000]).await.unwrap();
    assert_eq!(numbers(&mut client).await, (0..50).collect::<Vec<_>>());
    assert_eq!(client.close_frame().unwrap().code, CloseCode::GOING_AWAY);
}

#[tokio::test]
async fn a_close_frame_takes_a_number() {
    let (mut client, mut server) = pair(1 << 16);
    server.set_data("user");
    let (sender, mut receiver) = server.split();
    assert_eq!(receiver.data(), Some(&"user"));
    sender.close(4001, "by number").unwrap();
    let (closed, ended) = tokio::join!(client.recv(), receiver.recv());
    assert_eq!((closed.unwrap(), ended.unwrap()), (None, None));
    assert_eq!(client.close_frame().unwrap().code, CloseCode::from(4001));
}
