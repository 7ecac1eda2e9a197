//! The behaviour of the handler server does not depend on its backend.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockeye::push::{Backend, Connection, Handler, Server, ServerHandle};
use sockeye::{CloseCode, CloseFrame, Error, MessageRef};

/// An event that the handler saw.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Open,
    Drained,
    Failed,
    Closed(Option<u16>),
}

/// A handler that echoes every message except the texts that are commands.
struct Echo(Sender<Seen>);

impl Handler for Echo {
    fn open(&mut self, _: &mut Connection, _: &sockeye::upgrade::Request<'_>) {
        self.0.send(Seen::Open).unwrap();
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        match message {
            MessageRef::Text("abort") => connection.abort(),
            MessageRef::Text("all") => connection.broadcast("to all").unwrap(),
            MessageRef::Text("close") => {
                connection.close(CloseCode::NORMAL_CLOSURE, "bye").unwrap();
            }
            message => {
                connection.send(message);
            }
        }
    }

    fn drained(&mut self, connection: &mut Connection) {
        assert_eq!(connection.unwritten(), 0);
        self.0.send(Seen::Drained).unwrap();
    }

    fn error(&mut self, _: &mut Connection, _: &Error) {
        self.0.send(Seen::Failed).unwrap();
    }

    fn close(&mut self, _: &mut Connection, frame: Option<&CloseFrame>) {
        self.0.send(Seen::Closed(frame.map(|frame| frame.code.into()))).unwrap();
    }
}

struct Running {
    address: SocketAddr,
    server_handle: ServerHandle,
    thread: JoinHandle<sockeye::Result<()>>,
    seen: Receiver<Seen>,
}

impl Running {
    fn start(backend: Backend) -> Self {
        let (sender, seen) = mpsc::channel();
        let server = Server::new(move || Echo(sender.clone())).workers(2).backend(backend);
        let listening = server.listen("127.0.0.1:0").unwrap();
        let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
        let thread = thread::spawn(|| listening.run());
        Self { address, server_handle, thread, seen }
    }

    /// Opens a raw client connection, and completes its handshake.
    fn connect(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        client.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        assert_eq!(self.seen.recv().unwrap(), Seen::Open);
        client
    }

    fn stop(self) -> Receiver<Seen> {
        self.server_handle.stop();
        self.thread.join().unwrap().unwrap();
        self.seen
    }
}

/// Encodes a frame of a client, masked with zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = framed(opcode, payload);
    let mask_at = frame.len() - payload.len();
    frame[1] |= 0x80;
    frame.splice(mask_at..mask_at, [0; 4]);
    frame
}

/// Encodes a frame of a server.
fn framed(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

fn read(client: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

/// Reads until the server ends the transport. Unlike a single read, `read_to_end` continues after
/// an interrupt, which was seen once on a busy machine.
fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).unwrap();
    bytes
}

fn on_every_backend(test: impl Fn(Running)) {
    test(Running::start(Backend::Readiness));
    test(Running::start(Backend::Auto));
    if cfg!(all(feature = "io-uring", target_os = "linux")) {
        test(Running::start(Backend::IoUring));
    }
}

#[test]
fn messages_of_any_length_come_back_in_order() {
    on_every_backend(|server| {
        let mut client = server.connect();
        let lengths = [0, 1, 20, 125, 126, 4095, 4096, 16 * 1024, 65_535, 65_536, 300_000, 1 << 20];
        let mut sent = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..3 {
            for length in lengths {
                sent.extend(masked(2, &payload(length)));
                expected.extend(framed(2, &payload(length)));
            }
        }
        let mut writer = client.try_clone().unwrap();
        let writing = thread::spawn(move || {
            // In pieces that end at arbitrary positions.
            for piece in sent.chunks(70_001) {
                writer.write_all(piece).unwrap();
            }
        });
        assert!(read(&mut client, expected.len()) == expected);
        writing.join().unwrap();
        client.write_all(&masked(8, &1000_u16.to_be_bytes())).unwrap();
        assert_eq!(read(&mut client, 4), framed(8, &1000_u16.to_be_bytes()));
        assert_eq!(rest(&mut client), [0_u8; 0], "the server ends the transport");
        let seen: Vec<_> = server.stop().try_iter().filter(|seen| *seen != Seen::Drained).collect();
        assert_eq!(seen, [Seen::Closed(Some(1000))]);
    });
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from_and_is_drained_once_it_does() {
    on_every_backend(|server| {
        let mut client = server.connect();
        let frame = masked(2, &payload(100_000));
        let mut writer = client.try_clone().unwrap();
        writer.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        // Until the buffers of both ends are full, which never happens if the server continues to
        // read.
        let (mut sent, mut refused) = (0, 0);
        // More than once, since the whole machine may stall for a while.
        while refused < 4 {
            match writer.write(&frame[sent % frame.len()..]) {
                Ok(length) => (sent, refused) = (sent + length, 0),
                Err(_) => refused += 1,
            }
            assert!(sent < 1 << 30, "it is read from without end");
        }
        writer.set_write_timeout(None).unwrap();
        let rest = sent.next_multiple_of(frame.len()) - sent;
        let messages = sent.div_ceil(frame.len());
        let writing = thread::spawn(move || {
            writer.write_all(&frame[frame.len() - rest..]).unwrap();
        });
        let expected = framed(2, &payload(100_000));
        for _ in 0..messages {
            assert!(read(&mut client, expected.len()) == expected);
        }
        writing.join().unwrap();
        assert_eq!(server.seen.recv().unwrap(), Seen::Drained);
        drop(client);
        server.stop();
    });
}

#[test]
fn messages_sent_before_a_peer_ended_its_half_are_answered() {
    on_every_backend(|server| {
        let mut client = server.connect();
        let message = payload(3 << 20);
        let mut sent = masked(2, &message);
        sent.extend(masked(1, b"last"));
        let mut writer = client.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut expected = framed(2, &message);
        expected.extend(framed(1, b"last"));
        assert!(read(&mut client, expected.len()) == expected);
        writing.join().unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
        let seen: Vec<_> = server.stop().try_iter().filter(|seen| *seen != Seen::Drained).collect();
        assert_eq!(seen, [Seen::Failed, Seen::Closed(None)]);
    });
}

#[test]
fn a_broken_rule_is_answered_with_its_code_and_an_abort_with_nothing() {
    on_every_backend(|server| {
        let mut client = server.connect();
        // Not masked.
        client.write_all(&framed(2, b"hello")).unwrap();
        assert_eq!(read(&mut client, 4)[2..], 1002_u16.to_be_bytes());
        assert_eq!(server.seen.recv().unwrap(), Seen::Failed);
        assert_eq!(server.seen.recv().unwrap(), Seen::Closed(None));
        drop(client);

        let mut client = server.connect();
        client.write_all(&masked(1, b"abort")).unwrap();
        assert_eq!(server.seen.recv().unwrap(), Seen::Closed(None));
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        server.stop();
    });
}

#[test]
fn a_broadcast_reaches_the_connections_of_all_workers() {
    on_every_backend(|server| {
        let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
        clients[7].write_all(&masked(1, b"all")).unwrap();
        for client in &mut clients {
            assert_eq!(read(client, 8), framed(1, b"to all"));
        }
        drop(clients);
        server.stop();
    });
}

#[test]
fn a_server_that_stops_says_so_and_waits_for_the_answer() {
    on_every_backend(|server| {
        let mut client = server.connect();
        server.server_handle.stop();
        let header = read(&mut client, 2);
        let goodbye = read(&mut client, header[1].into());
        assert_eq!((header[0], &goodbye[..2]), (0x88, &1001_u16.to_be_bytes()[..]));
        assert!(goodbye[2..].starts_with(b"retry after "), "{goodbye:?}");
        client.write_all(&masked(8, &1001_u16.to_be_bytes())).unwrap();
        assert_eq!(rest(&mut client), [0_u8; 0]);
        let address = server.address;
        let seen: Vec<_> = server.stop().try_iter().collect();
        assert_eq!(seen, [Seen::Closed(Some(1001))]);
        TcpStream::connect(address).unwrap_err();
    });
}

#[test]
fn connections_that_come_and_go_leave_room_for_others() {
    let (sender, seen) = mpsc::channel();
    let server = Server::new(move || Echo(sender.clone())).workers(1).max_connections(3);
    let listening = server.listen("127.0.0.1:0").unwrap();
    let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
    let thread = thread::spawn(|| listening.run());
    let server = Running { address, server_handle, thread, seen };
    for round in 0..50 {
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(&masked(2, &payload(round * 1000))).unwrap();
        }
        for client in &mut clients {
            let expected = framed(2, &payload(round * 1000));
            assert!(read(client, expected.len()) == expected);
            client.write_all(&masked(1, b"abort")).unwrap();
        }
        for _ in 0..3 {
            while server.seen.recv().unwrap() == Seen::Drained {}
        }
    }
    server.stop();
}

#[test]
fn a_backend_that_cannot_be_had_is_an_error_that_says_why() {
    let echo = || Echo(mpsc::channel().0);
    match Server::new(echo).backend(Backend::IoUring).listen("127.0.0.1:0") {
        Ok(_) if cfg!(all(feature = "io-uring", target_os = "linux")) => {}
        Ok(_) => panic!("there is no such backend"),
        Err(Error::Io(error)) => {
            assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("io_uring"), "{error}");
        }
        Err(other) => panic!("{other:?}"),
    }
}
