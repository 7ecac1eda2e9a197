//! Sessions of many streams on one WebSocket.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_session_ends_with_its_reason;
mod a_session_is_charged_to_a_budget;
mod a_session_outlives_its_websocket;
mod echo;
mod interop_with_npm_qmux;
mod streams_are_independent;

use bytes::Bytes;
use sockeye::mux::{Config, ReadError, RecvStream, SUBPROTOCOL, SendStream, Session, SessionError};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::echo::echo;

const STREAMS: usize = 4;
const STREAM_LENGTH: usize = 2_500_000;
const UNI_LENGTH: usize = 1_000_000;
const RESET_CODE: u64 = 41;

/// Length of the data of streams that are stopped, in bytes: short, since `@moq/qmux` does not return
/// the data that crosses the stop to the window of the session, which is 1 MiB.
const STOPPED_LENGTH: usize = 20_000;

/// Returns both ends of a WebSocket in memory.
async fn websockets() -> (WebSocket, WebSocket) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let client = Client::new("ws://localhost/").subprotocols([SUBPROTOCOL]);
    let server = Upgrader::new().options(Options::new().subprotocols([SUBPROTOCOL]));
    let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
    (client.unwrap(), server.unwrap())
}

/// Returns both ends of a session.
async fn sessions(client: Config, server: Config) -> (Session, Session) {
    let (near, far) = websockets().await;
    (Session::client(near, client), Session::server(far, server))
}

/// Opens a stream at the client, and returns both ends of it.
async fn open(
    client: &Session,
    server: &Session,
) -> ((SendStream, RecvStream), (SendStream, RecvStream)) {
    let mut near = client.open_bi().await.unwrap();
    near.0.write_all(b"x").await.unwrap();
    let mut far = server.accept_bi().await.unwrap();
    assert_eq!(far.1.read_u8().await.unwrap(), b'x');
    (near, far)
}

/// Returns bytes that depend on the seed.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from((index * 31 + seed) % 251).unwrap()).collect()
}

/// Stops streams in the middle of their data of this length, which leaves the session as it is.
async fn stop(session: &Session, length: usize) {
    for seed in 0..10 {
        let (mut send, mut recv) = session.open_bi().await.unwrap();
        let writer = tokio::spawn(async move {
            // The peer stops this direction in turn, or reads all of it.
            let _ = send.write_all(&bytes(seed, length)).await;
            send
        });
        recv.read_chunk(1000).await.unwrap().unwrap();
        recv.stop(9);
        drop(writer.await.unwrap());
    }
}

/// Talks to an echo server over all kinds of streams, and closes the session with the code 7.
async fn talk(session: &Session) {
    stop(session, STOPPED_LENGTH).await;
    let mut streams = Vec::new();
    for seed in 0..STREAMS {
        let (mut send, mut recv) = session.open_bi().await.unwrap();
        streams.push(tokio::spawn(async move {
            let data = bytes(seed, STREAM_LENGTH);
            let mut echoed = Vec::new();
            let write = async {
                send.write_all(&data).await.unwrap();
                send.finish().unwrap();
            };
            let (read, ()) = tokio::join!(recv.read_to_end(&mut echoed), write);
            read.unwrap();
            assert!(echoed == data, "stream {seed} came back changed");
        }));
    }
    for stream in streams {
        stream.await.unwrap();
    }

    let mut send = session.open_uni().await.unwrap();
    send.write_all(&bytes(100, UNI_LENGTH)).await.unwrap();
    send.finish().unwrap();
    let mut echoed = Vec::new();
    session.accept_uni().await.unwrap().read_to_end(&mut echoed).await.unwrap();
    assert!(echoed == bytes(100, UNI_LENGTH), "the unidirectional stream came back changed");

    let (mut send, mut recv) = session.open_bi().await.unwrap();
    send.write_all(b"x").await.unwrap();
    assert_eq!(recv.read_u8().await.unwrap(), b'x');
    send.reset(RESET_CODE);
    let error = recv.read_chunk(1).await.unwrap_err();
    assert!(matches!(error, ReadError::Reset(RESET_CODE)), "{error:?}");

    session.send_datagram(bytes(0, 1000).into()).unwrap();
    assert_eq!(session.read_datagram().await.unwrap(), Bytes::from(bytes(0, 1000)));
    session.close(7, "done");
}

/// Checks the end of the peer of [`talk`].
fn assert_done(end: &SessionError) {
    let SessionError::Closed { code: 7, reason } = end else { panic!("{end:?}") };
    assert_eq!(reason, "done");
}
