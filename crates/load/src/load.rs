//! The settings of a run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::deflate::DeflateMode;
use crate::error::LoadError;
use crate::limits::{
    MAX_BYTES_IN_FLIGHT, MAX_CONNECTIONS, MAX_DURATION, MAX_IN_FLIGHT, MAX_LENGTH,
};
use crate::names::impl_names;
use crate::payload::PayloadKind;

/// Traffic of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPattern {
    /// A closed loop: each connection sends a new message when it has received the echo of an
    /// earlier one.
    #[default]
    Echo,
    /// Fan-out in a closed loop: the first connection sends, and the server has to send each
    /// message to all connections, the first included. A new message follows when an earlier one
    /// has reached all of them. Each connection is pinged first: the server has to have subscribed
    /// it before it answers.
    FanOut,
    /// An open loop: every connection sends at a fixed [rate](Load::rate), regardless of replies.
    /// The schedule has steps of 1 ms; a connection whose socket takes no more data skips the steps
    /// until the socket does.
    OpenLoop,
    /// One message over each connection, then nothing: measures the memory that the server keeps
    /// for an idle connection. Needs [`Load::server_process`].
    Idle,
}

impl_names!(TrafficPattern {
    Echo => "echo",
    FanOut => "fan-out",
    OpenLoop => "open-loop",
    Idle => "idle",
});

/// The protocol between client and server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WireProtocol {
    /// Opening handshake, masked frames to the server, unmasked frames from it (RFC 6455).
    #[default]
    WebSocket,
    /// No opening handshake; the same masked frames, and the identical bytes back, as from a TCP
    /// echo server. Over HTTP/2, the streams are opened as WebSockets are.
    Raw,
    /// Socket.IO over the WebSocket transport of Engine.IO 4: each message is the only argument of
    /// an event `m`, in a text frame such as `42["m","message"]`. The server has to accept
    /// connections to the namespace `/` at the load's [path](Load::path), to send its first ping at
    /// once, as socketioxide does, and no further ping during the run. Needs
    /// [`PayloadKind::Ascii`], which JSON does not escape.
    SocketIo,
}

impl_names!(WireProtocol { WebSocket => "websocket", Raw => "raw", SocketIo => "socket-io" });

/// A load on one server: its target, messages and duration.
///
/// [`run`](Self::run) checks the settings before it opens a connection.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
    /// Further headers of the opening handshake, each with its line end.
    pub(crate) headers: String,
    /// The first header that is invalid.
    pub(crate) invalid_header: Option<String>,
    pub(crate) protocol: WireProtocol,
    pub(crate) pattern: TrafficPattern,
    pub(crate) payload: PayloadKind,
    pub(crate) length: usize,
    pub(crate) connections: usize,
    /// HTTP/2 streams on each connection; `None` over HTTP/1.1.
    pub(crate) streams: Option<usize>,
    pub(crate) in_flight: usize,
    pub(crate) rate: u32,
    pub(crate) deflate: Option<DeflateMode>,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) server_process: Option<u32>,
}

impl Load {
    /// Creates a load on the server at `address`: echo of 20 random bytes on 100 connections with
    /// one message in flight each, for 3 s after a warm-up of 1 s.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            path: "/".to_owned(),
            headers: String::new(),
            invalid_header: None,
            protocol: WireProtocol::default(),
            pattern: TrafficPattern::default(),
            payload: PayloadKind::default(),
            length: 20,
            connections: 100,
            streams: None,
            in_flight: 1,
            rate: 1000,
            deflate: None,
            tls: None,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(3),
            server_process: None,
        }
    }

    /// Sets the `Host` of the opening handshake, over HTTP/2 `:authority`: a host name, with a port
    /// unless it is the default one. By default, the server's address.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the request target of the opening handshake, an absolute path with an optional query.
    /// By default `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Adds a header to the opening handshake of HTTP/1.1. `Host` and the headers of the handshake
    /// itself cannot be added, but for a request of subprotocols: which one the server chooses is
    /// not checked.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        const OWN: [&str; 6] = [
            "connection",
            "host",
            "sec-websocket-extensions",
            "sec-websocket-key",
            "sec-websocket-version",
            "upgrade",
        ];
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_valid = !name.is_empty()
            && name.bytes().all(is_token)
            && !OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
            && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        if is_valid {
            self.headers.extend([name, ": ", value, "\r\n"]);
        } else if self.invalid_header.is_none() {
            self.invalid_header = Some(name.to_owned());
        }
        self
    }

    /// Sets the protocol. By default [`WireProtocol::WebSocket`].
    pub fn protocol(mut self, protocol: WireProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the traffic pattern. By default [`TrafficPattern::Echo`].
    pub fn pattern(mut self, pattern: TrafficPattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// Sets the content of messages. By default [`PayloadKind::Binary`].
    pub fn payload(mut self, payload: PayloadKind) -> Self {
        self.payload = payload;
        self
    }

    /// Sets the payload length of each message, in bytes, at most [`MAX_LENGTH`]. By default 20.
    pub fn length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// Sets the number of connections that are open at once, from 1 to [`MAX_CONNECTIONS`]. By
    /// default 100. Each takes a file descriptor, of which the system allows a process a limited
    /// number.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the number of messages in flight per connection, or per HTTP/2 stream, in a closed
    /// loop. By default 1.
    ///
    /// At most [`MAX_IN_FLIGHT`] on all connections together, and [`MAX_BYTES_IN_FLIGHT`] on each.
    pub fn in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight;
        self
    }

    /// Sets the number of messages per second on each connection of an open loop, at least 1. By
    /// default 1000.
    pub fn rate(mut self, rate: u32) -> Self {
        self.rate = rate;
        self
    }

    /// Offers permessage-deflate with these parameters, compresses every message, and expects every
    /// reply compressed. Needs a payload of text. By default, messages are not compressed.
    pub fn deflate(mut self, mode: DeflateMode) -> Self {
        self.deflate = Some(mode);
        self
    }

    /// Connects with TLS by the configuration `config`, and checks that the server's certificate is
    /// for `name`. By default, connections are plain TCP.
    pub fn tls(mut self, config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        self.tls = Some((config, name));
        self
    }

    /// Sets the time at full load before anything is counted, in a closed loop; at most
    /// [`MAX_DURATION`]. By default 1 s.
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// Sets the time that is counted, at most [`MAX_DURATION`]. By default 3 s. A closed loop
    /// continues until at least one reply has arrived.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// Names the process of a server on this machine, to measure its processor time and memory on
    /// Linux. By default, neither is measured.
    pub fn server_process(mut self, pid: u32) -> Self {
        self.server_process = Some(pid);
        self
    }

    /// Checks the settings, as [`run`](Self::run) does first.
    ///
    /// # Errors
    ///
    /// The variants of [`LoadError`] that name a setting.
    pub fn check(&self) -> Result<(), LoadError> {
        let connections = self.connections.saturating_mul(self.streams.unwrap_or(1));
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            return Err(LoadError::InvalidConnections { connections });
        }
        if self.length > MAX_LENGTH {
            return Err(LoadError::MessageTooLong { length: self.length });
        }
        let in_flight = self.in_flight;
        if in_flight == 0
            || connections.saturating_mul(in_flight) > MAX_IN_FLIGHT
            || self.length.saturating_mul(in_flight) > MAX_BYTES_IN_FLIGHT
        {
            return Err(LoadError::InvalidInFlight { in_flight });
        }
        if self.rate == 0 {
            return Err(LoadError::NoRate);
        }
        for duration in [self.warm_up, self.duration] {
            if duration > MAX_DURATION {
                return Err(LoadError::DurationTooLong { duration });
            }
        }
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.path.starts_with('/') || !is_visible(&self.path) {
            return Err(LoadError::InvalidPath);
        }
        if self.host.is_empty() || !is_visible(&self.host) {
            return Err(LoadError::InvalidHost);
        }
        if let Some(name) = &self.invalid_header {
            return Err(LoadError::InvalidHeader { name: name.clone() });
        }
        if self.deflate.is_some() && self.payload == PayloadKind::Binary {
            return Err(LoadError::DeflateNeedsText);
        }
        if self.deflate.is_some() && self.protocol != WireProtocol::WebSocket {
            return Err(LoadError::DeflateNeedsWebSocket);
        }
        if self.protocol == WireProtocol::SocketIo && self.payload != PayloadKind::Ascii {
            return Err(LoadError::SocketIoNeedsAscii);
        }
        if self.streams.is_some() {
            if self.protocol == WireProtocol::SocketIo {
                return Err(LoadError::StreamsWithSocketIo);
            }
            if self.pattern != TrafficPattern::Echo {
                return Err(LoadError::StreamsNeedEcho);
            }
            if self.tls.is_some() {
                return Err(LoadError::StreamsWithTls);
            }
        }
        if self.pattern == TrafficPattern::Idle && self.server_process.is_none() {
            return Err(LoadError::NoProcess);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load::new(SocketAddr::from(([127, 0, 0, 1], 80)))
    }

    #[test]
    fn the_defaults_are_accepted_and_name_the_address_as_host() {
        assert!(load().check().is_ok());
        assert_eq!(load().host, "127.0.0.1:80");
    }

    #[test]
    fn every_number_is_accepted_at_its_limits_and_refused_beyond() {
        for accepted in [
            load().connections(1),
            load().connections(MAX_CONNECTIONS),
            load().length(0),
            load().length(MAX_LENGTH).in_flight(4),
            load().connections(1).in_flight(MAX_IN_FLIGHT).length(16),
            load().rate(1),
            load().warm_up(Duration::ZERO).duration(MAX_DURATION),
        ] {
            accepted.check().unwrap();
        }
        for connections in [0, MAX_CONNECTIONS + 1] {
            let error = load().connections(connections).check().unwrap_err();
            assert!(matches!(error, LoadError::InvalidConnections { .. }), "{error:?}");
        }
        let error = load().length(MAX_LENGTH + 1).check().unwrap_err();
        assert!(matches!(error, LoadError::MessageTooLong { length } if length > MAX_LENGTH));
        for refused in [
            load().in_flight(0),
            load().in_flight(MAX_IN_FLIGHT),
            load().in_flight(5).length(MAX_LENGTH),
            load().in_flight(usize::MAX),
        ] {
            let error = refused.check().unwrap_err();
            assert!(matches!(error, LoadError::InvalidInFlight { .. }), "{error:?}");
        }
        assert!(matches!(load().rate(0).check(), Err(LoadError::NoRate)));
        let too_long = MAX_DURATION + Duration::from_nanos(1);
        for refused in [load().warm_up(too_long), load().duration(too_long)] {
            assert!(matches!(refused.check(), Err(LoadError::DurationTooLong { .. })));
        }
    }

    #[test]
    fn a_path_or_host_that_would_change_the_request_is_refused() {
        for path in ["", "echo", "/a b", "/\r\nX: y", "/é"] {
            assert!(matches!(load().path(path).check(), Err(LoadError::InvalidPath)), "{path:?}");
        }
        for host in ["", "a b", "a\r\nX: y"] {
            assert!(matches!(load().host(host).check(), Err(LoadError::InvalidHost)), "{host:?}");
        }
        load().path("/echo?a=b").host("example.com:81").check().unwrap();
    }

    #[test]
    fn a_header_that_would_change_the_handshake_is_refused() {
        for (name, value) in [("", "a"), ("Host", "a"), ("upgrade", "a"), ("a b", ""), ("a", "\r")]
        {
            let error = load().header(name, value).check().unwrap_err();
            assert!(matches!(error, LoadError::InvalidHeader { .. }), "{name:?}: {error:?}");
        }
        let load = load().header("Sec-WebSocket-Protocol", "a, b").header("X-A", "");
        load.check().unwrap();
        assert_eq!(load.headers, "Sec-WebSocket-Protocol: a, b\r\nX-A: \r\n");
    }

    #[test]
    fn settings_that_exclude_each_other_are_refused() {
        let deflated = load().deflate(DeflateMode::Takeover);
        assert!(matches!(deflated.check(), Err(LoadError::DeflateNeedsText)));
        let text = deflated.payload(PayloadKind::Json);
        text.check().unwrap();
        let raw = text.protocol(WireProtocol::Raw);
        assert!(matches!(raw.check(), Err(LoadError::DeflateNeedsWebSocket)));
        let socket_io = load().protocol(WireProtocol::SocketIo);
        assert!(matches!(socket_io.check(), Err(LoadError::SocketIoNeedsAscii)));
        let ascii = socket_io.payload(PayloadKind::Ascii);
        ascii.check().unwrap();
        let deflated = ascii.deflate(DeflateMode::Takeover);
        assert!(matches!(deflated.check(), Err(LoadError::DeflateNeedsWebSocket)));
        let idle = load().pattern(TrafficPattern::Idle);
        assert!(matches!(idle.check(), Err(LoadError::NoProcess)));
        idle.server_process(1).check().unwrap();
    }

    #[cfg(feature = "http2")]
    #[test]
    fn streams_are_for_echo_and_count_as_connections() {
        let streams = load().streams(3);
        streams.check().unwrap();
        let fan_out = streams.pattern(TrafficPattern::FanOut);
        assert!(matches!(fan_out.check(), Err(LoadError::StreamsNeedEcho)));
        let socket_io =
            load().streams(3).protocol(WireProtocol::SocketIo).payload(PayloadKind::Ascii);
        assert!(matches!(socket_io.check(), Err(LoadError::StreamsWithSocketIo)));
        for count in [0, MAX_CONNECTIONS] {
            let error = load().streams(count).check().unwrap_err();
            assert!(matches!(error, LoadError::InvalidConnections { .. }), "{error:?}");
        }
    }
}
