//! Pings that a sender waits for.

use super::*;
use crate::driver::handler;

/// Reads a ping of a sender and returns its payload.
async fn read_ping(peer: &mut DuplexStream) -> Vec<u8> {
    let mut frame = [0; 14];
    peer.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[..2], [0x89, 12]);
    frame[2..].to_vec()
}

/// Sends a pong, masked with zeros.
async fn send_pong(peer: &mut DuplexStream, payload: &[u8]) {
    let header = [0x8a, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    peer.write_all(&[&header[..], payload].concat()).await.unwrap();
}

/// Receives until the end, and counts the messages.
async fn receive_all(mut receiver: Receiver) -> Result<u32> {
    let mut messages = 0;
    while receiver.recv().await?.is_some() {
        messages += 1;
    }
    Ok(messages)
}

#[tokio::test(start_paused = true)]
async fn a_ping_returns_the_round_trip_time_and_keeps_messages_that_arrive_meanwhile() {
    let (sender, receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    let receiving = tokio::spawn(receive_all(receiver));
    let ping = tokio::spawn(async move { sender.ping().await });
    let payload = read_ping(&mut peer).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    peer.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
    // Neither the pong of another ping nor an unsolicited one.
    send_pong(&mut peer, b"").await;
    send_pong(&mut peer, b"ping").await;
    send_pong(&mut peer, b"ping\0\0\0\0\0\0\0\0").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!ping.is_finished());
    send_pong(&mut peer, &payload).await;
    assert_eq!(ping.await.unwrap().unwrap(), Duration::from_millis(300));
    peer.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_pong_of_a_later_ping_answers_those_before() {
    let (sender, receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    tokio::spawn(receive_all(receiver));
    let (early, late) = (sender.clone(), sender.clone());
    let early = tokio::spawn(async move { early.ping().await });
    let first = read_ping(&mut peer).await;
    // A ping that is given up leaves nothing behind.
    assert!(timeout(Duration::from_secs(1), sender.ping()).await.is_err());
    let second = read_ping(&mut peer).await;
    let late = tokio::spawn(async move { late.ping().await });
    let third = read_ping(&mut peer).await;
    assert!(first < second && second < third);
    send_pong(&mut peer, &third).await;
    assert_eq!(early.await.unwrap().unwrap(), Duration::from_secs(1));
    assert_eq!(late.await.unwrap().unwrap(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pings_that_wait_for_the_writer_share_one() {
    let (sender, receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    tokio::spawn(receive_all(receiver));
    // The transport holds 64 bytes, so that the writer waits within this message.
    sender.send(vec![7; 1000]).await.unwrap();
    tokio::task::yield_now().await;
    let pings: Vec<_> = (0..100)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.ping().await })
        })
        .collect();
    tokio::task::yield_now().await;
    peer.read_exact(&mut [0; 1004]).await.unwrap();
    let payload = read_ping(&mut peer).await;
    sender.send("x").await.unwrap();
    let mut next = [0; 3];
    peer.read_exact(&mut next).await.unwrap();
    assert_eq!(next, [0x81, 1, b'x'], "one ping for all");
    send_pong(&mut peer, &payload).await;
    for ping in pings {
        ping.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_ends_with_the_connection() {
    let (sender, receiver, peer) = server_with_bare_peer(SendQueue::new());
    tokio::spawn(receive_all(receiver));
    let waiting = sender.clone();
    let ping = tokio::spawn(async move { waiting.ping().await });
    tokio::task::yield_now().await;
    drop(peer);
    let error = ping.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error:?}");
    let error = sender.ping().await.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_a_connection_that_was_split_in_a_handler_is_answered() {
    let (mut peer, stream) = duplex(1000);
    let mut ws = server(stream);
    peer.write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x'].repeat(2)).await.unwrap();
    let handling = tokio::spawn(handler::run(async move {
        let message = ws.recv().await.unwrap().unwrap();
        // More input is available, so that this is left to the handler's task.
        ws.send(message).await.unwrap();
        let (sender, receiver) = ws.split();
        tokio::spawn(receive_all(receiver));
        sender.ping().await.unwrap();
    }));
    let mut answer = [0; 3];
    peer.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x82, 1, b'x']);
    let payload = read_ping(&mut peer).await;
    send_pong(&mut peer, &payload).await;
    timeout(Duration::from_secs(1), handling).await.expect("the pong arrives").unwrap();
}
