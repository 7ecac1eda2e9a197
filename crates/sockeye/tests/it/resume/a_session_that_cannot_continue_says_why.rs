use std::io;
use std::time::Duration;

use sockeye::Client;
use sockeye::reconnect::{Backoff, Reconnecting};
use sockeye::resume::{Error, ResumableStream, ResumeError, SUBPROTOCOL};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy::Proxy;
use super::{client, expiring, pair, serve, session_error};
use crate::relay;

#[tokio::test]
async fn a_server_that_was_restarted_does_not_know_the_session() {
    let mut first = serve(|sessions| sessions).await;
    let second = serve(|sessions| sessions).await;
    let proxy = Proxy::start(first.address).await;
    let [mut client, server] = pair(&mut first, proxy.address).await;
    client.write_all(b"unread").await.unwrap();
    proxy.redirect(second.address);
    first.task.abort();
    proxy.cut();
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(session_error(&error), ResumeError::Unknown);
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    // Later calls return the same error, and the unread byte is not taken for the whole.
    assert_eq!(session_error(&client.write(b"x").await.unwrap_err()), ResumeError::Unknown);
    assert_eq!(session_error(&client.shutdown().await.unwrap_err()), ResumeError::Unknown);
    assert!(client.acknowledged().await.is_err());
    drop(server);
}

#[tokio::test]
async fn a_session_without_a_websocket_expires() {
    let expiry = Duration::from_millis(200);
    let mut serving = serve(|sessions| sessions.limits(expiring(expiry))).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    client.write_all(b"unread").await.unwrap();
    client.flush().await.unwrap();
    proxy.close(true);
    for stream in [&mut client, &mut server] {
        // The server may have received the bytes, and reads them before the error.
        let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(session_error(&error), ResumeError::Expired { after: Some(expiry) });
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

#[tokio::test]
async fn a_client_that_comes_late_learns_of_the_expiry() {
    let expiry = Duration::from_millis(300);
    let mut serving = serve(|sessions| sessions.limits(expiring(expiry))).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    // The server alone loses the connection, and the client notices when it writes.
    server.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    proxy.close(true);
    assert!(server.read_u8().await.is_err());
    proxy.close(false);
    let error = client.read_u8().await.unwrap_err();
    assert!(matches!(session_error(&error), ResumeError::Expired { .. }), "{error:?}");
}

#[tokio::test]
async fn a_dropped_stream_is_a_reset() {
    let mut serving = serve(|sessions| sessions).await;
    let address = serving.address;
    for dropped in 0..2 {
        let [client, server] = pair(&mut serving, address).await;
        let (mut kept, other) = if dropped == 0 { (server, client) } else { (client, server) };
        drop(other);
        let error = kept.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(session_error(&error), ResumeError::Reset);
    }
}

#[tokio::test]
async fn a_server_has_only_so_many_sessions() {
    let mut serving = serve(|sessions| sessions.max_sessions(1)).await;
    let address = serving.address;
    let [first, mut server] = pair(&mut serving, address).await;
    let error = ResumableStream::connect(client(address)).await.unwrap_err();
    assert!(matches!(error, Error::Session(ResumeError::Full)), "{error:?}");
    drop(first);
    // The place is free once the server has noticed the end.
    assert!(server.read_u8().await.is_err());
    assert!(ResumableStream::connect(client(address)).await.is_ok());
}

#[tokio::test]
async fn a_server_without_the_protocol_is_named() {
    let address = relay::echo_server().await;
    let error = ResumableStream::connect(client(address)).await.unwrap_err();
    // The client requires an answer to its request for the subprotocol, or this layer does.
    assert!(error.to_string().contains(SUBPROTOCOL), "{error}");
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let backoff = Backoff::new().base(Duration::from_millis(1)).max_attempts(Some(3));
    let url = format!("ws://{}/", proxy.address);
    let reconnecting = Reconnecting::new(Client::new(url).subprotocols([SUBPROTOCOL]));
    let mut client = ResumableStream::connect(reconnecting.backoff(backoff)).await.unwrap();
    let _server = serving.listener.accept().await.unwrap();
    proxy.close(true);
    let error = client.read_u8().await.unwrap_err();
    let error = error.get_ref().and_then(|error| error.downcast_ref()).unwrap();
    assert!(matches!(error, Error::Connection(_)), "{error:?}");
}
