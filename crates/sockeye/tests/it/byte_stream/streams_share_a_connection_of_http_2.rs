use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::Client;
use sockeye::byte_stream::listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::JoinSet;

#[tokio::test]
async fn streams_share_a_connection_of_http_2() {
    let (mut listener, accept) = listener();
    let (ours, theirs) = duplex(10_000);
    let serving = http2::Builder::new(TokioExecutor::new())
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(theirs), accept);
    tokio::spawn(serving);
    let connection = Client::new("ws://example.com/").handshake_http2(ours).await.unwrap();

    let mut tasks = JoinSet::new();
    for index in 0..10_u8 {
        let ws = connection.open("/tunnel").await.unwrap();
        tasks.spawn(async move {
            let mut stream = ws.into_byte_stream();
            let question = vec![index; 10_000 * usize::from(index)];
            stream.write_all(&question).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, [&b"got "[..], &question].concat());
        });
        let mut stream = listener.accept().await.unwrap();
        tasks.spawn(async move {
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await.unwrap();
            stream.write_all(b"got ").await.unwrap();
            stream.write_all(&question).await.unwrap();
            stream.shutdown().await.unwrap();
        });
    }
    tasks.join_all().await;
}
