use std::io::ErrorKind;
use std::time::Duration;

use futures_util::future::join;
use sockeye_proto::CloseCode;
use sockeye_web::byte_stream::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, fate, id};

/// A stream of pseudorandom bytes, so that a checksum detects any change.
struct Bytes(u64);

impl Bytes {
    fn fill(&mut self, buffer: &mut [u8]) {
        for word in buffer.chunks_exact_mut(8) {
            // Knuth's MMIX generator.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&self.0.to_le_bytes());
        }
    }
}

fn cause(error: &std::io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[wasm_bindgen_test]
async fn a_hundred_mebibytes_come_back_as_they_were() {
    const PIECE: usize = 80_000;
    const PIECES: usize = (100 << 20) / PIECE + 1;
    for kind in KINDS {
        let stream = kind.connect("/echo").await.into_byte_stream();
        let (mut read, mut write) = split(stream);
        let writing = async {
            let (mut bytes, mut piece) = (Bytes(1), vec![0; PIECE]);
            for _ in 0..PIECES {
                bytes.fill(&mut piece);
                write.write_all(&piece).await.unwrap();
            }
            write.flush().await.unwrap();
        };
        let reading = async {
            let (mut bytes, mut piece, mut expected) = (Bytes(1), vec![0; PIECE], vec![0; PIECE]);
            for _ in 0..PIECES {
                bytes.fill(&mut expected);
                read.read_exact(&mut piece).await.unwrap();
                assert!(piece == expected, "{kind:?}");
            }
        };
        join(writing, reading).await;
        write.shutdown().await.unwrap();
        assert_eq!(read.read(&mut [0; 1]).await.unwrap(), 0);
    }
}

#[wasm_bindgen_test]
async fn small_writes_become_one_message_before_a_read_waits() {
    for kind in KINDS {
        let id = id();
        let mut stream = kind.connect(&format!("/die?id={id}&count=4")).await.into_byte_stream();
        for byte in *b"ping" {
            stream.write_all(&[byte]).await.unwrap();
        }
        let mut answer = [0; 4];
        // No flush is needed.
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
    }
}

#[wasm_bindgen_test]
async fn a_server_that_dies_midway_is_an_error_and_no_end() {
    for kind in KINDS {
        let mut stream = kind.connect("/die?count=1000").await.into_byte_stream();
        stream.write_all(&[1; 1000]).await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut [0; 1000]).await.unwrap();
        for _ in 0..2 {
            let error = stream.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(cause(&error), &Error::Connection(sockeye_web::Error::Disconnected));
        }
        let error = stream.write_all(&[1; 100_000]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}

#[wasm_bindgen_test]
async fn only_some_close_codes_are_the_end_of_the_stream() {
    for kind in KINDS {
        for code in [1000, 1001] {
            let ws = kind.connect(&format!("/close?code={code}")).await;
            let mut stream = ws.into_byte_stream();
            assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        }
        for code in [1002, 1008, 1011, 1012, 4000] {
            let ws = kind.connect(&format!("/close?code={code}")).await;
            let error = ws.into_byte_stream().read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert_eq!(cause(&error), &Error::Closed(CloseCode::from(code).into()));
        }
    }
}

#[wasm_bindgen_test]
async fn text_is_refused() {
    for kind in KINDS {
        let id = id();
        let ws = kind.connect(&format!("/say?id={id}&reason=words")).await;
        let error = ws.into_byte_stream().read(&mut [0; 1]).await.unwrap_err();
        assert_eq!((error.kind(), cause(&error)), (ErrorKind::InvalidData, &Error::Text));
        assert_eq!(fate(&id).await, "4003 after 0 bytes");
    }
}

#[wasm_bindgen_test]
async fn a_read_times_out_and_the_stream_goes_on() {
    for kind in KINDS {
        let mut stream = kind.connect("/echo").await.into_byte_stream();
        let after = Duration::from_millis(50);
        stream.set_read_timeout(Some(after));
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(cause(&error), &Error::ReadTimedOut { after });
        stream.set_read_timeout(None);
        stream.write_all(b"still here").await.unwrap();
        stream.read_exact(&mut [0; 10]).await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn shutting_down_delivers_everything_and_closes_with_1000() {
    for kind in KINDS {
        let id = id();
        let mut stream = kind.connect(&format!("/count?id={id}")).await.into_byte_stream();
        stream.write_all(&vec![7; 10 << 20]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(fate(&id).await, format!("1000 after {} bytes", 10 << 20));
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        let error = stream.write(&[1]).await.unwrap_err();
        assert_eq!((error.kind(), cause(&error)), (ErrorKind::BrokenPipe, &Error::ShutDown));
    }
}

#[wasm_bindgen_test]
async fn a_stream_that_is_dropped_is_no_end_to_its_peer() {
    for kind in KINDS {
        let id = id();
        let mut stream = kind.connect(&format!("/count?id={id}")).await.into_byte_stream();
        stream.write_all(b"begun").await.unwrap();
        stream.flush().await.unwrap();
        // With streams, unsent bytes would be lost.
        super::peer::progress(&id).await;
        drop(stream);
        assert_eq!(fate(&id).await, "4006 after 5 bytes");
    }
}

#[wasm_bindgen_test]
async fn http_runs_through_it() {
    for kind in KINDS {
        let mut stream = kind.connect("/http").await.into_byte_stream();
        let request = "GET /salmon HTTP/1.1\r\nHost: river\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert_eq!(response, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n/salmon");
    }
}
