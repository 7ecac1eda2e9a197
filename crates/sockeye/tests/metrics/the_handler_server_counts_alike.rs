use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use sockeye::CloseCode;
use sockeye::push::{Answer, Callbacks, SendOutcome, Server};
use sockeye::upgrade::{Refusal, Request};

use crate::ledger::record;

/// The length of a message that no transport takes at once.
const LONG: usize = 32 << 20;

fn refuse(request: &Request<'_>, _: &mut Answer) -> Result<(), Refusal> {
    if request.path() == "/" { Ok(()) } else { Err(Refusal::not_found("only /\n")) }
}

/// Returns the metrics of a server of one worker while `work` runs with its address; the command
/// queue has capacity for one message.
fn serve(work: impl FnOnce(SocketAddr)) -> Vec<String> {
    let handler = Callbacks::new().on_upgrade(refuse).on_message(|connection, message| {
        match message.as_bytes() {
            b"twice" => {
                assert_eq!(connection.send("taken"), SendOutcome::Taken);
                assert_eq!(connection.send("dropped"), SendOutcome::Full);
            }
            // The peer reads neither before the handler returns, and the transport takes only a
            // part of the first.
            b"to all" => {
                assert_eq!(connection.send_shared("x".repeat(LONG)), SendOutcome::Taken);
                connection.broadcast("dropped").unwrap();
            }
            b"to all in peace" => connection.broadcast("broadcast").unwrap(),
            _ => connection.close(CloseCode::POLICY_VIOLATION, "").unwrap(),
        }
    });
    let server = Server::new(move || handler.clone()).workers(1).max_unwritten(1);
    record(move || {
        let listening = server.listen("127.0.0.1:0").unwrap();
        let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
        let running = thread::spawn(move || listening.run_until_stopped());
        work(address);
        server_handle.stop();
        let drained = running.join().unwrap().unwrap();
        assert_eq!((drained.closed, drained.dropped), (0, 0));
    })
}

fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    stream
}

/// Sends a text with a mask key of zeros.
fn ask_for(stream: &mut TcpStream, text: &str) {
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend(text.bytes());
    stream.write_all(&frame).unwrap();
}

/// Sends a text, and expects the text `expected`.
fn exchange(stream: &mut TcpStream, text: &str, expected: &str) {
    ask_for(stream, text);
    let mut answer = vec![0; 2 + expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[2..], expected.as_bytes());
}

#[test]
fn messages_drops_broadcasts_and_close_frames() {
    let metrics = serve(|address| {
        let mut stream = ask(address, "/");
        exchange(&mut stream, "twice", "taken");
        ask_for(&mut stream, "to all");
        let mut long = vec![0; 10 + LONG];
        stream.read_exact(&mut long).unwrap();
        assert!(long[10..].iter().all(|byte| *byte == b'x'));
        exchange(&mut stream, "to all in peace", "broadcast");
        // The close frame has a payload of two bytes, and is answered with the same code.
        stream.write_all(b"\x81\x85\0\0\0\0close").unwrap();
        let mut close = [0; 4];
        stream.read_exact(&mut close).unwrap();
        assert_eq!(close, [0x88, 2, 0x03, 0xf0]);
        stream.write_all(b"\x88\x82\0\0\0\0\x03\xf0").unwrap();
        assert_eq!(stream.read(&mut close).unwrap(), 0);
    });
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_received_total{server,1008} 1",
            "sockeye_close_frames_sent_total{server,1008} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_messages_dropped_total{full} 2",
            "sockeye_messages_received_bytes_total{server,text} 31",
            "sockeye_messages_received_total{server,text} 4",
            "sockeye_messages_sent_bytes_total{server,text} 33554446",
            "sockeye_messages_sent_total{server,text} 3",
            "sockeye_wire_received_bytes_total{server} 63",
            "sockeye_wire_sent_bytes_total{server} 33554460",
        ]
    );
}

#[test]
fn refusals_and_failures() {
    let metrics = serve(|address| {
        let _refused = ask(address, "/elsewhere");
        let mut stream = ask(address, "/");
        // Not masked.
        stream.write_all(b"\x81\x01x").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest[..4], [0x88, rest[1], 0x03, 0xea]);
    });
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_sent_total{server,1002} 1",
            "sockeye_connections_failed_total{server,protocol} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_handshakes_refused_total{server,404} 1",
            "sockeye_wire_received_bytes_total{server} 3",
        ]
    );
}
