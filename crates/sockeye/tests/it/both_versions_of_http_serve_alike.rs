//! The same conversations over HTTP/1.1 and over HTTP/2: both ends observe the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;

use crate::foreign::conversation;
use crate::foreign::parameters::Bits::{Absent, Most};
use crate::foreign::parameters::combinations;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::upgrade::{self, Options};
use sockeye::{Client, CloseCode, Config, Deflate, Error, Message, WebSocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

/// Size of the pipe between both ends, in bytes.
const PIPE: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// The observations of a handler, in order.
type Seen = Vec<String>;

/// Serves one connection by hyper; each WebSocket on it is passed to `handler`.
fn serve<H, F>(version: Version, options: Options, handler: H) -> DuplexStream
where
    H: Fn(WebSocket) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (client, server) = duplex(PIPE);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (response, upgrading) = upgrade::hyper(&mut request, &options).unwrap();
        let handler = handler.clone();
        tokio::spawn(async move { handler(upgrading.await.unwrap()).await });
        async move { Ok::<Response<String>, Infallible>(response) }
    });
    let server = TokioIo::new(server);
    match version {
        Version::Http1 => {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(server, service)
                .with_upgrades();
            tokio::spawn(connection);
        }
        Version::Http2 => {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .enable_connect_protocol()
                .serve_connection(server, service);
            tokio::spawn(connection);
        }
    }
    client
}

/// Returns a message in a form to compare: a long one by its length and checksum.
fn summary(message: &Message) -> String {
    let (kind, bytes) = (message.kind(), message.as_bytes());
    let sum = bytes.iter().fold(0_u64, |sum, &byte| sum.wrapping_mul(31) + u64::from(byte));
    format!("{kind:?} of {} bytes, {sum:x}", bytes.len())
}

fn story(error: &Error) -> String {
    error.to_string()
}

/// Echoes, and returns the messages and how the connection ended.
async fn echo(mut ws: WebSocket) -> Seen {
    let mut seen = vec![format!("{:?} {:?}", ws.subprotocol(), ws.extensions())];
    loop {
        match ws.recv().await {
            Ok(Some(message)) => {
                seen.push(summary(&message));
                if let Err(error) = ws.send(message).await {
                    seen.push(format!("sending: {}", story(&error)));
                }
            }
            Ok(None) => {
                seen.push(format!("closed: {:?}", ws.close_frame()));
                return seen;
            }
            Err(error) => {
                seen.push(story(&error));
                return seen;
            }
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Opens a WebSocket without the library's client, and returns its raw stream, which carries bytes
/// of frames.
async fn open_by_hand(version: Version, stream: DuplexStream, extensions: &str) -> Box<dyn Io> {
    match version {
        Version::Http1 => upgrade_by_hand(stream, extensions).await,
        Version::Http2 => connect_by_hand(stream, extensions).await,
    }
}

async fn upgrade_by_hand(mut stream: DuplexStream, extensions: &str) -> Box<dyn Io> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {extensions}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    Box::new(stream)
}

async fn connect_by_hand(stream: DuplexStream, extensions: &str) -> Box<dyn Io> {
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    while !connection.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://example.com/")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-extensions", extensions)
        .extension(Protocol::from_static("websocket"))
        .body(String::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    Box::new(TokioIo::new(hyper::upgrade::on(response).await.unwrap()))
}

/// Sends a script in pieces of this size, ends the stream, and reads to the end of the other half.
async fn play(stream: Box<dyn Io>, script: Vec<u8>, piece: usize) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        for piece in script.chunks(piece) {
            // A server that has refused the input does not read all of it.
            if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    });
    let mut answer = Vec::new();
    // In whatever way it ends.
    let _ = reader.read_to_end(&mut answer).await;
    writing.await.unwrap();
    answer
}

/// Encodes a client's frame, masked with zeros unless the frame is to be invalid.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(0xfe);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Returns pseudo-random bytes, the same in every run (xorshift).
fn noise(mut state: u64, length: usize) -> Vec<u8> {
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    std::iter::repeat_with(&mut byte).take(length).collect()
}

/// Returns the conversations, each with its name.
fn scripts() -> Vec<(String, Vec<u8>)> {
    let close = frame(0x88, &1000_u16.to_be_bytes());
    let mut scripts: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, frames: &[Vec<u8>]| scripts.push((name.to_owned(), frames.concat()));
    for length in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let message = frame(0x82, &noise(5, length));
        add(&format!("{length} bytes"), &[message.clone(), message, close.clone()]);
    }
    add(
        "fragments with control frames between",
        &[
            frame(0x01, "grü".as_bytes()),
            frame(0x89, b"are you there?"),
            frame(0x00, b""),
            frame(0x8a, b"unasked"),
            frame(0x80, "ße".as_bytes()),
            frame(0x82, b"whole"),
            close.clone(),
        ],
    );
    let reason = [&4001_u16.to_be_bytes()[..], "bye, 鮭".as_bytes()].concat();
    add("a close with a reason", &[frame(0x81, b"x"), frame(0x88, &reason)]);
    add("a close without a code", &[frame(0x88, b"")]);
    add("a close within a message", &[frame(0x01, b"x"), close.clone()]);
    add("frames after a close", &[close.clone(), frame(0x81, b"late"), close.clone()]);
    add("an end without a close", &[frame(0x81, b"x")]);
    add(
        "an end within a frame",
        &[frame(0x81, b"x"), frame(0x82, &noise(6, 5_000))[..77].to_vec()],
    );
    add("nothing", &[]);
    for (name, frames) in [
        ("not masked", vec![0x81, 0x01, b'x']),
        ("a reserved opcode", frame(0x83, b"x")),
        ("a reserved bit", frame(0xa1, b"x")),
        ("a compressed frame, or none", frame(0xc1, &noise(9, 100))),
        ("a continuation of nothing", frame(0x80, b"x")),
        ("text that is not UTF-8", frame(0x81, b"\xff")),
        ("a fragmented ping", frame(0x09, b"x")),
        ("a ping that is too long", frame(0x89, &[0; 126])),
        ("a close code that is not allowed", frame(0x88, &1005_u16.to_be_bytes())),
        ("a close code cut in half", frame(0x88, &[3])),
        ("a length that is not minimal", vec![0x82, 0xfe, 0, 1, 0, 0, 0, 0, 1]),
        ("a length with its top bit set", [&[0x82, 0xff, 0x80][..], &[0; 11]].concat()),
        ("a message over the limit", frame(0x82, &vec![0; (1 << 20) + 1])),
    ] {
        add(name, &[frame(0x81, b"before"), frames, frame(0x81, b"after"), close.clone()]);
    }
    for seed in 1..40 {
        add(&format!("noise {seed}"), &[noise(seed * 7919, 400)]);
    }
    scripts
}

#[tokio::test]
async fn raw_bytes_of_a_client_are_answered_alike() {
    for extensions in ["", "permessage-deflate"] {
        for (name, script) in scripts() {
            for piece in
                [usize::MAX, 7, 1000].into_iter().filter(|&piece| script.len() / piece < 9000)
            {
                let mut observed = Vec::new();
                for version in [Version::Http1, Version::Http2] {
                    let (seen, mut sightings) = mpsc::unbounded_channel();
                    let handler = move |ws| {
                        let seen = seen.clone();
                        async move { seen.send(echo(ws).await).unwrap() }
                    };
                    let options = Options::new()
                        .config(Config::new().max_message_length(1 << 20))
                        .deflate(Deflate::new());
                    let stream = serve(version, options, handler);
                    let stream = open_by_hand(version, stream, extensions).await;
                    let answer = play(stream, script.clone(), piece.min(script.len().max(1))).await;
                    observed.push((answer, sightings.recv().await.unwrap()));
                }
                let (second, first) = (observed.pop().unwrap(), observed.pop().unwrap());
                assert_eq!(first.1, second.1, "{name}, {extensions}, {piece} bytes at a time");
                assert!(first.0 == second.0, "{name}, {extensions}, {piece} bytes at a time");
            }
        }
    }
}

#[tokio::test]
async fn a_client_gets_the_same_answers() {
    let windows = [Absent, Most(9), Most(15)];
    for set in combinations(&windows, &windows).into_iter().step_by(3) {
        let mut observed = Vec::new();
        for version in [Version::Http1, Version::Http2] {
            let (seen, mut sightings) = mpsc::unbounded_channel();
            let handler = move |ws| {
                let seen = seen.clone();
                async move { seen.send(echo(ws).await).unwrap() }
            };
            let stream = serve(version, conversation::options(set), handler);
            let mut client =
                Client::new("ws://example.com/").subprotocols([conversation::SUBPROTOCOL]);
            if let Some(set) = set {
                client = client.deflate(set.for_client());
            }
            let mut ws = match version {
                Version::Http1 => client.handshake(stream).await.unwrap(),
                Version::Http2 => {
                    client.handshake_http2(stream).await.unwrap().open("/").await.unwrap()
                }
            };
            let agreed = (ws.subprotocol().map(str::to_owned), ws.extensions().map(str::to_owned));
            conversation::converse(&mut ws).await.unwrap();
            ws.close(CloseCode::from(4321), "enough").await.unwrap();
            observed.push((agreed, ws.close_frame().cloned(), sightings.recv().await.unwrap()));
        }
        assert_eq!(observed[0], observed[1], "{set:?}");
    }
}

#[tokio::test]
async fn a_message_of_the_largest_length_passes_both_ways() {
    for deflate in [false, true] {
        for version in [Version::Http1, Version::Http2] {
            let mut options = Options::new();
            let mut client = Client::new("ws://example.com/");
            if deflate {
                options = options.deflate(Deflate::new());
                client = client.deflate(Deflate::new());
            }
            let stream = serve(version, options, |ws| async move { drop(echo(ws).await) });
            let mut ws = match version {
                Version::Http1 => client.handshake(stream).await.unwrap(),
                Version::Http2 => {
                    client.handshake_http2(stream).await.unwrap().open("/").await.unwrap()
                }
            };
            let mut message = noise(16, 1 << 20);
            message.resize(16 << 20, b'x');
            let message = Message::from(message);
            ws.send(message.clone()).await.unwrap();
            let echoed = ws.recv().await.unwrap();
            assert!(echoed.as_ref() == Some(&message), "{version:?}, compressed: {deflate}");
            ws.send(vec![0; (16 << 20) + 1]).await.unwrap();
            assert!(ws.recv().await.unwrap().is_none());
            let frame = ws.close_frame().unwrap();
            assert_eq!(frame.code, CloseCode::MESSAGE_TOO_BIG, "{version:?}");
        }
    }
}
