//! `sockeye bench` prints its result, checks conditions on it, and explains errors with their exit
//! codes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;
use std::sync::mpsc;
use std::thread;

use crate::program;
use crate::program::connect::{Wire, read_head, switching, websocket};

fn bench(arguments: &[&str]) -> Output {
    let mut command = program::sockeye(&["bench", "-q", "--duration", "300ms"]);
    if !arguments.contains(&"-c") {
        command.args(["-c", "3"]);
    }
    command.args(arguments).output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn echo(server: &program::Server) -> String {
    format!("ws://{}/echo", server.address)
}

#[test]
fn both_loops_print_rates_and_times() {
    let server = program::Server::start(&[]);
    let url = echo(&server);
    for (arguments, expected) in [
        (&["--rate", "500", "--text", "--warm-up=100ms"][..], "offered 500.0/s"),
        (&["--in-flight", "4", "--size", "64KiB"], "(the server sets the rate)"),
    ] {
        let output = bench(&[arguments, &[url.as_str()][..]].concat());
        let (out, error) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{error}");
        for part in [expected, "response time", "service time", "handshake", "client: "] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
}

#[test]
fn a_condition_that_holds_fails() {
    let server = program::Server::start(&[]);
    let output = bench(&[&echo(&server), "--rate", "100", "--fail-if", "p50>1ns"]);
    assert_eq!(output.status.code(), Some(1));
    let out = text(output.stdout);
    assert!(out.contains("failed: p50>1ns (") || out.contains("generator-limited"), "{out}");
    let output = bench(&[&echo(&server), "--rate", "100", "--fail-if", "p99>5"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("expected a time such as"));
}

#[test]
fn a_search_ends_at_a_rate_and_a_comparison_at_ratios() {
    let server = program::Server::start(&[]);
    let url = echo(&server);
    let output = bench(&[&url, "--find-max", "p50<1ns"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(output.stderr);
    // The second where other programs hold up the client.
    let expected = ["p50<1ns holds at no rate", "generator-limited at "];
    assert!(expected.iter().any(|part| error.contains(part)), "{error}");
    let output = bench(&[&url, "--compare", &url, "--turns", "2"]);
    let out = text(output.stdout);
    assert!(
        output.status.success() && out.contains("turn 2 B") && out.contains("  p99.9 "),
        "{out}"
    );
}

#[test]
fn files_have_the_times() {
    let server = program::Server::start(&[]);
    let base = std::env::temp_dir().join(format!("sockeye-bench-files-{}", std::process::id()));
    let files = ["hlog", "hgrm", "svg"].map(|extension| base.with_extension(extension));
    let [log, table, svg] = files.each_ref().map(|file| file.to_str().unwrap());
    let arguments = ["--rate", "500", "--hdr", log, "--percentiles", table, "--svg", svg];
    let output = bench(&[&[echo(&server).as_str()][..], &arguments].concat());
    assert!(output.status.success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.starts_with("#[Histogram log format version 1.3]\n#[StartTime: "), "{log}");
    // The test is shorter than a second: it has an interval of responses and one of services, each
    // with a histogram in base64 that begins with the cookie of the format.
    let intervals: Vec<_> = log.lines().skip(3).collect();
    let [response, service] = intervals[..] else { panic!("{log}") };
    assert!(response.starts_with("0.000,0.") && response.contains(",HISTF"), "{log}");
    assert!(service.starts_with("Tag=service,0.000,0."), "{log}");
    let table = std::fs::read_to_string(table).unwrap();
    assert!(
        table.contains("1/(1-Percentile)") && table.contains("Total count    =          150]"),
        "{table}"
    );
    let plot = std::fs::read_to_string(svg).unwrap();
    assert_eq!(plot.matches("<polyline").count(), 2, "{plot}");
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_written_is_a_mistake_before_the_test() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for flag in ["--json", "--svg", "--percentiles"] {
        let output = bench(&[&format!("ws://{closed}/"), flag, "/no/such/folder/result"]);
        let error = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("cannot write /no/such/folder/result"), "{error}");
    }
}

#[test]
fn errors_have_their_exit_codes() {
    let server = program::Server::start(&[]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("ws://{}/", silent.local_addr().unwrap());
    let garbage = program::connect::server(|_| "SSH-2.0-server\r\n\r\n".to_owned(), |_| {});
    let closing = websocket(|wire| {
        wire.recv();
        wire.close(1001);
    });
    let wrong = websocket(|wire| {
        wire.recv();
        wire.frame(0x82, b"other");
        wire.recv();
    });
    let refusing = websocket(|wire| {
        wire.frame(0x88, b"\x03\xf0no\x1b");
        while wire.recv().is_some() {}
    });
    let mute = websocket(|wire| while wire.recv().is_some() {});
    for (url, code, expected) in [
        (refusing, 8, "closed the connection with code 1008: \"no\\u{1b}\""),
        (mute, 10, "no message was answered"),
        ("localhost:80/echo".to_owned(), 2, "is not a URL such as ws://"),
        (format!("ws://ada:secret@{closed}/"), 2, "send it with -H 'Authorization: Basic"),
        ("ws://no-such-host.invalid/".to_owned(), 3, "cannot resolve no-such-host.invalid"),
        (closing, 8, "closed the connection"),
        (wrong, 7, "has to echo every message"),
        (silent, 10, "no reply"),
        (format!("ws://{closed}/"), 4, "could not connect: Connection refused"),
        (format!("wss://{}/echo", server.address), 5, "Without TLS, the URL begins with ws://"),
        (garbage, 7, "does it speak TLS, as in wss://?"),
        (format!("ws://{}/none", server.address), 6, "status 404; sockeye serve has"),
    ] {
        let output = bench(&[&url, "-c", "1", "--timeout", "100ms"]);
        let error = text(output.stderr);
        assert_eq!(output.status.code(), Some(code), "{url}: {error}");
        assert!(error.contains(expected), "{url}: {error}");
    }
}

#[test]
fn a_ping_that_comes_with_the_answer_of_the_handshake_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (pongs, pong) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answer = switching(&read_head(&mut stream));
        stream.write_all(&[answer.as_bytes(), b"\x89\x01p"].concat()).unwrap();
        let mut wire = Wire(stream);
        while let Some((first, payload)) = wire.recv() {
            match first {
                0x8a => pongs.send(payload).unwrap(),
                first => wire.frame(first, &payload),
            }
        }
    });
    let output = bench(&[&url, "-c", "1"]);
    assert!(output.status.success(), "{}", text(output.stderr));
    assert_eq!(pong.recv().unwrap(), b"p");
}

#[test]
fn headers_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("WS://{}?room=a", listener.local_addr().unwrap());
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
        text(head)
    });
    let headers = ["-H", "Authorization: Bearer a", "-H", "Sec-WebSocket-Protocol: chat"];
    let output = bench(&[&[url.as_str()][..], &headers].concat());
    assert_eq!(output.status.code(), Some(6));
    let request = request.join().unwrap();
    assert!(request.starts_with("GET /?room=a HTTP/1.1\r\n"), "{request}");
    let headers = "\r\nAuthorization: Bearer a\r\nSec-WebSocket-Protocol: chat\r\n";
    assert!(request.contains(headers), "{request}");
}
