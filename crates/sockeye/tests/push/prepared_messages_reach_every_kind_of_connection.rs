//! Broadcasts and prepared messages on connections with different extensions, mixed with ordinary
//! messages.

use std::sync::mpsc::channel;

use sockeye::push::{Connection, Handle, Server};
use sockeye::upgrade::Options;
use sockeye::{Client, Deflate, Message, Prepared, WebSocket};

use crate::certificate::certificate;
use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Seen, record};
use crate::serving::Running;

/// Returns messages below and above the thresholds for copying, for compression and for shared
/// encoding.
fn messages() -> Vec<Prepared> {
    [0, 20, 200, 5000, 40_000]
        .into_iter()
        .map(|length| {
            Prepared::new((0..length).map(|n: u32| (n * n % 251) as u8).collect::<Vec<_>>())
        })
        .collect()
}

async fn assert_next(ws: &mut WebSocket, expected: &Message) {
    let message = ws.recv().await.unwrap().unwrap();
    assert!(message == *expected, "{} bytes", expected.len());
}

#[tokio::test]
async fn in_the_order_in_which_they_were_sent() {
    let (tls, trusting) = certificate("127.0.0.1");
    let prepared = messages();
    for encrypted in [false, true] {
        let (handle_sender, handle_receiver) = channel::<Handle>();
        let answers = prepared.clone();
        // Answers with an ordinary message and then a prepared one, both of the length of the
        // request.
        let (make, log) = record(move |connection: &mut Connection, seen: &Seen| match seen {
            Seen::Open(_) => handle_sender.send(connection.handle()).unwrap(),
            Seen::Message(message) => {
                let answer = answers.iter().find(|answer| answer.len() == message.len()).unwrap();
                connection.send(answer.as_ref());
                connection.send_prepared(answer);
            }
            _ => {}
        });
        let options = Options::new().deflate(Deflate::new());
        let mut server = Server::new(make).workers(2).options(options);
        let mut url = "ws";
        if encrypted {
            server = server.tls(tls.clone());
            url = "wss";
        }
        let running = Running::start(server);
        let url = format!("{url}://{}/", running.address);
        let small_window = Deflate::new().peer_max_window_bits(9).unwrap();
        let mut clients = Vec::new();
        for deflate in [
            Some(Deflate::new()),
            Some(Deflate::new().peer_no_context_takeover(true)),
            Some(small_window),
            Some(Deflate::new()),
            None,
        ] {
            let mut client = Client::new(&url).tls(trusting.clone());
            if let Some(deflate) = deflate {
                client = client.deflate(deflate);
            }
            clients.push(client.connect().await.unwrap());
            log.opened();
        }
        let handles: Vec<_> =
            clients.iter().map(|_| handle_receiver.recv_timeout(TEST_TIMEOUT).unwrap()).collect();
        for _ in 0..2 {
            for message in &prepared {
                handles[0].broadcast(message.message().clone()).unwrap();
                handles[1].broadcast_prepared(message).unwrap();
                for (ws, handle) in clients.iter_mut().zip(&handles) {
                    assert_next(ws, message.message()).await;
                    assert_next(ws, message.message()).await;
                    ws.send(message.message().clone()).await.unwrap();
                    assert_next(ws, message.message()).await;
                    assert_next(ws, message.message()).await;
                    handle.send_prepared(message).unwrap();
                    handle.send(message.message().clone()).unwrap();
                    assert_next(ws, message.message()).await;
                    assert_next(ws, message.message()).await;
                }
            }
        }
        // These clients would not answer a close frame.
        drop(clients);
        running.stop();
    }
}

#[tokio::test]
async fn broadcasts_in_a_row_are_not_mixed_up() {
    let (handle_sender, handle_receiver) = channel::<Handle>();
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            handle_sender.send(connection.handle()).unwrap();
        }
    });
    let options = Options::new().deflate(Deflate::new());
    let running = Running::start(Server::new(make).workers(1).options(options));
    let mut plain = Peer::connect(running.address);
    let mut compressing =
        Client::new(running.url()).deflate(Deflate::new()).connect().await.unwrap();
    log.opened();
    log.opened();
    let handle = handle_receiver.recv_timeout(TEST_TIMEOUT).unwrap();
    let prepared = messages();
    let rounds = 20;
    for _ in 0..rounds {
        for message in &prepared {
            handle.broadcast_prepared(message).unwrap();
        }
    }
    for _ in 0..rounds {
        for message in &prepared {
            assert!(plain.message() == message.message().as_bytes());
            assert_next(&mut compressing, message.message()).await;
        }
    }
    drop(compressing);
    plain.reset();
    running.stop();
}
