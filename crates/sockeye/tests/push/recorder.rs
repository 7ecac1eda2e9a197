//! A handler that records every callback.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use sockeye::handshake::Request;
use sockeye::push::{Connection, ConnectionId, Handler};
use sockeye::{CloseFrame, Error, Message, MessageRef, ProtocolError, TimedOut};

use crate::peer::TEST_TIMEOUT;

/// A callback, with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// The path of the request.
    Open(String),
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Tick,
    Event(u32),
    Drained,
    Error(Failure),
    Close(Option<CloseFrame>),
}

/// The errors of a server's connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    Protocol(ProtocolError),
    Io(io::ErrorKind),
    Disconnected,
    ClosedMidMessage,
    TimedOut(TimedOut),
}

/// A handler that records every callback, and then runs the test's action.
pub(crate) struct Recorder {
    seen: Sender<(ConnectionId, Seen)>,
    action: Arc<Action>,
}

type Action = dyn Fn(&mut Connection, &Seen) + Send + Sync;

/// Returns a factory of recorders, and the log of their callbacks.
pub(crate) fn record(
    action: impl Fn(&mut Connection, &Seen) + Send + Sync + 'static,
) -> (impl Fn() -> Recorder + Send + Sync + 'static, Log) {
    let (seen, callbacks) = channel();
    let action = Arc::new(action);
    let make = move || Recorder { seen: seen.clone(), action: action.clone() };
    (make, Log { callbacks })
}

/// Returns the result of [`record`] for recorders that echo every message.
pub(crate) fn record_echo() -> (impl Fn() -> Recorder + Send + Sync + 'static, Log) {
    record(|connection, seen| {
        if let Seen::Message(message) = seen {
            connection.send(message);
        }
    })
}

/// The callbacks of all recorders.
pub(crate) struct Log {
    callbacks: Receiver<(ConnectionId, Seen)>,
}

impl Log {
    /// Returns the next callback of any connection.
    pub(crate) fn next(&self) -> (ConnectionId, Seen) {
        self.callbacks.recv_timeout(TEST_TIMEOUT).expect("something happens")
    }

    /// Returns the next callback without its connection.
    pub(crate) fn seen(&self) -> Seen {
        self.next().1
    }

    /// Returns the next connection that opens.
    pub(crate) fn opened(&self) -> ConnectionId {
        loop {
            if let (id, Seen::Open(_)) = self.next() {
                return id;
            }
        }
    }

    /// Waits for a callback, and returns its connection.
    pub(crate) fn wait_for(&self, expected: &Seen) -> ConnectionId {
        loop {
            let (id, seen) = self.next();
            if seen == *expected {
                return id;
            }
        }
    }

    /// Returns all remaining callbacks, once the server has stopped.
    pub(crate) fn rest(self) -> impl Iterator<Item = (ConnectionId, Seen)> {
        self.callbacks.into_iter()
    }
}

impl Recorder {
    fn record_callback(&mut self, connection: &mut Connection, seen: Seen) {
        (self.action)(connection, &seen);
        // The receiver is gone when the test has ended.
        let _ = self.seen.send((connection.id(), seen));
    }
}

impl Handler for Recorder {
    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {
        self.record_callback(connection, Seen::Open(request.path().into()));
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        self.record_callback(connection, Seen::Message(message.into()));
    }

    fn ping(&mut self, connection: &mut Connection, payload: &[u8]) {
        self.record_callback(connection, Seen::Ping(payload.into()));
    }

    fn pong(&mut self, connection: &mut Connection, payload: &[u8]) {
        self.record_callback(connection, Seen::Pong(payload.into()));
    }

    fn tick(&mut self, connection: &mut Connection) {
        self.record_callback(connection, Seen::Tick);
    }

    fn event(&mut self, connection: &mut Connection, event: Box<dyn Any + Send>) {
        if let Ok(number) = event.downcast() {
            self.record_callback(connection, Seen::Event(*number));
        }
    }

    fn drained(&mut self, connection: &mut Connection) {
        self.record_callback(connection, Seen::Drained);
    }

    fn error(&mut self, connection: &mut Connection, error: &Error) {
        let failure = match error {
            Error::Protocol(error) => Failure::Protocol(*error),
            Error::Io(error) => Failure::Io(error.kind()),
            Error::Disconnected => Failure::Disconnected,
            Error::ClosedMidMessage(_) => Failure::ClosedMidMessage,
            Error::TimedOut(late) => Failure::TimedOut(*late),
            other => panic!("not an error of a connection: {other:?}"),
        };
        self.record_callback(connection, Seen::Error(failure));
    }

    fn close(&mut self, connection: &mut Connection, frame: Option<&CloseFrame>) {
        self.record_callback(connection, Seen::Close(frame.cloned()));
    }
}
