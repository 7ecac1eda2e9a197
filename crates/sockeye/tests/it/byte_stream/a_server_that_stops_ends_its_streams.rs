use std::time::Duration;

use sockeye::byte_stream::listener;
use sockeye::{CloseCode, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_after_what_they_wrote() {
    let (mut listener, accept) = listener();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server.shutdown_timeout(Duration::from_secs(60));
    let handler = move |ws| accept.deliver(ws);
    let serving = tokio::spawn(server.serve_with_shutdown(handler, async { drop(stopped.await) }));

    let mut client = sockeye::connect(url).await.unwrap().into_byte_stream();
    let mut stream = listener.accept().await.unwrap();
    stream.write_all(b"written, and not flushed").await.unwrap();
    let reading = tokio::spawn(async move {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        // The server closed the WebSocket while the stream was open, so that nothing can follow.
        let error = stream.write_all(b"late").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        received
    });
    drop(stop);
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"written, and not flushed");
    assert_eq!(client.websocket().close_frame().unwrap().code, CloseCode::GOING_AWAY);
    // The client's direction is still open.
    client.write_all(b"received").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(reading.await.unwrap(), b"received");
    let drained = serving.await.unwrap().unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
}
