use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use sockeye_proto::{CloseCode, Config, Message, TimedOut};
use sockeye_web::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, answer, fate, id, progress, sleep};

/// Number of messages: more than the system and the browser buffer.
const MESSAGES: u64 = 1600;
const LENGTH: usize = 64 * 1024;

fn number(message: &Message) -> u64 {
    u64::from_le_bytes(message.as_bytes()[..8].try_into().unwrap())
}

#[wasm_bindgen_test]
async fn a_slow_page_holds_the_server_back_or_stays_within_its_queue() {
    for kind in KINDS {
        let id = id();
        let queue = 8 << 20;
        let client = kind
            .client(&format!("/flood?id={id}&count={MESSAGES}&length={LENGTH}"))
            .receive_queue(queue);
        let mut ws = client.connect().await.unwrap();
        let sent = progress(&id).await;
        let mut received = 0;
        let end = loop {
            match ws.recv().await {
                Ok(Some(message)) => {
                    assert_eq!((number(&message), message.len()), (received, LENGTH));
                    received += 1;
                    if received == MESSAGES {
                        break ws.close(CloseCode::NORMAL_CLOSURE, "").await;
                    }
                }
                Ok(None) => panic!("the flood ended after {received}"),
                Err(error) => break Err(error),
            }
        };
        if kind.has_backpressure() {
            assert!(sent < MESSAGES, "{sent} were sent to a page that read none");
            assert_eq!((received, end), (MESSAGES, Ok(())));
        } else {
            assert_eq!(end, Err(Error::QueueFull { limit: queue }));
            assert_eq!(received, queue as u64 / LENGTH as u64);
            assert_eq!(ws.recv().await, Ok(None));
        }
    }
}

#[wasm_bindgen_test]
async fn a_server_that_does_not_read_makes_sending_wait() {
    for kind in KINDS {
        let id = id();
        let mut ws = kind.connect(&format!("/deaf?id={id}")).await;
        let mut sent = 0;
        loop {
            let sending = pin!(ws.send(vec![0; LENGTH]));
            match select(sending, pin!(sleep(Duration::from_secs(1)))).await {
                Either::Left((result, _)) => result.unwrap(),
                // The message was not sent.
                Either::Right(_) => break,
            }
            sent += LENGTH;
            assert!(sent < MESSAGES as usize * LENGTH, "nothing holds it back");
        }
        assert_eq!(answer(&format!("/release?id={id}")).await, "released");
        ws.send(vec![0; LENGTH]).await.unwrap();
        ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        assert_eq!(fate(&id).await, format!("1000 after {} bytes", sent + LENGTH));
    }
}

#[wasm_bindgen_test]
async fn a_server_that_never_reads_is_given_up() {
    for kind in KINDS {
        let config = Config::new().write_timeout(Some(Duration::from_millis(200)));
        let mut ws = kind.client("/mute").config(config).connect().await.unwrap();
        let error = loop {
            if let Err(error) = ws.send(vec![0; LENGTH]).await {
                break error;
            }
        };
        assert_eq!(error, Error::TimedOut(TimedOut::Writing));
        assert_eq!(ws.recv().await, Ok(None));
    }
}
