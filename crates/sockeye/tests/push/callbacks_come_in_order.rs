//! Order of the callbacks of every connection: open first, close exactly once and last, an error at
//! most once and directly before close; and no callback for a request that did not become a
//! connection.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use sockeye::handshake::{Refusal, Request};
use sockeye::push::{Answer, Connection, ConnectionId, Handle, Handler, Server};
use sockeye::{CloseCode, CloseFrame, Error, MessageRef, ProtocolError};

use crate::peer::{Peer, request};
use crate::recorder::{Failure, Recorder, Seen, record};
use crate::serving::Running;
use crate::wire::{self, BINARY, CONTINUATION, FIN, PING, PONG, TEXT};

/// Clients of one run, and the number of threads that run them.
const CLIENTS: u64 = 360;
const THREADS: u64 = 6;

/// The way in which a client's connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Close,
    Finish,
    Reset,
    Garbage,
    BadUtf8,
    CloseMidMessage,
    TheirClose,
    TheirCloseIgnored,
    TheirAbort,
    AbortInOpen,
    CloseInOpen,
    HandleClose,
    HandleAbort,
    Refused,
    Malformed,
    NeverFinished,
    LeftOpen,
}

const ENDINGS: [Ending; 17] = [
    Ending::Close,
    Ending::Finish,
    Ending::Reset,
    Ending::Garbage,
    Ending::BadUtf8,
    Ending::CloseMidMessage,
    Ending::TheirClose,
    Ending::TheirCloseIgnored,
    Ending::TheirAbort,
    Ending::AbortInOpen,
    Ending::CloseInOpen,
    Ending::HandleClose,
    Ending::HandleAbort,
    Ending::Refused,
    Ending::Malformed,
    Ending::NeverFinished,
    Ending::LeftOpen,
];

/// A pseudo-random generator, the same for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A handler that refuses some requests, and passes the others to a recorder.
struct Picky(Recorder);

impl Handler for Picky {
    fn upgrade(&mut self, request: &Request<'_>, _: &mut Answer) -> Result<(), Refusal> {
        if request.path().starts_with("/Refused/") {
            return Err(Refusal::not_found("nothing here"));
        }
        Ok(())
    }

    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {
        self.0.open(connection, request);
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        self.0.message(connection, message);
    }

    fn ping(&mut self, connection: &mut Connection, payload: &[u8]) {
        self.0.ping(connection, payload);
    }

    fn pong(&mut self, connection: &mut Connection, payload: &[u8]) {
        self.0.pong(connection, payload);
    }

    fn error(&mut self, connection: &mut Connection, error: &Error) {
        self.0.error(connection, error);
    }

    fn close(&mut self, connection: &mut Connection, frame: Option<&CloseFrame>) {
        self.0.close(connection, frame);
    }
}

/// Carries out the command in a message.
fn obey(connection: &mut Connection, seen: &Seen, handles: &Sender<(Handle, bool)>) {
    match seen {
        Seen::Open(path) if path.starts_with("/AbortInOpen/") => connection.abort(),
        Seen::Open(path) if path.starts_with("/CloseInOpen/") => {
            connection.close(CloseCode::NORMAL_CLOSURE, "not today").unwrap();
        }
        Seen::Message(message) => match message.as_text() {
            Some("close") => connection.close(CloseCode::NORMAL_CLOSURE, "told to").unwrap(),
            Some("abort") => connection.abort(),
            Some("handle close") => handles.send((connection.handle(), true)).unwrap(),
            Some("handle abort") => handles.send((connection.handle(), false)).unwrap(),
            _ => {
                // Short, so that nothing waits for a client that reads only after it has sent
                // everything.
                connection.send("got it");
            }
        },
        // Anything that a callback tries at the end has no effect.
        Seen::Error(_) | Seen::Close(_) => {
            connection.send("too late");
            let _ = connection.ping(b"too late");
            let _ = connection.close(CloseCode::NORMAL_CLOSURE, "too late");
            connection.abort();
        }
        _ => {}
    }
}

/// Returns some valid frames.
fn chatter(dice: &mut Dice) -> Vec<u8> {
    let mut frames = Vec::new();
    for _ in 0..dice.roll(12) {
        let payload = vec![b'x'; dice.roll(3000) as usize];
        match dice.roll(5) {
            0 => frames.extend(wire::masked(FIN | PING, b"ping")),
            1 => frames.extend(wire::masked(FIN | PONG, b"pong")),
            2 => {
                frames.extend(wire::masked(TEXT, &payload));
                frames.extend(wire::masked(FIN | PING, b"between"));
                frames.extend(wire::masked(FIN | CONTINUATION, &payload));
            }
            3 => frames.extend(wire::masked(FIN | BINARY, &payload.repeat(30))),
            _ => frames.extend(wire::masked(FIN | TEXT, &payload)),
        }
    }
    frames
}

/// Returns the last bytes of a client, after its other frames.
fn last_words(ending: Ending, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    match ending {
        Ending::Close | Ending::CloseInOpen => bytes.extend(wire::close(1000)),
        Ending::Garbage => bytes.extend([0xff; 40]),
        Ending::BadUtf8 => bytes.extend(wire::masked(FIN | TEXT, b"fine so far \xc0\xaf")),
        Ending::CloseMidMessage => {
            bytes.extend(wire::masked(TEXT, b"never to be finished"));
            bytes.extend(wire::close(1000));
        }
        Ending::TheirClose => {
            bytes.extend(wire::text("close"));
            bytes.extend(chatter(dice));
            bytes.extend(wire::close(1000));
        }
        Ending::TheirCloseIgnored => {
            bytes.extend(wire::text("close"));
            bytes.extend(chatter(dice));
        }
        Ending::TheirAbort => {
            bytes.extend(wire::text("abort"));
            bytes.extend(chatter(dice));
        }
        Ending::HandleClose => bytes.extend(wire::text("handle close")),
        Ending::HandleAbort => bytes.extend(wire::text("handle abort")),
        _ => {}
    }
    bytes
}

/// Sends in pieces, until a server that ends early makes a write fail.
fn talk(peer: &mut Peer, bytes: &[u8], dice: &mut Dice) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = (1 + dice.roll(40_000) as usize).min(rest.len());
        if peer.stream().write_all(&rest[..length]).is_err() {
            return;
        }
        rest = &rest[length..];
    }
}

/// Runs one client. Returns the peer if it must stay open until the server stops.
fn run(address: SocketAddr, number: u64, seed: u64) -> Option<Peer> {
    let mut dice =
        Dice(seed.wrapping_mul(CLIENTS).wrapping_add(number + 1).wrapping_mul(0x9e37_79b9));
    let ending = ending(number);
    let path = format!("/{ending:?}/{number}");
    let head = request(&path, "");
    let mut peer = Peer::dial(address);
    match ending {
        Ending::NeverFinished => {
            talk(&mut peer, &head.as_bytes()[..head.len() - 3], &mut dice);
            return (dice.roll(2) == 0).then_some(peer);
        }
        Ending::Malformed => {
            talk(&mut peer, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", &mut dice);
            assert!(peer.head().starts_with("HTTP/1.1 4"));
            return None;
        }
        Ending::Refused => {
            talk(&mut peer, head.as_bytes(), &mut dice);
            assert!(peer.head().starts_with("HTTP/1.1 404 "));
            return None;
        }
        _ => {}
    }
    // Frames may come with the request.
    let mut bytes = head.into_bytes();
    bytes.extend(chatter(&mut dice));
    bytes.extend(last_words(ending, &mut dice));
    talk(&mut peer, &bytes, &mut dice);
    match ending {
        Ending::LeftOpen => return Some(peer),
        Ending::Finish => peer.finish(),
        // Only connections that were certainly opened count.
        Ending::Reset => {
            peer.head();
            peer.reset();
            return None;
        }
        Ending::HandleClose | Ending::TheirCloseIgnored => {
            while let Some((first, _)) = peer.frame_after_head() {
                if first == FIN | wire::CLOSE {
                    break;
                }
            }
            if ending == Ending::HandleClose {
                talk(&mut peer, &wire::close(1000), &mut dice);
            } else {
                peer.finish();
            }
        }
        _ => {}
    }
    peer.drain();
    None
}

fn ending(number: u64) -> Ending {
    ENDINGS[(number % ENDINGS.len() as u64) as usize]
}

/// Checks the order of the callbacks of one connection.
fn check(ending: Ending, all: &[Seen]) {
    let context = || format!("{ending:?}: {all:?}");
    assert!(matches!(all[0], Seen::Open(_)), "{}", context());
    let (last, before) = all[1..].split_last().unwrap_or_else(|| panic!("{}", context()));
    let Seen::Close(frame) = last else { panic!("{}", context()) };
    let failure = match before.last() {
        Some(Seen::Error(failure)) => Some(*failure),
        _ => None,
    };
    let between = &before[..before.len() - usize::from(failure.is_some())];
    for seen in between {
        assert!(
            matches!(seen, Seen::Message(_) | Seen::Ping(_) | Seen::Pong(_) | Seen::Drained),
            "{}",
            context()
        );
    }
    let code = frame.as_ref().map(|frame| frame.code);
    let normal = code == Some(CloseCode::NORMAL_CLOSURE) && failure.is_none();
    let dropped = code.is_none() && failure.is_none();
    let as_expected = match ending {
        Ending::Close | Ending::TheirClose | Ending::CloseInOpen | Ending::HandleClose => normal,
        Ending::TheirAbort | Ending::HandleAbort => dropped,
        Ending::AbortInOpen => dropped && between.is_empty(),
        Ending::Finish | Ending::TheirCloseIgnored => failure == Some(Failure::Disconnected),
        Ending::Reset => {
            matches!(failure, Some(Failure::Disconnected | Failure::Io(_)))
        }
        Ending::Garbage => {
            matches!(failure, Some(Failure::Protocol(ProtocolError::ReservedOpCode { .. })))
        }
        Ending::BadUtf8 => failure == Some(Failure::Protocol(ProtocolError::InvalidUtf8)),
        Ending::CloseMidMessage => failure == Some(Failure::ClosedMidMessage),
        Ending::LeftOpen => code == Some(CloseCode::GOING_AWAY) && failure.is_none(),
        Ending::Refused | Ending::Malformed | Ending::NeverFinished => false,
    };
    assert!(as_expected, "{}", context());
    if failure.is_some() {
        assert_eq!(code, None, "{}", context());
    }
    if matches!(ending, Ending::TheirAbort) {
        assert_eq!(between.last(), Some(&Seen::Message("abort".into())), "{}", context());
    }
}

fn run_all(seed: u64, workers: usize) {
    let (handles, asked) = channel::<(Handle, bool)>();
    let by_handle = thread::spawn(move || {
        for (handle, gently) in asked {
            handle.send("coming").unwrap();
            if gently {
                handle.close(CloseCode::NORMAL_CLOSURE, "from elsewhere").unwrap();
            } else {
                handle.abort().unwrap();
            }
            // The server may have stopped by now.
            let _ = handle.send("too late");
        }
    });
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        obey(connection, seen, &handles);
    });
    let running = Running::start(Server::new(move || Picky(make())).workers(workers));
    let address = running.address;
    let clients: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                (thread..CLIENTS)
                    .step_by(THREADS as usize)
                    .filter_map(|number| run(address, number, seed))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let left: Vec<Peer> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let mut seen: HashMap<ConnectionId, Vec<Seen>> = HashMap::new();
    // The remaining connections must be open before the server stops, or it would drop them instead
    // of closing them.
    let mut to_open = (0..CLIENTS).filter(|number| ending(*number) == Ending::LeftOpen).count();
    while to_open > 0 {
        let (id, event) = log.next();
        if matches!(&event, Seen::Open(path) if path.starts_with("/LeftOpen/")) {
            to_open -= 1;
        }
        seen.entry(id).or_default().push(event);
    }
    running.tell_to_stop();
    let left: Vec<_> = left
        .into_iter()
        .map(|mut peer| {
            thread::spawn(move || {
                // Whether the request became a connection or not.
                while let Some((first, _)) = peer.frame_after_head() {
                    if first == FIN | wire::CLOSE {
                        let mut dice = Dice(1);
                        talk(&mut peer, &wire::close(1001), &mut dice);
                    }
                }
            })
        })
        .collect();
    for client in left {
        client.join().unwrap();
    }
    running.join().unwrap().unwrap();
    for (id, event) in log.rest() {
        seen.entry(id).or_default().push(event);
    }
    by_handle.join().unwrap();
    let mut opened = vec![false; CLIENTS as usize];
    for all in seen.values() {
        let Seen::Open(path) = &all[0] else { panic!("not opened first: {all:?}") };
        let number: u64 = path.rsplit('/').next().unwrap().parse().unwrap();
        check(ending(number), all);
        assert!(!std::mem::replace(&mut opened[number as usize], true), "{path} twice");
    }
    for (number, opened) in (0..).zip(opened) {
        let refused =
            matches!(ending(number), Ending::Refused | Ending::Malformed | Ending::NeverFinished);
        assert_eq!(opened, !refused, "{number}: {:?}", ending(number));
    }
}

#[test]
fn callbacks_come_in_order_on_one_worker() {
    run_all(1, 1);
    run_all(2, 1);
}

#[test]
fn callbacks_come_in_order_on_several_workers() {
    run_all(3, 3);
    run_all(4, 3);
}

#[test]
fn an_abort_in_open_ends_what_came_with_the_request() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            connection.abort();
        }
    });
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::dial(running.address);
    let mut bytes = request("/", "").into_bytes();
    bytes.extend(wire::text("not to be seen"));
    peer.send(&bytes);
    peer.drain();
    running.stop();
    let seen: Vec<Seen> = log.rest().map(|(_, seen)| seen).collect();
    assert_eq!(seen, [Seen::Open("/".into()), Seen::Close(None)]);
}
