//! Calls after the end of a connection return the error that ended it.

use std::future::poll_fn;

use futures_util::Sink;

use super::*;

type Check = fn(&Error) -> bool;

/// Sends in every way, and checks the errors.
async fn expect_of_all_that_sends(ws: &mut WebSocket, is_right: Check) {
    let errors = [
        ws.send("too late").await.unwrap_err(),
        ws.feed("too late").await.unwrap_err(),
        ws.ping(b"").await.unwrap_err(),
        poll_fn(|cx| Pin::new(&mut *ws).poll_ready(cx)).await.unwrap_err(),
    ];
    for (number, error) in errors.iter().enumerate() {
        assert!(is_right(error), "{number}: {error:?}");
    }
    assert!(matches!(ws.recv().await, Ok(None)), "that was reported before");
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_connection_whatever_sends_tells_the_loss() {
    let (raw, stream) = duplex(1000);
    let mut ws = server(stream);
    ws.feed("never written").await.unwrap();
    drop(raw);
    let first = ws.recv().await.unwrap_err();
    assert!(matches!(first, Error::Disconnected), "{first:?}");
    let is_right: Check = |error| matches!(error, Error::Disconnected);
    expect_of_all_that_sends(&mut ws, is_right).await;
    assert!(is_right(&ws.flush().await.unwrap_err()), "what was fed is lost");
    let flushed = poll_fn(|cx| Pin::new(&mut ws).poll_flush(cx)).await;
    assert!(is_right(&flushed.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn after_silence_whatever_sends_tells_that_the_peer_is_silent() {
    let (_raw, stream) = duplex(1000);
    let mut ws = server(stream);
    let is_right: Check = |error| matches!(error, Error::TimedOut(TimedOut::Keepalive));
    assert!(is_right(&ws.recv().await.unwrap_err()));
    expect_of_all_that_sends(&mut ws, is_right).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_broken_rule_whatever_sends_tells_it() {
    let (mut raw, stream) = duplex(1000);
    let mut ws = server(stream);
    raw.write_all(&[0x81, 0]).await.unwrap();
    let is_right: Check = |error| matches!(error, Error::Protocol(ProtocolError::Unmasked));
    assert!(is_right(&ws.recv().await.unwrap_err()));
    expect_of_all_that_sends(&mut ws, is_right).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_closing_handshake_whatever_sends_tells_the_peers_close_frame() {
    let (mut raw, stream) = duplex(1000);
    let mut ws = server(stream);
    raw.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa1]).await.unwrap();
    assert!(ws.recv().await.unwrap().is_none());
    let is_right: Check =
        |error| matches!(error, Error::Closed(Some(frame)) if frame.code == 4001.into());
    expect_of_all_that_sends(&mut ws, is_right).await;
    ws.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_empty_close_frame_can_be_sent() {
    let (mut raw, stream) = duplex(1000);
    let mut ws = server(stream);
    let error = ws.close(CloseCode::NO_STATUS_RCVD, "a reason").await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error:?}");
    raw.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
    ws.close(CloseCode::NO_STATUS_RCVD, "").await.unwrap();
    let mut frame = [0; 2];
    raw.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame, [0x88, 0]);
}
