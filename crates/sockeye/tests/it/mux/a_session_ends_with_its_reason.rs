use sockeye::mux::{Config, DatagramError, ReadError, Session, SessionError, Violation};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{open, sessions, websockets};

#[tokio::test]
async fn a_close_ends_all_calls_of_both_ends() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let ((_send, mut recv), (_far_send, mut far_recv)) = open(&client, &server).await;
    client.close(3, "enough");
    assert!(matches!(client.closed().await, SessionError::LocallyClosed));
    let error = recv.read_chunk(1).await.unwrap_err();
    assert!(matches!(error, ReadError::Session(SessionError::LocallyClosed)), "{error:?}");
    let error = far_recv.read_chunk(1).await.unwrap_err();
    let ReadError::Session(SessionError::Closed { code: 3, reason }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(reason, "enough");
    for error in [
        server.open_bi().await.err(),
        server.accept_uni().await.err(),
        server.read_datagram().await.err(),
    ] {
        assert!(matches!(error, Some(SessionError::Closed { code: 3, .. })), "{error:?}");
    }
    let error = server.send_datagram("late".into()).unwrap_err();
    assert!(matches!(error, DatagramError::Session(_)), "{error:?}");
}

#[tokio::test]
async fn the_websocket_is_closed_after_the_session() {
    let (near, mut far) = websockets().await;
    let client = Session::client(near, Config::new());
    client.close(3, "enough");
    while far.recv().await.unwrap().is_some() {}
    assert_eq!(far.close_frame().map(|frame| frame.code), Some(CloseCode::NORMAL_CLOSURE));
}

#[tokio::test]
async fn a_session_ends_with_its_last_handle_after_finished_streams() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let mut send = client.open_uni().await.unwrap();
    send.write_all(&vec![7; 100_000]).await.unwrap();
    send.finish().unwrap();
    drop(client);
    drop(send);
    let mut recv = server.accept_uni().await.unwrap();
    let mut data = Vec::new();
    recv.read_to_end(&mut data).await.unwrap();
    assert_eq!(data, vec![7; 100_000]);
    let end = server.closed().await;
    assert!(matches!(end, SessionError::Closed { code: 0, .. }), "{end:?}");
}

#[tokio::test]
async fn a_stream_keeps_its_session() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let ((mut send, _recv), (_far_send, mut far_recv)) = open(&client, &server).await;
    drop(client);
    send.write_all(b"y").await.unwrap();
    assert_eq!(far_recv.read_u8().await.unwrap(), b'y');
}

#[tokio::test]
async fn a_lost_connection_is_an_error() {
    let (near, far) = tokio::io::duplex(1000);
    let client = Session::client_over(near, Config::new());
    drop(far);
    let end = client.closed().await;
    assert!(matches!(end, SessionError::Disconnected | SessionError::Transport(_)), "{end:?}");
}

#[tokio::test]
async fn a_websocket_without_a_subprotocol_is_refused() {
    let (near, far) = tokio::io::duplex(1000);
    let (client, server) = (Client::new("ws://localhost/"), Upgrader::new());
    let (near, far) = tokio::join!(client.handshake(near), server.accept(far));
    let client = Session::client(near.unwrap(), Config::new());
    assert!(matches!(client.closed().await, SessionError::Subprotocol));
    let mut far = far.unwrap();
    assert_eq!(far.recv().await.unwrap(), None);
    assert_eq!(far.close_frame().map(|frame| frame.code), Some(CloseCode::PROTOCOL_ERROR));
}

#[tokio::test]
async fn text_breaks_a_rule() {
    let (near, mut far) = websockets().await;
    let client = Session::client(near, Config::new());
    far.send("text").await.unwrap();
    let end = client.closed().await;
    assert!(matches!(end, SessionError::Violation(Violation::Text)), "{end:?}");
}

#[tokio::test]
async fn a_message_that_is_no_record_breaks_a_rule() {
    let (near, mut far) = websockets().await;
    let client = Session::client(near, Config::new());
    far.send(vec![0x01]).await.unwrap();
    let end = client.closed().await;
    let violation = Violation::ProhibitedFrame { kind: 1 };
    assert!(matches!(end, SessionError::Violation(found) if found == violation), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_ends_the_session() {
    let (near, far) = tokio::io::duplex(100_000);
    let client = Session::client_over(near, Config::new());
    let server = Session::server_over(far, Config::new());
    drop(open(&client, &server).await);
    // Both ends ping each other for as long as time passes.
    tokio::time::sleep(std::time::Duration::from_secs(1000)).await;
    assert!(!client.is_closed());

    let (near, _far) = tokio::io::duplex(100_000);
    let client = Session::client_over(near, Config::new());
    assert!(matches!(client.closed().await, SessionError::HandshakeTimeout));
}
