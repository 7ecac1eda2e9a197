//! Two halves in two tasks: one stops waiting, is dropped or ends, and the other continues.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use sockeye_proto::{CloseCode, Config, Message, TimedOut};
use sockeye_web::{Error, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, answer, fate, id, sleep};

const LENGTH: usize = 64 * 1024;

/// Spawns a task, and returns a future of its result.
fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    spawn_local(async move {
        let _ = sender.send(task.await);
    });
    async { receiver.await.unwrap() }
}

/// Polls a future `polls` times, and drops it.
async fn poll_and_drop<F: Future>(future: F, polls: u32) {
    let mut future = pin!(future);
    for _ in 0..polls {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        sleep(Duration::ZERO).await;
    }
}

/// Opens a connection whose server neither reads nor sends.
async fn mute(kind: super::peer::Kind) -> WebSocket {
    let config = Config::new()
        .close_timeout(Duration::from_millis(300))
        .write_timeout(Some(Duration::from_millis(300)));
    kind.client("/mute").config(config).connect().await.unwrap()
}

#[wasm_bindgen_test]
async fn a_receiver_that_waits_sees_the_deadline_of_a_close_by_the_sender() {
    for kind in KINDS {
        let (sender, mut receiver) = mute(kind).await.split();
        let receiving = spawn(async move { receiver.recv().await });
        sleep(Duration::from_millis(20)).await;
        sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
        match select(pin!(receiving), pin!(sleep(Duration::from_secs(1)))).await {
            Either::Left((end, _)) => {
                assert_eq!(end, Err(Error::TimedOut(TimedOut::Closing)), "{kind:?}");
            }
            Either::Right(_) => panic!("{kind:?}: the deadline did not reach the receiver"),
        }
    }
}

#[wasm_bindgen_test]
async fn a_receiver_that_waits_sees_the_end_when_a_sender_gives_the_peer_up() {
    for kind in KINDS {
        let (sender, mut receiver) = mute(kind).await.split();
        let receiving = spawn(async move { receiver.recv().await });
        let error = loop {
            if let Err(error) = sender.send(vec![0; LENGTH]).await {
                break error;
            }
        };
        assert_eq!(error, Error::TimedOut(TimedOut::Writing));
        match select(pin!(receiving), pin!(sleep(Duration::from_secs(1)))).await {
            Either::Left((end, _)) => assert_eq!(end, Ok(None), "{kind:?}"),
            Either::Right(_) => panic!("{kind:?}: the end did not reach the receiver"),
        }
    }
}

#[wasm_bindgen_test]
async fn a_sink_whose_close_was_given_up_leaves_the_stream_its_wake_up() {
    for kind in KINDS {
        for polls in 0..3 {
            let ws = kind.connect(&format!("/send_and_close?count=3&length=10&code=1000")).await;
            let (mut sink, stream) = StreamExt::split(ws);
            let receiving = spawn(async move { stream.collect::<Vec<_>>().await });
            sleep(Duration::ZERO).await;
            poll_and_drop(sink.close(), polls).await;
            match select(pin!(receiving), pin!(sleep(Duration::from_secs(5)))).await {
                Either::Left((messages, _)) => {
                    assert!(messages.iter().all(Result::is_ok), "{kind:?}: {messages:?}");
                }
                Either::Right(_) => panic!("{kind:?}: the stream was not woken"),
            }
        }
    }
}

#[wasm_bindgen_test]
async fn a_half_that_stops_leaves_the_other_going() {
    for kind in KINDS {
        for polls in 0..4 {
            // The receiver stops waiting, and the sender has to wait for the peer.
            let name = id();
            let (sender, mut receiver) = kind.connect(&format!("/deaf?id={name}")).await.split();
            let sent = Rc::new(Cell::new(0));
            let counted = Rc::clone(&sent);
            let writing = sender.clone();
            let sending = spawn(async move {
                while counted.get() < 200 * LENGTH {
                    writing.send(vec![0; LENGTH]).await.unwrap();
                    counted.set(counted.get() + LENGTH);
                }
            });
            poll_and_drop(receiver.recv(), polls).await;
            assert_eq!(answer(&format!("/release?id={name}")).await, "released");
            sending.await;
            receiver.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
            assert_eq!(fate(&name).await, format!("1000 after {} bytes", sent.get()));
        }
    }
}

#[wasm_bindgen_test]
async fn a_half_of_a_byte_stream_that_stops_leaves_the_other_going() {
    for kind in KINDS {
        for polls in 0..4 {
            let stream = kind.connect("/echo").await.into_byte_stream();
            let (mut read, mut write) = tokio::io::split(stream);
            // The writer stops waiting with unwritten bytes, which the reader sends.
            write.write_all(b"hello").await.unwrap();
            poll_and_drop(write.flush(), polls).await;
            let mut bytes = [0; 5];
            read.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"hello");
            // The reader stops waiting, and the writer continues.
            poll_and_drop(read.read_exact(&mut bytes), polls).await;
            write.write_all(b"again").await.unwrap();
            write.flush().await.unwrap();
            read.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"again");
        }
    }
}

#[wasm_bindgen_test]
async fn what_a_half_writes_is_sent_by_the_other_that_waits_to_read() {
    for kind in KINDS {
        let stream = kind.connect("/echo").await.into_byte_stream();
        let (mut read, mut write) = tokio::io::split(stream);
        let reading = spawn(async move {
            let mut bytes = [0; 5];
            read.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        sleep(Duration::from_millis(20)).await;
        // The bytes are never flushed.
        write.write_all(b"hello").await.unwrap();
        assert_eq!(&reading.await, b"hello");
    }
}

#[wasm_bindgen_test]
async fn a_stream_and_a_sink_in_two_tasks_echo_everything() {
    for kind in KINDS {
        let (mut sink, mut stream) = StreamExt::split(kind.connect("/echo").await);
        let sending = spawn(async move {
            for n in 0..200_u32 {
                sink.send(Message::from(vec![n as u8; 60_000])).await.unwrap();
            }
            sink
        });
        for n in 0..200_u32 {
            let message = stream.next().await.unwrap().unwrap();
            assert_eq!((message.len(), message.as_bytes()[0]), (60_000, n as u8));
        }
        sending.await.close().await.unwrap();
    }
}
