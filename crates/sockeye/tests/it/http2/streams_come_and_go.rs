use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use sockeye::upgrade::Options;
use sockeye::{CloseCode, Http2, WebSocket};
use tokio::task::yield_now;

use super::serving::{self, MAX_STREAMS, echo};

async fn assert_echo(ws: &mut WebSocket) {
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
}

/// Opens WebSockets one after the other, and ends them in different ways.
async fn come_and_go(http2: Http2) {
    for at in 0..200 {
        let mut ws = http2.open("/").await.unwrap();
        match at % 4 {
            0 => drop(ws),
            1 => ws.send(vec![0; 20_000]).await.unwrap(),
            _ => {
                assert_echo(&mut ws).await;
                ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn thousands_come_and_go_on_one_connection() {
    let (http2, server) = serving::connect(Options::new(), echo).await;
    let mut stays = http2.open("/").await.unwrap();
    let tasks: Vec<_> =
        (1..MAX_STREAMS).map(|_| tokio::spawn(come_and_go(http2.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
        assert_echo(&mut stays).await;
    }
    stays.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    drop((stays, http2));
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn opening_may_be_given_up_at_any_point() {
    let (http2, server) = serving::connect(Options::new(), echo).await;
    let mut stays = http2.open("/").await.unwrap();
    for polls in 0..50 {
        {
            let mut opening = pin!(http2.open("/"));
            for _ in 0..polls {
                let polled = poll_fn(|cx| Poll::Ready(opening.as_mut().poll(cx).is_ready())).await;
                if polled {
                    break;
                }
                yield_now().await;
            }
        }
        assert_echo(&mut stays).await;
    }
    // No cancelled stream remains.
    let mut sockets = Vec::new();
    for _ in 1..MAX_STREAMS {
        sockets.push(http2.open("/").await.unwrap());
    }
    for ws in &mut sockets {
        assert_echo(ws).await;
    }
    drop((stays, sockets, http2));
    server.await.unwrap().unwrap();
}
