use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy::Proxy;
use super::{pair, pattern, serve};

#[tokio::test]
async fn an_answer_follows_the_end_of_the_question_over_a_new_websocket() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    client.acknowledged().await.unwrap();
    assert!(client.write(b"more").await.is_err());
    proxy.cut();
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    server.acknowledged().await.unwrap();
}

#[tokio::test]
async fn what_was_written_arrives_after_a_shutdown_and_a_drop() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let bytes = pattern(300_000);
    for sender in 0..2 {
        let [client, server] = pair(&mut serving, proxy.address).await;
        let [mut from, mut to] = if sender == 0 { [client, server] } else { [server, client] };
        from.write_all(&bytes).await.unwrap();
        from.shutdown().await.unwrap();
        drop(from);
        proxy.cut();
        let mut received = Vec::new();
        to.read_to_end(&mut received).await.unwrap();
        assert!(received == bytes);
        // What is written to a program that is gone is discarded.
        to.write_all(b"late").await.unwrap();
        to.shutdown().await.unwrap();
        to.acknowledged().await.unwrap();
    }
}

#[tokio::test]
async fn both_programs_may_write_without_reading() {
    let mut serving = serve(|sessions| sessions).await;
    let address = serving.address;
    let [mut client, mut server] = pair(&mut serving, address).await;
    // More than the sockets between them hold, within the limits of the session.
    let bytes = pattern(1 << 20);
    client.write_all(&bytes).await.unwrap();
    server.write_all(&bytes).await.unwrap();
    client.flush().await.unwrap();
    server.flush().await.unwrap();
    for stream in [&mut client, &mut server] {
        let mut received = vec![0; bytes.len()];
        stream.read_exact(&mut received).await.unwrap();
        assert!(received == bytes);
    }
}
