use std::time::Duration;

use sockeye::resume::{self, ResumableSessions, ResumableStream, SUBPROTOCOL};
use sockeye::upgrade::Options;
use sockeye::{Server, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::proxy::Proxy;
use super::{client, pattern};

/// Returns a server on a free port.
async fn bind() -> Server {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at_once = Shutdown::restart().retry_after(Duration::ZERO..=Duration::ZERO);
    Server::from_listener(tcp).options(Options::new().subprotocols([SUBPROTOCOL])).shutdown(at_once)
}

async fn serve(sessions: ResumableSessions, server: Server, stop: oneshot::Receiver<()>) {
    let handler = move |ws| {
        let sessions = sessions.clone();
        async move { sessions.serve(ws, "anyone").await }
    };
    let stopped = async { drop(stop.await) };
    server.serve_with_shutdown(handler, stopped).await.unwrap();
}

#[tokio::test]
async fn a_session_goes_on_at_another_server_of_the_same_sessions() {
    let (mut listener, sessions) = resume::listener();
    let [first, second] = [bind().await, bind().await];
    let proxy = Proxy::start(first.local_addr().unwrap()).await;
    let after = second.local_addr().unwrap();
    let ((stop, stopped), (_never, keep)) = (oneshot::channel(), oneshot::channel());
    let stopping = tokio::spawn(serve(sessions.clone(), first, stopped));
    tokio::spawn(serve(sessions, second, keep));

    let mut client = ResumableStream::connect(client(proxy.address)).await.unwrap();
    let mut server = listener.accept().await.unwrap();
    let bytes = pattern(3_000_000);
    let sent = bytes.clone();
    let writing = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client.acknowledged().await.unwrap();
    });
    let mut received = vec![0; 100_000];
    server.read_exact(&mut received).await.unwrap();
    proxy.redirect(after);
    stop.send(()).unwrap();
    // The first server closes the WebSocket, and stops although the session goes on.
    stopping.await.unwrap();
    server.read_to_end(&mut received).await.unwrap();
    assert!(received == bytes);
    writing.await.unwrap();
}
