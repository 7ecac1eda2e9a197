//! The crate `qmux` as a server and as a client, over a WebSocket and over TCP.

use bytes::Bytes;
use qmux::{Session as Theirs, Version, tcp, ws};
use sockeye::mux::{Config, ReadError, SUBPROTOCOL, Session, SessionError};
use sockeye::upgrade::Options;
use sockeye::{Client, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use web_transport_trait::{Error as _, RecvStream as _, SendStream as _, Session as _};

/// Our server.
#[path = "../../../crates/sockeye/tests/it/mux/echo.rs"]
mod our;

const STREAMS: usize = 4;
const STREAM_LENGTH: usize = 2_500_000;
const UNI_LENGTH: usize = 1_000_000;
const RESET_CODE: u32 = 41;

/// Length of the data of streams that are stopped, in bytes: short, since the crate does not return
/// the unread data of such streams to the window of the session, which is 1 MiB.
const STOPPED_LENGTH: usize = 20_000;

/// Returns bytes that depend on the seed.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from((index * 31 + seed) % 251).unwrap()).collect()
}

/// Talks to an echo server with our client, and closes the session with the code 7.
async fn we_talk(session: Session) {
    for seed in 0..10 {
        // A stream that is stopped in the middle of its data leaves the session as it is.
        let (mut send, mut recv) = session.open_bi().await.unwrap();
        let writer = tokio::spawn(async move {
            let _ = send.write_all(&bytes(seed, STOPPED_LENGTH)).await;
            send
        });
        recv.read_chunk(1000).await.unwrap().unwrap();
        recv.stop(9);
        drop(writer.await.unwrap());
    }

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
    send.reset(RESET_CODE.into());
    let error = recv.read_chunk(1).await.unwrap_err();
    assert!(matches!(error, ReadError::Reset(code) if code == RESET_CODE.into()), "{error:?}");

    session.send_datagram(bytes(0, 1000).into()).unwrap();
    assert_eq!(session.read_datagram().await.unwrap(), Bytes::from(bytes(0, 1000)));
    session.close(7, "done");
}

/// Echoes with their server until the session ends, and returns the code and the reason.
async fn they_echo(session: Theirs) -> Option<(u32, String)> {
    let streams = async {
        while let Ok((mut send, mut recv)) = session.accept_bi().await {
            tokio::spawn(async move {
                loop {
                    match recv.read_chunk(usize::MAX).await {
                        Ok(Some(data)) => {
                            if send.write_all(&data).await.is_err() {
                                return;
                            }
                        }
                        Ok(None) => return send.finish().unwrap(),
                        Err(error) => return send.reset(error.stream_error().unwrap_or(0)),
                    }
                }
            });
        }
    };
    let uni_streams = async {
        while let Ok(mut recv) = session.accept_uni().await {
            let data = recv.read_all().await.unwrap();
            let mut send = session.open_uni().await.unwrap();
            send.write_all(&data).await.unwrap();
            send.finish().unwrap();
        }
    };
    let datagrams = async {
        while let Ok(datagram) = session.recv_datagram().await {
            session.send_datagram(datagram).unwrap();
        }
    };
    tokio::join!(session.closed(), streams, uni_streams, datagrams).0.session_error()
}

/// Talks to an echo server with their client, and closes the session with the code 7.
async fn they_talk(session: Theirs) {
    let mut streams = Vec::new();
    for seed in 0..STREAMS {
        let (mut send, mut recv) = session.open_bi().await.unwrap();
        streams.push(tokio::spawn(async move {
            let data = bytes(seed, STREAM_LENGTH);
            let write = async {
                send.write_all(&data).await.unwrap();
                send.finish().unwrap();
            };
            let (echoed, ()) = tokio::join!(recv.read_all(), write);
            assert!(echoed.unwrap() == data, "stream {seed} came back changed");
        }));
    }
    for stream in streams {
        stream.await.unwrap();
    }

    let mut send = session.open_uni().await.unwrap();
    send.write_all(&bytes(100, UNI_LENGTH)).await.unwrap();
    send.finish().unwrap();
    let echoed = session.accept_uni().await.unwrap().read_all().await.unwrap();
    assert!(echoed == bytes(100, UNI_LENGTH), "the unidirectional stream came back changed");

    let (mut send, mut recv) = session.open_bi().await.unwrap();
    send.write_all(b"x").await.unwrap();
    assert_eq!(recv.read_chunk(1).await.unwrap(), Some(Bytes::from("x")));
    send.reset(RESET_CODE);
    let error = recv.read_chunk(1).await.unwrap_err();
    assert_eq!(error.stream_error(), Some(RESET_CODE), "{error:?}");

    session.send_datagram(bytes(0, 1000).into()).unwrap();
    assert_eq!(session.recv_datagram().await.unwrap(), Bytes::from(bytes(0, 1000)));
    session.close(7, "done");
}

fn assert_done(end: &SessionError) {
    let SessionError::Closed { code: 7, reason } = end else { panic!("{end:?}") };
    assert_eq!(reason, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_talks_to_their_server_over_a_websocket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        they_echo(ws::Server::new().accept(socket).await.unwrap()).await
    });
    let client = Client::new(url).subprotocols([SUBPROTOCOL]).connect().await.unwrap();
    we_talk(Session::client(client, Config::new())).await;
    assert_eq!(server.await.unwrap(), Some((7, "done".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn their_client_talks_to_our_server_over_a_websocket() {
    let (ends, mut ended) = mpsc::channel(1);
    let options = Options::new().subprotocols([SUBPROTOCOL]);
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options);
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(move |websocket| {
        let ends = ends.clone();
        async move {
            let end = our::echo(Session::server(websocket, Config::new())).await;
            ends.send(end).await.unwrap();
        }
    }));
    they_talk(ws::Client::new().connect(&url).await.unwrap()).await;
    assert_done(&ended.recv().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_talks_to_their_server_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        they_echo(tcp::Config::new(Version::QMux02).accept(socket).await.unwrap()).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    we_talk(Session::client_over(stream, Config::new())).await;
    assert_eq!(server.await.unwrap(), Some((7, "done".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn their_client_talks_to_our_server_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        our::echo(Session::server_over(socket, Config::new())).await
    });
    they_talk(tcp::Config::new(Version::QMux02).connect(address).await.unwrap()).await;
    assert_done(&server.await.unwrap());
}
