//! A client without the code under test: a socket, and hand-written frames.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::wire::{self, BINARY, CLOSE, FIN, TEXT};

/// Timeout after which a test counts as hung.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(120);

/// One end of a connection.
pub(crate) struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
    taken: usize,
}

impl Peer {
    /// Opens a connection to `/`.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::ask(address, "/")
    }

    /// Opens a connection to a path.
    pub(crate) fn ask(address: SocketAddr, path: &str) -> Self {
        let mut peer = Self::dial(address);
        peer.send(request(path, "").as_bytes());
        let answer = peer.head();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        peer
    }

    /// Opens a transport without sending a request.
    pub(crate) fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new(), taken: 0 }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn text(&mut self, payload: &str) {
        self.send(&wire::text(payload));
    }

    /// Reads the head of an HTTP message.
    pub(crate) fn head(&mut self) -> String {
        loop {
            let found = self.unread().windows(4).position(|at| at == b"\r\n\r\n");
            if let Some(end) = found {
                let head = self.take(end + 4);
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill(), "the head was cut off");
        }
    }

    /// Reads the next frame: its first byte, and its payload.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        self.frame_or_end().expect("a frame, not the end")
    }

    /// Reads the next frame, or returns `None` at the end of the stream.
    pub(crate) fn frame_or_end(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((header, length)) = header(self.unread()) {
                if self.unread().len() >= header + length {
                    let frame = self.take(header + length);
                    return Some((frame[0], frame[header..].to_vec()));
                }
            }
            if !self.fill() {
                assert!(self.unread().is_empty(), "the stream ended within a frame");
                return None;
            }
        }
    }

    /// Reads the next frame, after the response if that was not read yet; returns `None` at the
    /// end, clean or not.
    pub(crate) fn frame_after_head(&mut self) -> Option<(u8, Vec<u8>)> {
        while self.unread().is_empty() {
            if !self.fill() {
                return None;
            }
        }
        if self.unread()[0] == b'H' {
            let answer = self.head();
            assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        }
        self.frame_or_end()
    }

    /// Reads the next frame, which must be a whole message.
    pub(crate) fn message(&mut self) -> Vec<u8> {
        let (first, payload) = self.frame();
        assert!(first == FIN | TEXT || first == FIN | BINARY, "{first:#04x}: {payload:?}");
        payload
    }

    /// Reads the next frame, which must be a close frame with a code.
    pub(crate) fn close_code(&mut self) -> u16 {
        let (first, payload) = self.frame();
        assert_eq!(first, FIN | CLOSE, "{payload:?}");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Reads the next frame, which must be a close frame with a code and a reason.
    pub(crate) fn close_frame(&mut self) -> (u16, String) {
        let (first, payload) = self.frame();
        assert_eq!(first, FIN | CLOSE, "{payload:?}");
        let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
        (u16::from_be_bytes([payload[0], payload[1]]), reason)
    }

    /// Reads `length` bytes and keeps them, a piece at a time with a pause after each.
    pub(crate) fn read_slowly(&mut self, length: usize, piece: usize, pause: Duration) {
        while self.unread().len() < length {
            let before = self.received.len();
            self.received.resize(before + piece, 0);
            let read = self.stream.read(&mut self.received[before..]).unwrap();
            assert_ne!(read, 0, "cut after {before} bytes");
            self.received.truncate(before + read);
            thread::sleep(pause);
        }
    }

    /// Reads until the stream ends, by an end of file or an error.
    pub(crate) fn drain(&mut self) {
        let mut sink = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut sink) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    assert_ne!(error.kind(), ErrorKind::WouldBlock, "the stream does not end");
                    return;
                }
            }
        }
    }

    /// Returns all bytes up to the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        self.take(self.unread().len())
    }

    /// Expects the end of the stream here, by the end of the other half or by a reset.
    pub(crate) fn end(&mut self) {
        assert!(!self.fill(), "{:?}", self.unread());
    }

    /// Ends the sending half.
    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn unread(&self) -> &[u8] {
        &self.received[self.taken..]
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let taken = self.unread()[..length].to_vec();
        self.taken += length;
        if self.taken == self.received.len() {
            self.received.clear();
            self.taken = 0;
        }
        taken
    }

    /// Reads some more. Returns whether there was more.
    fn fill(&mut self) -> bool {
        let length = self.received.len();
        self.received.resize(length + 256 * 1024, 0);
        let read = loop {
            match self.stream.read(&mut self.received[length..]) {
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("cannot read: {error}"),
            }
        };
        self.received.truncate(length + read);
        read > 0
    }
}

/// Returns a whole request for `path`, with more header lines.
pub(crate) fn request(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// Returns the lengths of the header and of the payload of a server's frame.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        length @ 0..=125 => Some((2, length.into())),
        126 => {
            let length = bytes.get(2..4)?.try_into().unwrap();
            Some((4, u16::from_be_bytes(length).into()))
        }
        127 => {
            let length = bytes.get(2..10)?.try_into().unwrap();
            Some((10, u64::from_be_bytes(length).try_into().unwrap()))
        }
        other => panic!("a server's frame is masked: {other:#04x}"),
    }
}

/// Waits until a condition holds.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < TEST_TIMEOUT, "it takes too long");
        thread::yield_now();
    }
}
