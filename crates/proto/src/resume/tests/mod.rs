//! Both ends of a session, joined by messages that the tests deliver and lose.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cuts;
mod rules;
mod simulation;

use std::collections::VecDeque;
use std::time::Duration;

use super::{Attach, Frame, Limits, ResumeError, Session, Token};

const TOKEN: Token = Token::new([7; 32]);

/// A client, a server and the WebSocket between them.
struct Pair {
    client: Session,
    /// `None` until a `Hello` has arrived.
    server: Option<Session>,
    server_limits: Limits,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    /// `true` if the server has handled the first frame of this WebSocket.
    server_attached: bool,
    now: Duration,
    /// The bytes that each program has read: the client's, then the server's.
    read: [Vec<u8>; 2],
}

impl Pair {
    fn new(client: Limits, server: Limits) -> Self {
        let mut pair = Self {
            client: Session::client(client),
            server: None,
            server_limits: server,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            server_attached: false,
            now: Duration::ZERO,
            read: [Vec::new(), Vec::new()],
        };
        pair.client.connect();
        pair
    }

    fn server(&mut self) -> &mut Session {
        self.server.as_mut().unwrap()
    }

    /// Delivers the next message to the server.
    fn deliver_to_server(&mut self) -> Result<bool, ResumeError> {
        let Some(message) = self.to_server.pop_front() else { return Ok(false) };
        if self.server_attached {
            self.server.as_mut().unwrap().handle(&message, self.now)?;
            return Ok(true);
        }
        self.server_attached = true;
        match Frame::decode(&message)? {
            Frame::Hello { window } => {
                self.server = Some(Session::server(self.server_limits, TOKEN, window));
            }
            Frame::Attach(attach) => {
                assert_eq!(attach.token, TOKEN);
                self.attach(&attach)?;
            }
            other => panic!("{other:?} as the first frame"),
        }
        Ok(true)
    }

    fn attach(&mut self, attach: &Attach) -> Result<(), ResumeError> {
        self.server.as_mut().unwrap().attach(attach)
    }

    /// Delivers the next message to the client.
    fn deliver_to_client(&mut self) -> Result<bool, ResumeError> {
        let Some(message) = self.to_client.pop_front() else { return Ok(false) };
        self.client.handle(&message, self.now)?;
        Ok(true)
    }

    /// Puts what both ends send on the wire, and returns whether there was anything.
    fn transmit(&mut self) -> bool {
        let before = self.to_server.len() + self.to_client.len();
        while let Some(frame) = self.client.poll_transmit(self.now) {
            self.to_server.push_back(frame);
        }
        if let Some(server) = self.server.as_mut().filter(|_| self.server_attached) {
            while let Some(frame) = server.poll_transmit(self.now) {
                self.to_client.push_back(frame);
            }
        }
        self.to_server.len() + self.to_client.len() > before
    }

    /// Ends the WebSocket and connects another one. What is on the wire is lost.
    fn cut(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.server_attached = false;
        self.client.detach(self.now);
        if let Some(server) = &mut self.server {
            server.detach(self.now);
        }
        if self.client.token().is_none() {
            // The client begins another session, and the server's end of this one is left over.
            self.server = None;
        }
        self.client.connect();
    }

    /// Lets both programs read up to `length` bytes.
    fn read(&mut self, length: usize) {
        let mut bytes = vec![0; length];
        let taken = self.client.read(&mut bytes, self.now);
        self.read[0].extend_from_slice(&bytes[..taken]);
        if let Some(server) = &mut self.server {
            let taken = server.read(&mut bytes, self.now);
            self.read[1].extend_from_slice(&bytes[..taken]);
        }
    }

    /// Delivers and reads until nothing happens any more.
    fn settle(&mut self) -> Result<(), ResumeError> {
        loop {
            let mut busy = self.transmit();
            while self.deliver_to_server()? || self.deliver_to_client()? {
                busy = true;
            }
            self.read(usize::from(u16::MAX));
            if !busy {
                let ack_at = self.client.poll_timeout().into_iter();
                let ack_at = ack_at.chain(self.server.as_ref().and_then(Session::poll_timeout));
                let Some(at) = ack_at.min() else { return Ok(()) };
                self.now = self.now.max(at);
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.client.is_complete() && self.server.as_ref().is_some_and(Session::is_complete)
    }
}

/// Returns bytes of which no two neighbourhoods are alike.
fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed | 1);
    (0..length).map(|_| random.below(256).try_into().unwrap()).collect()
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}
