use std::time::Duration;

use sockeye::resume::{Limits, ResumableStream};
use sockeye::{Client, Message, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::{sleep, timeout};

use super::proxy::Proxy;
use super::{SUBPROTOCOL, Serving, client, expiring, pair, pattern, serve};

/// Waits until the client has lost its WebSocket.
async fn lost(stream: &ResumableStream) {
    while stream.is_attached() {
        tokio::task::yield_now().await;
    }
}

/// Exchanges a byte in each direction.
async fn exchange(client: &mut ResumableStream, server: &mut ResumableStream) {
    client.write_u8(1).await.unwrap();
    server.write_u8(2).await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), 1);
    assert_eq!(client.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn a_session_without_a_byte_goes_on_after_many_losses() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    for cut in 1..=10 {
        proxy.cut();
        proxy.ended(cut).await;
        lost(&client).await;
        while !client.is_attached() {
            tokio::task::yield_now().await;
        }
    }
    exchange(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_full_buffer_does_not_hold_up_what_is_sent_again() {
    let limits = Limits::new().buffer(1000).window(1000);
    let mut serving = serve(|sessions| sessions.limits(limits)).await;
    let proxy = Proxy::start(serving.address).await;
    let stream = ResumableStream::connect_with(client(proxy.address), limits).await.unwrap();
    let server = serving.listener.accept().await.unwrap();
    let (mut from_server, mut to_server) = split(stream);
    let (mut from_client, mut to_client) = split(server);
    let bytes = pattern(20_000);
    let cutting = async {
        for cut in 1..=10 {
            // Both writers wait for space, since nobody reads yet. Between two connections, there is
            // none to cut.
            while timeout(Duration::from_millis(10), proxy.ended(cut)).await.is_err() {
                proxy.cut();
            }
        }
        let (mut up, mut down) = (vec![0; bytes.len()], vec![0; bytes.len()]);
        let (up_read, down_read) =
            tokio::join!(from_client.read_exact(&mut up), from_server.read_exact(&mut down));
        up_read.unwrap();
        down_read.unwrap();
        assert!(up == bytes && down == bytes);
    };
    let (up, down, ()) =
        tokio::join!(to_server.write_all(&bytes), to_client.write_all(&bytes), cutting);
    up.unwrap();
    down.unwrap();
}

#[tokio::test]
async fn the_expiry_counts_anew_after_each_loss() {
    let expiry = Duration::from_secs(2);
    let mut serving = serve(|sessions| sessions.limits(expiring(expiry))).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    // Longer in all than the expiry, and far from it each time.
    for _ in 0..6 {
        proxy.close(true);
        lost(&client).await;
        sleep(expiry / 5).await;
        proxy.close(false);
        exchange(&mut client, &mut server).await;
    }
}

/// Opens a WebSocket for frames by hand.
async fn open(serving: &Serving) -> WebSocket {
    let client = Client::new(format!("ws://{}/", serving.address)).subprotocols([SUBPROTOCOL]);
    client.connect().await.unwrap()
}

async fn recv(ws: &mut WebSocket) -> Vec<u8> {
    ws.recv().await.unwrap().unwrap().as_bytes().to_vec()
}

#[tokio::test]
async fn an_old_websocket_that_ends_late_disturbs_no_session() {
    let mut serving = serve(|sessions| sessions).await;
    let mut first = open(&serving).await;
    first.send(Message::from([0x01, 0, 1, 0, 0].to_vec())).await.unwrap();
    let token = recv(&mut first).await[1..33].to_vec();
    let mut stream = serving.listener.accept().await.unwrap();
    let mut old = vec![first];
    for attempt in 1..=5_u32 {
        // The server does not know that the last WebSocket is useless.
        let mut ws = open(&serving).await;
        let position = u64::from(attempt) - 1;
        let position = [position.to_be_bytes(), position.to_be_bytes()].concat();
        ws.send([&[0x03][..], &token, &attempt.to_be_bytes(), &position].concat()).await.unwrap();
        assert_eq!(recv(&mut ws).await[0], 0x04);
        // One of the old ones fails, after its end was stated or before.
        drop(old.pop());
        stream.write_u8(7).await.unwrap();
        let data = recv(&mut ws).await;
        assert_eq!((data[0], data[8], data[9]), (0x05, u8::try_from(attempt - 1).unwrap(), 7));
        old.push(ws);
    }
}
