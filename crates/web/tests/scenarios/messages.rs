use futures_util::future::{join, join_all};
use futures_util::{SinkExt, StreamExt};
use sockeye_proto::{CloseCode, Config, Message, ProtocolError};
use sockeye_web::{Error, WebSocket};
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, fate, id};

#[wasm_bindgen_test]
async fn messages_of_all_kinds_and_lengths_come_back() {
    for kind in KINDS {
        let mut ws = kind.connect("/echo").await;
        for text in ["", "plain", "κόσμε😀", &"é".repeat(100_000)] {
            ws.send(text).await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), Some(Message::from(text)));
        }
        for length in [0, 1, 125, 126, 1023, 1024, 65_535, 65_536, 1 << 20, 5 << 20] {
            let bytes: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0] ^ 0x5a).collect();
            ws.send(bytes.clone()).await.unwrap();
            assert!(ws.recv().await.unwrap() == Some(Message::from(bytes)), "{kind:?} {length}");
        }
        ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn messages_keep_their_order_as_a_stream_and_a_sink() {
    for kind in KINDS {
        let (mut sink, mut stream) = StreamExt::split(kind.connect("/echo").await);
        let sending = async {
            for number in 0..1000 {
                sink.feed(Message::from(number.to_string())).await.unwrap();
            }
            sink.flush().await.unwrap();
        };
        let receiving = async {
            for number in 0..1000 {
                let message = stream.next().await.unwrap().unwrap();
                assert_eq!(message, Message::from(number.to_string()));
            }
        };
        join(sending, receiving).await;
        sink.close().await.unwrap();
        assert!(stream.next().await.is_none());
    }
}

#[wasm_bindgen_test]
async fn halves_send_and_receive_apart() {
    for kind in KINDS {
        let id = id();
        let ws = kind.connect(&format!("/echo?id={id}")).await;
        let (sender, mut receiver) = WebSocket::split(ws);
        let senders = (0..10).map(|_| {
            let sender = sender.clone();
            async move {
                for _ in 0..100 {
                    sender.send(vec![7; 1000]).await.unwrap();
                }
            }
        });
        let receiving = async {
            for _ in 0..1000 {
                assert_eq!(receiver.recv().await.unwrap().unwrap().len(), 1000);
            }
        };
        join(join_all(senders), receiving).await;
        sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
        assert_eq!(receiver.recv().await, Ok(None));
        assert!(sender.is_closed());
        assert!(matches!(sender.send("late").await, Err(Error::Closed(_))));
        assert_eq!(fate(&id).await, "1000 after 1000000 bytes");
    }
}

#[wasm_bindgen_test]
async fn a_dropped_receiver_closes_the_connection() {
    for kind in KINDS {
        let id = id();
        let (sender, receiver) = WebSocket::split(kind.connect(&format!("/echo?id={id}")).await);
        sender.send("last").await.unwrap();
        drop(receiver);
        assert_eq!(fate(&id).await, "4001 after 4 bytes");
    }
}

#[wasm_bindgen_test]
async fn a_message_over_the_limit_ends_the_connection() {
    for kind in KINDS {
        for message in [Message::from(vec![0; 1001]), Message::from("é".repeat(501))] {
            let id = id();
            let config = Config::new().max_message_length(1000);
            let client = kind.client(&format!("/echo?id={id}")).config(config);
            let mut ws = client.connect().await.unwrap();
            ws.send(vec![0; 1000]).await.unwrap();
            assert_eq!(ws.recv().await.unwrap().unwrap().len(), 1000);
            ws.send(message).await.unwrap();
            let too_long = ProtocolError::MessageTooLong { limit: 1000 };
            assert_eq!(ws.recv().await, Err(Error::Protocol(too_long)));
            assert_eq!(ws.recv().await, Ok(None));
            assert!(fate(&id).await.starts_with("4009 "));
        }
    }
}

#[wasm_bindgen_test]
async fn a_subprotocol_is_agreed_on() {
    for kind in KINDS {
        let ws = kind.client("/echo").subprotocols(["chat.v3", "chat.v2"]).connect().await.unwrap();
        assert_eq!(ws.subprotocol(), Some("chat.v2"));
        let ws = kind.connect("/echo").await;
        assert_eq!((ws.subprotocol(), ws.extensions()), (None, None));
        assert!(ws.url().starts_with("ws://127.0.0.1:") && ws.url().ends_with("/echo"));
    }
}
