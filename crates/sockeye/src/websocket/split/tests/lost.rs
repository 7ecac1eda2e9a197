//! Senders get the error that ended the connection.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_sender_fails_once_the_peer_is_gone() {
    let (sender, mut receiver, peer) = server_with_bare_peer(SendQueue::new());
    drop(peer);
    assert!(matches!(receiver.recv().await, Err(Error::Disconnected)));
    for _ in 0..2 {
        let error = sender.send("too late").await.unwrap_err();
        assert!(matches!(error, Error::Disconnected), "{error:?}");
    }
    assert!(matches!(receiver.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn a_sender_fails_when_the_transport_takes_nothing() {
    let (sender, mut receiver, _peer) = server_with_bare_peer(SendQueue::new());
    sender.send(vec![7; 1000]).await.unwrap();
    let error = sender.flush().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
    // Before the receiver has looked, and after.
    let error = sender.send("too late").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
    assert!(matches!(receiver.recv().await, Err(Error::TimedOut(TimedOut::Writing))));
    let error = sender.send("too late").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sender_gets_the_close_frame_of_the_peer() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).await.unwrap();
    drop(peer);
    assert!(receiver.recv().await.unwrap().is_none());
    let error = sender.send("too late").await.unwrap_err();
    assert!(matches!(&error, Error::Closed(Some(frame)) if frame.code == 1001.into()), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn both_halves_can_send_an_empty_close_frame() {
    for by_receiver in [false, true] {
        let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
        let error = sender.close(CloseCode::NO_STATUS_RCVD, "a reason").unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        if !by_receiver {
            sender.close(CloseCode::NO_STATUS_RCVD, "").unwrap();
        }
        let closing = tokio::spawn(async move {
            receiver.close(CloseCode::NO_STATUS_RCVD, "").await.unwrap();
        });
        let mut frame = [0; 2];
        peer.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [0x88, 0]);
        peer.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
        closing.await.unwrap();
    }
}
