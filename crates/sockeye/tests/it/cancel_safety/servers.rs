use std::time::Duration;

use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode, Drain, Server, Shutdown, WebSocket, connect};
use tokio::io::duplex;
use tokio::task::JoinHandle;

use super::harness::{Canceller, Trickle, at_every_poll};
use super::wire::{peer, server};

/// Number of connections of the drain.
const CONNECTIONS: usize = 4;

/// Opens connections of the drain, whose clients return the close code they receive.
async fn clients(drain: &Drain) -> Vec<JoinHandle<Option<CloseCode>>> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let (near, far) = duplex(4096);
        let (client, upgrader) = (Client::new("ws://example.com/"), Upgrader::new());
        let far = Trickle::new(far, 3);
        let (client, ws) = tokio::join!(client.handshake(near), upgrader.accept(far));
        tokio::spawn(drain.serve(ws.unwrap(), receive));
        clients.push(tokio::spawn(async move {
            let mut client = client.unwrap();
            assert_eq!(client.recv().await.unwrap(), None);
            client.close_frame().map(|frame| frame.code)
        }));
    }
    clients
}

async fn receive(mut ws: WebSocket) -> sockeye::Result<()> {
    while ws.recv().await?.is_some() {}
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_goes_on_with_the_next_call() {
    at_every_poll(async |canceller| {
        let drain = Drain::new();
        let clients = clients(&drain).await;
        let finish = async || drain.finish(Shutdown::new().spread(Duration::from_secs(1))).await;
        let drained = canceller.retry(finish).await;
        let mut codes = Vec::new();
        for client in clients {
            codes.push(client.await.unwrap());
        }
        (drained, codes)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_were_dropped_are_counted_once() {
    for polls in 1..10 {
        let drain = Drain::new();
        let (mut ws, _client) = server(3).await;
        // The test does not receive from it, and no task of the drain holds it.
        drain.watch(&mut ws);
        let canceller = Canceller::once(polls);
        let finish = async || drain.finish(Shutdown::new().timeout(Duration::from_secs(1))).await;
        let drained = canceller.retry(finish).await;
        assert_eq!((drained.closed, drained.dropped, drained.left), (0, 1, 1), "{polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_task_is_dropped_is_gone() {
    for polls in 1..30 {
        let drain = Drain::new();
        let (ws, client) = server(3).await;
        let client = peer(client, vec![0x89, 0x80, 0, 0, 0, 0]);
        Canceller::once(polls).wait(drain.serve(ws, receive)).await;
        assert_eq!(drain.connections(), 0);
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_leaves_no_connection() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let drain = Drain::new();
    let serving = tokio::spawn(server.drain(&drain).serve(async |mut ws: WebSocket| {
        ws.send("welcome").await?;
        receive(ws).await
    }));
    let mut ws = connect(&url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("welcome".into()));
    serving.abort();
    ws.recv().await.unwrap_err();
    assert!(serving.await.unwrap_err().is_cancelled());
    assert_eq!(drain.connections(), 0);
    connect(&url).await.unwrap_err();
}
