use std::time::Duration;

use sockeye_proto::{CloseCode, CloseFrame, Config, TimedOut, UsageError};
use sockeye_web::Error;
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, answer, fate, id, sleep};

/// Length of a message that exceeds the buffers on the path, in bytes; the peer accepts no more
/// than 16 MiB.
const LONG: usize = 15 << 20;

#[wasm_bindgen_test]
async fn the_peers_close_code_and_reason_arrive() {
    for kind in KINDS {
        for code in [1000, 1001, 1003, 1008, 1011, 1012, 1013, 3000, 4999] {
            let mut ws = kind.connect(&format!("/close?code={code}&reason=b%C3%BDe")).await;
            assert_eq!(ws.recv().await, Ok(None));
            let frame = CloseFrame::new(CloseCode::from(code), "býe").unwrap();
            assert_eq!(ws.close_frame(), Some(&frame), "{kind:?}");
            assert!(matches!(ws.send("late").await, Err(Error::Closed(_))));
            assert_eq!(ws.recv().await, Ok(None));
        }
    }
}

#[wasm_bindgen_test]
async fn the_peer_learns_our_close_code_after_all_that_was_sent() {
    for kind in KINDS {
        let id = id();
        let mut ws = kind.connect(&format!("/count?id={id}")).await;
        for _ in 0..100 {
            ws.feed(vec![0; 50_000]).await.unwrap();
        }
        ws.close(CloseCode::from(4321), "bye").await.unwrap();
        assert_eq!(fate(&id).await, "4321 after 5000000 bytes", "{kind:?}");
        assert!(matches!(ws.send("late").await, Err(Error::Closed(_))));
    }
}

#[wasm_bindgen_test]
async fn a_missing_code_is_sent_as_an_empty_close_frame() {
    for kind in KINDS {
        let id = id();
        let mut ws = kind.connect(&format!("/count?id={id}")).await;
        ws.close(CloseCode::NO_STATUS_RCVD, "").await.unwrap();
        assert_eq!(fate(&id).await, "no code after 0 bytes", "{kind:?}");
        assert_eq!(ws.close_frame(), None, "{kind:?}");
    }
}

#[wasm_bindgen_test]
async fn codes_that_a_page_must_not_send_are_refused() {
    for kind in KINDS {
        let mut ws = kind.connect("/echo").await;
        for code in [0, 999, 1001, 1006, 1011, 2999, 5000].map(CloseCode::from) {
            let refused = Err(Error::Usage(UsageError::InvalidCloseCode { code }));
            assert_eq!(ws.close(code, "").await, refused);
        }
        let code = CloseCode::NO_STATUS_RCVD;
        let refused = Err(Error::Usage(UsageError::InvalidCloseCode { code }));
        assert_eq!(ws.close(code, "a reason needs a code").await, refused);
        let refused = Err(Error::Usage(UsageError::ControlTooLong { length: 126 }));
        assert_eq!(ws.close(CloseCode::NORMAL_CLOSURE, "r".repeat(124)).await, refused);
        ws.send("still open").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("still open"));
    }
}

#[wasm_bindgen_test]
async fn a_connection_that_is_dropped_is_closed_with_4006() {
    for kind in KINDS {
        let id = id();
        let mut ws = kind.connect(&format!("/echo?id={id}")).await;
        ws.send("hello").await.unwrap();
        ws.recv().await.unwrap();
        drop(ws);
        assert_eq!(fate(&id).await, "4006 after 5 bytes", "{kind:?}");
    }
}

#[wasm_bindgen_test]
async fn a_peer_that_does_not_answer_the_close_frame_is_given_up() {
    for kind in KINDS {
        let config = Config::new().close_timeout(Duration::from_millis(100));
        let mut ws = kind.client("/mute").config(config).connect().await.unwrap();
        let given_up = Err(Error::TimedOut(TimedOut::Closing));
        assert_eq!(ws.close(CloseCode::NORMAL_CLOSURE, "").await, given_up, "{kind:?}");
        assert_eq!(ws.recv().await, Ok(None));
    }
}

#[wasm_bindgen_test]
async fn the_time_of_the_closing_handshake_begins_when_all_before_it_is_written() {
    for kind in KINDS {
        let id = id();
        // Long enough to send the bytes that the system buffers by then.
        let config = Config::new().close_timeout(Duration::from_secs(3));
        let client = kind.client(&format!("/deaf?id={id}")).config(config);
        let mut ws = client.connect().await.unwrap();
        // More than the buffers on the path hold.
        ws.feed(vec![0; LONG]).await.unwrap();
        let released = id.clone();
        wasm_bindgen_futures::spawn_local(async move {
            sleep(Duration::from_secs(5)).await;
            answer(&format!("/release?id={released}")).await;
        });
        assert_eq!(ws.close(CloseCode::NORMAL_CLOSURE, "").await, Ok(()), "{kind:?}");
        assert_eq!(fate(&id).await, format!("1000 after {LONG} bytes"), "{kind:?}");
    }
}

#[wasm_bindgen_test]
async fn a_peer_that_takes_nothing_of_what_came_before_the_close_is_given_up() {
    for kind in KINDS {
        let id = id();
        let limit = Some(Duration::from_millis(300));
        let client = kind.client(&format!("/deaf?id={id}"));
        let mut ws = client.config(Config::new().write_timeout(limit)).connect().await.unwrap();
        ws.feed(vec![0; LONG]).await.unwrap();
        let given_up = Err(Error::TimedOut(TimedOut::Writing));
        assert_eq!(ws.close(CloseCode::NORMAL_CLOSURE, "").await, given_up, "{kind:?}");
        answer(&format!("/release?id={id}")).await;
    }
}

#[wasm_bindgen_test]
async fn a_peer_that_is_gone_without_a_close_frame_is_an_error() {
    for kind in KINDS {
        let mut ws = kind.connect("/die?count=3").await;
        ws.send("abc").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("abc"));
        assert_eq!(ws.recv().await, Err(Error::Disconnected), "{kind:?}");
        assert_eq!(ws.recv().await, Ok(None));
        // A new connection works.
        let mut ws = kind.connect("/echo").await;
        ws.send("again").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("again"));
    }
}

#[wasm_bindgen_test]
async fn what_came_before_the_close_arrives_however_late_it_is_asked_for() {
    for kind in KINDS {
        for (count, length) in [(20, 0), (20, 200), (200, 65_536)] {
            let id = id();
            let path = format!("/send_and_close?id={id}&count={count}&length={length}&reason=done");
            let mut ws = kind.connect(&path).await;
            // The closing handshake has completed.
            assert_eq!(fate(&id).await, "1000 after 0 bytes");
            for _ in 0..count {
                assert_eq!(ws.recv().await.unwrap().map(|message| message.len()), Some(length));
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(ws.recv().await, Ok(None));
            assert_eq!(ws.close_frame().unwrap().reason, "done");
        }
    }
}

#[wasm_bindgen_test]
async fn a_close_that_comes_when_the_queue_is_full_is_no_clean_end() {
    for kind in KINDS {
        let (id, limit) = (id(), 1000);
        let client = kind.client(&format!("/send_and_close?id={id}&count=20&length=200"));
        let mut ws = client.receive_queue(limit).connect().await.unwrap();
        fate(&id).await;
        // Five messages fit; the browser may buffer one more.
        let mut received = 0;
        let end = loop {
            match ws.recv().await {
                Ok(Some(_)) => received += 1,
                end => break end,
            }
        };
        assert_eq!(end, Err(Error::QueueFull { limit }));
        assert!((5..20).contains(&received), "{received}");
    }
}
