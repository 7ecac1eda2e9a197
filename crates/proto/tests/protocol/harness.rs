//! Runs a connection over the same input in every way that the input may arrive.

use sockeye_proto::deflate::Deflate;
use sockeye_proto::extension::Extension;
use sockeye_proto::{CloseCode, CloseFrame, Config, Connection, ProtocolError, Role, State};

pub(crate) use crate::driving::{InputMethod, Outcome, OwnedEvent, feed};
use crate::wire::{self, CLOSE, FIN, KEY};

pub(crate) fn text(text: &str) -> OwnedEvent {
    OwnedEvent::Message(text.into())
}

pub(crate) fn binary(bytes: &[u8]) -> OwnedEvent {
    OwnedEvent::Message(bytes.into())
}

pub(crate) fn server() -> Connection {
    Connection::server(&Config::new())
}

pub(crate) fn client() -> Connection {
    client_with(&Config::new())
}

pub(crate) fn client_with(config: &Config) -> Connection {
    Connection::client(config, || KEY)
}

/// Returns a client and a server with these settings, and the parameters that they agree on.
pub(crate) fn compressing(config: &Config, client: &Deflate, server: &Deflate) -> Pair {
    let offer = client.offer().to_string();
    let offers = Extension::parse_list([offer.as_str()]).unwrap();
    let (parameters, answer) = server.accept(&offers).unwrap();
    let answer = answer.to_string();
    let answers = Extension::parse_list([answer.as_str()]).unwrap();
    let confirmed = client.confirm(&answers[0]).unwrap();
    assert_eq!(confirmed.client(), parameters.client());
    let (announced, kept) = (confirmed.server(), parameters.server());
    assert_eq!(announced.no_context_takeover(), kept.no_context_takeover());
    // A server reports a smaller window only to a client that asked for one.
    assert!(announced.max_window_bits() >= kept.max_window_bits(), "{announced:?}, {kept:?}");
    Pair {
        client: client_with(config).with_deflate(client, confirmed),
        server: Connection::server(config).with_deflate(server, parameters),
        parameters,
    }
}

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) parameters: sockeye_proto::deflate::Parameters,
}

impl Pair {
    pub(crate) fn of(self, role: Role) -> Connection {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }
}

pub(crate) fn compressing_server(config: &Config) -> Connection {
    compressing(config, &Deflate::new(), &Deflate::new()).server
}

/// Feeds `wire` to connections whole, byte by byte, and in two pieces cut at every place, each in
/// every way. Returns the result, which must always be the same.
pub(crate) fn at_every_split(make: impl Fn() -> Connection, wire: &[u8]) -> Outcome {
    let whole = feed(&mut make(), [wire], InputMethod::Borrowed);
    for method in [InputMethod::Borrowed, InputMethod::Shared, InputMethod::Direct] {
        assert_eq!(feed(&mut make(), [wire], method), whole, "whole, {method:?}");
        assert_eq!(feed(&mut make(), wire.chunks(1), method), whole, "byte by byte, {method:?}");
        for at in splits(wire.len()) {
            let (head, tail) = wire.split_at(at);
            assert_eq!(feed(&mut make(), [head, tail], method), whole, "cut at {at}, {method:?}");
        }
    }
    whole
}

/// Returns every place to cut, except in the middle of a long input: there, about 16 places spread
/// evenly.
fn splits(length: usize) -> impl Iterator<Item = usize> {
    let step = length / 16 + 1;
    (1..length).filter(move |at| *at < 200 || length - at < 200 || at % step == 0)
}

/// Checks that `wire`, however it arrives, fails the connection with `error` and its close frame.
/// Returns the events before the error.
pub(crate) fn refused(
    make: impl Fn() -> Connection,
    wire: &[u8],
    error: ProtocolError,
) -> Vec<OwnedEvent> {
    let role = make().role();
    let seen = at_every_split(make, wire);
    assert_eq!(seen.error, Some(error), "{wire:x?}");
    assert_eq!(seen.state, State::Closed);
    let mut payload = u16::from(error.close_code()).to_be_bytes().to_vec();
    payload.extend_from_slice(error.to_string().as_bytes());
    let close = match role {
        Role::Client => wire::masked(FIN | CLOSE, &payload),
        Role::Server => wire::bare(FIN | CLOSE, &payload),
    };
    assert!(seen.output.ends_with(&close), "{:x?}", seen.output);
    seen.events
}

/// Checks that `wire`, however it arrives, breaks no rule and asks for no answer. Returns the
/// events.
pub(crate) fn accepted(make: impl Fn() -> Connection, wire: &[u8]) -> Vec<OwnedEvent> {
    let seen = at_every_split(make, wire);
    assert_eq!(seen.error, None);
    assert_eq!(seen.state, State::Open);
    assert_eq!(seen.output, b"");
    seen.events
}

pub(crate) fn close_frame(code: CloseCode, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame::new(code, reason).unwrap())
}
