//! Byte streams that outlive their WebSocket, which is of one kind whatever the client prefers.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::future::join;
use js_sys::Function;
use sockeye_web::Client;
use sockeye_web::reconnect::{Backoff, Reconnecting};
use sockeye_web::resume::{Error, Limits, ResumableStream, ResumeError, SUBPROTOCOL};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, Kind, answer, fate, id, progress, sleep};

/// A backoff that is short enough for a test, and bounded only by the time of a test.
const SOON: Backoff = Backoff::new()
    .base(Duration::from_millis(10))
    .cap(Duration::from_millis(50))
    .max_attempts(Some(1000));

/// An expiry that no test reaches, in milliseconds.
const LONG: u64 = 120_000;

fn reconnecting(kind: Kind, port: &str, backoff: Backoff) -> Reconnecting {
    let client = Client::new(format!("ws://127.0.0.1:{port}/")).subprotocols([SUBPROTOCOL]);
    Reconnecting::new(client.websocket_stream(kind == Kind::Streams)).backoff(backoff)
}

async fn connect(kind: Kind, port: &str) -> ResumableStream {
    ResumableStream::connect(reconnecting(kind, port, SOON)).await.unwrap()
}

/// Starts a server of sessions that send back their bytes, and returns its port.
async fn sessions(id: &str, port: &str, expiry: u64) -> String {
    answer(&format!("/sessions?id={id}&port={port}&length={expiry}")).await
}

/// Starts a relay to a port that cuts its first connections after at most `longest` bytes.
async fn relay(id: &str, port: &str, cuts: u32, longest: u32) -> String {
    answer(&format!("/relay?id={id}&port={port}&count={cuts}&length={longest}")).await
}

fn cause(error: &std::io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

/// Returns bytes of which no two neighbourhoods are alike.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// Waits until the stream has lost its WebSocket.
async fn lost(stream: &ResumableStream) {
    while stream.is_attached() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[wasm_bindgen_test]
async fn bytes_survive_ten_cuts_at_any_offset_in_both_directions() {
    const LENGTH: usize = 5 << 20;
    const CUTS: u32 = 10;
    let bytes = pattern(LENGTH);
    for kind in KINDS {
        let port = sessions(&id(), "0", LONG).await;
        let name = id();
        // Ten connections carry less than the whole.
        let stream = connect(kind, &relay(&name, &port, CUTS, 450_000).await).await;
        let (mut reader, mut writer) = split(stream);
        let writing = async {
            writer.write_all(&bytes).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        join(writing, async { reader.read_to_end(&mut received).await.unwrap() }).await;
        assert!(received == bytes, "{kind:?}: {} bytes", received.len());
        let mut stream = reader.unsplit(writer);
        stream.acknowledged().await.unwrap();
        assert!(progress(&name).await > u64::from(CUTS));
    }
}

#[wasm_bindgen_test]
async fn each_direction_ends_by_itself() {
    for kind in KINDS {
        let port = sessions(&id(), "0", LONG).await;
        let mut stream = connect(kind, &port).await;
        stream.write_all(b"to the end").await.unwrap();
        stream.shutdown().await.unwrap();
        let error = stream.write(b"more").await.unwrap_err();
        assert_eq!((error.kind(), cause(&error)), (ErrorKind::BrokenPipe, &Error::ShutDown));
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "to the end");
        stream.acknowledged().await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_server_that_was_restarted_is_an_error_and_no_end() {
    for kind in KINDS {
        let name = id();
        let port = sessions(&name, "0", LONG).await;
        let mut stream = connect(kind, &port).await;
        stream.write_all(b"before").await.unwrap();
        stream.read_exact(&mut [0; 6]).await.unwrap();
        answer(&format!("/release?id={name}")).await;
        assert_eq!(fate(&name).await, "gone");
        assert_eq!(sessions(&id(), &port, LONG).await, port);
        for _ in 0..2 {
            let error = stream.read(&mut [0; 1]).await.unwrap_err();
            let unknown = Error::Session(ResumeError::Unknown);
            assert_eq!((error.kind(), cause(&error)), (ErrorKind::ConnectionReset, &unknown));
        }
        assert!(stream.write(b"after").await.is_err());
        assert!(stream.acknowledged().await.is_err());
    }
}

#[wasm_bindgen_test]
async fn a_session_without_a_server_expires() {
    for kind in KINDS {
        let name = id();
        let port = sessions(&name, "0", 300).await;
        let mut stream = connect(kind, &port).await;
        answer(&format!("/release?id={name}")).await;
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        let expired = ResumeError::Expired { after: Some(Duration::from_millis(300)) };
        assert_eq!((error.kind(), cause(&error)), (ErrorKind::TimedOut, &Error::Session(expired)));
    }
}

#[wasm_bindgen_test]
async fn attempts_are_bounded_in_number() {
    for kind in KINDS {
        let name = id();
        let port = sessions(&name, "0", LONG).await;
        let client = reconnecting(kind, &port, SOON.max_attempts(Some(2)));
        let mut stream = ResumableStream::connect(client).await.unwrap();
        answer(&format!("/release?id={name}")).await;
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert!(matches!(cause(&error), Error::Connection(_)), "{error:?}");
    }
}

#[wasm_bindgen_test]
async fn both_ends_have_to_know_the_protocol() {
    for kind in KINDS {
        let name = id();
        let client = Reconnecting::new(kind.client(&format!("/count?id={name}")));
        assert_eq!(ResumableStream::connect(client).await.unwrap_err(), Error::Subprotocol);
        assert_eq!(fate(&name).await, "4002 after 0 bytes");
        // A browser refuses a server that chooses none of the subprotocols.
        let client = kind.client("/count").subprotocols([SUBPROTOCOL]);
        let client = Reconnecting::new(client).backoff(SOON.max_attempts(Some(2)));
        let error = ResumableStream::connect(client).await.unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error:?}");
    }
}

#[wasm_bindgen_test]
async fn a_write_waits_for_space_and_the_stream_keeps_its_task() {
    for kind in KINDS {
        let port = sessions(&id(), "0", LONG).await;
        let client = reconnecting(kind, &port, SOON);
        let limits = Limits::new().buffer(1000).window(700);
        let stream = ResumableStream::connect_with(client, limits).await.unwrap();
        let (mut reader, mut writer) = split(stream);
        let bytes = pattern(20_000);
        let mut received = vec![0; bytes.len()];
        let writing = async { writer.write_all(&bytes).await.unwrap() };
        join(writing, async { reader.read_exact(&mut received).await.unwrap() }).await;
        assert!(received == bytes);
    }
}

#[wasm_bindgen_test]
async fn the_program_may_ask_for_another_websocket() {
    for kind in KINDS {
        let name = id();
        let port = sessions(&id(), "0", LONG).await;
        let mut stream = connect(kind, &relay(&name, &port, 0, 0).await).await;
        for _ in 0..3 {
            stream.write_all(b"across").await.unwrap();
            stream.reconnect();
            let mut received = [0; 6];
            stream.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"across");
        }
        assert!(progress(&name).await > 3);
    }
}

#[wasm_bindgen_test]
async fn a_browser_that_is_online_again_ends_the_delay() {
    // Longer than the test may take.
    let backoff = Backoff::new().base(Duration::from_secs(3600)).cap(Duration::from_secs(3600));
    for kind in KINDS {
        let (port, name) = (sessions(&id(), "0", LONG).await, id());
        let client = reconnecting(kind, &relay(&name, &port, 0, 0).await, backoff);
        let mut stream = ResumableStream::connect(client).await.unwrap();
        answer(&format!("/release?id={name}")).await;
        lost(&stream).await;
        let bytes = pattern(10_000);
        stream.write_all(&bytes).await.unwrap();
        // The client may learn of the loss after the first notice.
        while !stream.is_attached() {
            fire_online();
            sleep(Duration::from_millis(20)).await;
        }
        let mut received = vec![0; bytes.len()];
        stream.read_exact(&mut received).await.unwrap();
        assert!(received == bytes);
    }
}

#[wasm_bindgen_test]
async fn a_stream_that_has_ended_opens_no_websocket() {
    for kind in KINDS {
        let (port, name) = (sessions(&id(), "0", LONG).await, id());
        let mut stream = connect(kind, &relay(&name, &port, 0, 0).await).await;
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        stream.acknowledged().await.unwrap();
        fire_online();
        stream.reconnect();
        assert_eq!(progress(&name).await, 1);
    }
}

/// Fires the event of a browser that is online again.
fn fire_online() {
    let script = "globalThis.dispatchEvent(new Event('online'))";
    Function::new_no_args(script).call0(&JsValue::UNDEFINED).unwrap();
}

#[wasm_bindgen_test]
async fn what_was_written_arrives_after_the_stream_was_dropped() {
    for kind in KINDS {
        let (server, name) = (id(), id());
        let port = sessions(&server, "0", LONG).await;
        let relay = relay(&name, &port, 3, 60_000).await;
        let mut stream = connect(kind, &relay).await;
        stream.write_all(&pattern(200_000)).await.unwrap();
        // The flush of a shutdown waits for a WebSocket; what it has taken may yet be lost.
        stream.shutdown().await.unwrap();
        drop(stream);
        assert_eq!(fate(&server).await, "200000 bytes");
    }
}
