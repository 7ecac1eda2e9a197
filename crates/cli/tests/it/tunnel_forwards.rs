//! `sockeye tunnel` forwards connections in each direction, with their ends and resets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::program::tunnel::{Client, dial, echo, exchange, failed_open, open, serve, target};

/// Returns the path of a socket that does not exist: those of tests must be short.
fn socket(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sockeye-{name}-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn local_connections_reach_the_target_and_each_direction_ends_by_itself() {
    // The target answers only after the end of the request.
    let target = target(|mut stream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        write!(stream, "{} bytes: {text}", text.len()).unwrap();
    });
    let server = serve(&["--allow", &target.to_string()]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    for text in ["", "hello", &"long ".repeat(100_000)] {
        let answer = exchange(client.dial(0), text);
        assert!(answer == format!("{} bytes: {text}", text.len()), "{} bytes", answer.len());
    }
}

#[test]
fn many_connections_share_the_tunnel() {
    let target = echo();
    let server = serve(&["--allow", &target.to_string(), "--max-streams", "16"]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    // More than the limit: the others wait for a place.
    let address = &client.addresses[0];
    std::thread::scope(|scope| {
        for number in 0..64 {
            scope.spawn(move || {
                let text = format!("{number} ").repeat(10_000);
                assert!(exchange(dial(address), &text) == text);
            });
        }
    });
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let (ends, end) = mpsc::channel();
    let target = target(move |mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        if byte == *b"r" {
            // Unread data makes the system reset the connection.
            stream.read_exact(&mut byte).unwrap();
            return;
        }
        stream.write_all(&byte).unwrap();
        ends.send(stream.read(&mut byte).map_err(|error| error.kind())).unwrap();
    });
    let server = serve(&["--allow", &target.to_string()]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);

    let mut stream = client.dial(0);
    stream.write_all(b"r and more").unwrap();
    let error = stream.read(&mut [0]).expect_err("the target resets");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    // The client resets by leaving the echoed byte unread.
    let mut stream = client.dial(0);
    stream.write_all(b"e").unwrap();
    let mut byte = [0];
    stream.peek(&mut byte).unwrap();
    drop(stream);
    assert_eq!(end.recv().unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_target_that_refuses_resets_the_connection_and_is_explained() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = serve(&["--allow", &closed.to_string()]);
    let mut client = Client::start(&server.url, 1, &["-L", &format!("0:{closed}")]);
    let mut stream = client.dial(0);
    let error = stream.read(&mut [0]).expect_err("the connection is reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut line = String::new();
    while !line.contains("refused") {
        line.clear();
        std::io::BufRead::read_line(&mut client.log, &mut line).unwrap();
    }
    assert!(line.contains(&closed.to_string()), "{line}");
}

#[test]
fn remote_connections_reach_a_target_of_the_client() {
    let target = echo();
    let server = serve(&["--allow-bind", "127.0.0.1:*"]);
    let client = Client::start(&server.url, 1, &["-R", &format!("127.0.0.1:0:{target}")]);
    for text in ["hello", &"long ".repeat(100_000)] {
        assert!(exchange(client.dial(0), text) == text);
    }
    // The server stops listening when the client ends.
    let address = client.addresses[0].clone();
    client.signal("TERM");
    assert_eq!(client.wait(), Some(0));
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn unix_sockets_are_forwarded_on_either_side() {
    let (there, here) = (socket("there"), socket("here"));
    let listener = UnixListener::bind(&there).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        }
    });
    let (there, here) = (there.to_str().unwrap(), here.to_str().unwrap());
    let server = serve(&["--allow", &format!("unix:{there}")]);
    let forwards = ["-L", &format!("{here}:{there}"), "-L", &format!("0:{there}")];
    let client = Client::start(&server.url, 2, &forwards);
    assert_eq!(exchange(client.dial(1), "over a port"), "OVER A PORT");
    let mut stream = UnixStream::connect(here).unwrap();
    stream.write_all(b"over a path").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "OVER A PATH");
    client.signal("TERM");
    client.wait();
    assert!(!std::path::Path::new(here).exists(), "the client removes its socket");
    std::fs::remove_file(there).unwrap();
}

#[test]
fn standard_input_and_output_are_a_connection() {
    let target = echo().to_string();
    let server = serve(&["--allow", &target]);
    let mut child = open(&[&server.url, "-W", &target])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
}

#[test]
fn a_target_that_ends_the_connection_ends_the_program() {
    let target = target(|mut stream| stream.write_all(b"goodbye\n").unwrap()).to_string();
    let server = serve(&["--allow", &target]);
    let mut child = open(&[&server.url, "-W", &target])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "goodbye\n");
    assert_eq!(child.wait().unwrap().code(), Some(0), "standard input is still open");
    drop(stdin);
}

#[test]
fn datagrams_keep_their_bounds_and_their_senders() {
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, peer)) = target.recv_from(&mut buffer) {
            target.send_to(&buffer[..length], peer).unwrap();
        }
    });
    let server = serve(&["--allow", &address]);
    let client = Client::start(&server.url, 1, &["--udp", &format!("0:{address}")]);
    let senders: Vec<_> = (0..3)
        .map(|number| {
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            sender.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            sender.connect(&client.addresses[0]).unwrap();
            (sender, number)
        })
        .collect();
    for length in [0, 1, 1200, 20_000] {
        for (sender, number) in &senders {
            sender.send(&vec![*number; length]).unwrap();
        }
        for (sender, number) in &senders {
            let mut buffer = vec![0; 65_536];
            let received = sender.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..received], vec![*number; length]);
        }
    }
}

#[test]
fn a_taken_address_is_explained_before_anything_is_sent() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    // Nothing listens at the URL.
    let (code, text) = failed_open(&["ws://127.0.0.1:1/", "-L", &format!("{port}:a.test:80")]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&port.to_string()) && text.contains("another program"), "{text}");
    let (code, text) = failed_open(&["ws://127.0.0.1:1/", "-L", "0:a.test:80"]);
    assert_eq!(code, 4, "{text}");
}
