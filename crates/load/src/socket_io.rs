//! The packets of Engine.IO 4 and Socket.IO 5 that a load needs, over the WebSocket transport. Each
//! packet is a text message.
//!
//! ```text
//! client                          server
//!   opening handshake with EIO=4&transport=websocket
//!                                 0{"sid":…}             open
//!   40                                                   connect to the namespace /
//!                                 40{"sid":…}            connected
//!                                 2                      ping, before or after it
//!   3                                                    pong
//!   42["m","message"]             42["m","message"]      events
//! ```

use std::io::{self, Read, Write};

use crate::error::LoadError;
use crate::frame;
use crate::handshake;
use crate::payload::PayloadKind;

/// The query of the opening handshake: the version of Engine.IO, and its transport.
const QUERY: &str = "EIO=4&transport=websocket";

/// The packet that connects to the namespace `/`: a message of Engine.IO (4), a connect of
/// Socket.IO (0).
const CONNECT: &str = "40";

/// The beginnings of the server's packets that open the session and connect to the namespace.
const OPENED: &str = "0{";
const CONNECTED: &str = "40{";

/// A ping of the server, and its answer.
const PING: &str = "2";
const PONG: &str = "3";

/// The text before and after the message of an event: a message of Engine.IO (4), an event of
/// Socket.IO (2), and the event's name, of one letter because it is sent with every message.
const EVENT_BEGIN: &str = "42[\"m\",\"";
const EVENT_END: &str = "\"]";

const TEXT: u8 = PayloadKind::Ascii.op_code();

/// Maximum length of a packet that opens a session or connects to the namespace, in bytes; both are
/// far shorter.
const MAX_PACKET_LENGTH: usize = 4096;

/// Performs the opening handshake at `path`, connects to the namespace `/`, and answers the
/// first ping. `headers` are further headers, each with its line end.
///
/// # Errors
///
/// [`LoadError::WrongPacket`] and [`LoadError::WrongFrame`] for other packets than those above,
/// [`LoadError::EarlyData`] for data after them, and the errors of the opening handshake.
pub(crate) fn connect(
    stream: &mut (impl Read + Write),
    host: &str,
    path: &str,
    headers: &str,
) -> Result<(), LoadError> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}{QUERY}");
    let mut received = handshake::upgrade_with_early_data(stream, host, &path, headers, None)?;
    if !read_packet(stream, &mut received)?.starts_with(OPENED.as_bytes()) {
        return Err(LoadError::WrongPacket { expected: OPENED });
    }
    send_packet(stream, CONNECT)?;
    let (mut is_connected, mut is_pinged) = (false, false);
    while !(is_connected && is_pinged) {
        let packet = read_packet(stream, &mut received)?;
        if packet == PING.as_bytes() && !is_pinged {
            send_packet(stream, PONG)?;
            is_pinged = true;
        } else if packet.starts_with(CONNECTED.as_bytes()) && !is_connected {
            is_connected = true;
        } else {
            let expected = if is_connected { PING } else { CONNECTED };
            return Err(LoadError::WrongPacket { expected });
        }
    }
    if received.is_empty() { Ok(()) } else { Err(LoadError::EarlyData) }
}

/// Returns the packet of an event that carries `message`, which must not contain characters that
/// JSON escapes.
pub(crate) fn event(message: &[u8]) -> Vec<u8> {
    [EVENT_BEGIN.as_bytes(), message, EVENT_END.as_bytes()].concat()
}

fn send_packet(stream: &mut impl Write, packet: &str) -> Result<(), LoadError> {
    let mut request = Vec::new();
    frame::append_request(&mut request, TEXT, packet.as_bytes(), 0);
    stream.write_all(&request).and_then(|()| stream.flush()).map_err(LoadError::handshake)
}

/// Removes the first packet of `received`, reading from `stream` until it is whole.
fn read_packet(stream: &mut impl Read, received: &mut Vec<u8>) -> Result<Vec<u8>, LoadError> {
    let mut buffer = [0; 512];
    loop {
        if let Some(packet) = split_packet(received)? {
            return Ok(packet);
        }
        match stream.read(&mut buffer).map_err(LoadError::handshake)? {
            0 => return Err(LoadError::HandshakeIo(io::ErrorKind::UnexpectedEof.into())),
            size => received.extend_from_slice(&buffer[..size]),
        }
    }
}

/// Removes the first text message of `received` and returns its payload; `None` while it is
/// incomplete.
fn split_packet(received: &mut Vec<u8>) -> Result<Option<Vec<u8>>, LoadError> {
    let Some(header) = frame::decode_header(received) else { return Ok(None) };
    let length = usize::try_from(header.length);
    let (Some(TEXT), Ok(length @ ..=MAX_PACKET_LENGTH)) = (header.first, length) else {
        return Err(LoadError::WrongFrame { first: received[0], length: header.length });
    };
    let end = header.size + length;
    if received.len() < end {
        return Ok(None);
    }
    let packet = received[header.size..end].to_vec();
    received.drain(..end);
    Ok(Some(packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    /// A server that sends `output`, `step` bytes at a time, whatever it receives.
    struct Server<'a> {
        output: &'a [u8],
        step: usize,
        input: Vec<u8>,
    }

    impl Read for Server<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = buffer.len().min(self.step);
            self.output.read(&mut buffer[..size])
        }
    }

    impl Write for Server<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.input.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn packets(texts: &[&str]) -> Vec<u8> {
        let mut bytes = UPGRADED.to_vec();
        for text in texts {
            frame::append_reply(&mut bytes, TEXT, text.as_bytes());
        }
        bytes
    }

    fn connect_to(output: &[u8], path: &str, step: usize) -> Result<Vec<u8>, LoadError> {
        let mut server = Server { output, step, input: Vec::new() };
        connect(&mut server, "localhost", path, "").map(|()| server.input)
    }

    #[test]
    fn the_client_connects_to_the_namespace_at_any_split_of_the_answers() {
        let long = format!("0{{{:200}}}", "");
        let connected = "40{\"sid\":\"a\"}";
        for output in [packets(&[&long, connected, "2"]), packets(&[&long, "2", connected])] {
            for step in 1..=output.len() {
                let input = connect_to(&output, "/", step).unwrap();
                assert!(input.starts_with(b"GET /?EIO=4&transport=websocket HTTP/1.1\r\n"));
                let sent = b"\r\n\r\n\x81\x82\0\0\0\x0040\x81\x81\0\0\0\x003";
                assert!(input.ends_with(sent));
            }
        }
        let output = packets(&[&long, "2", connected]);
        let input = connect_to(&output, "/socket.io/?a=b", 100).unwrap();
        assert!(input.starts_with(b"GET /socket.io/?a=b&EIO=4&transport=websocket "));
    }

    #[test]
    fn other_packets_than_open_and_connected_are_refused() {
        for (texts, wanted) in [
            (&["2"][..], "0{"),
            (&["0{}", "44{\"message\":\"Invalid namespace\"}"], "40{"),
            (&["0{}", "2", "2"], "40{"),
            (&["0{}", "40{}", "3"], "2"),
        ] {
            let error = connect_to(&packets(texts), "/", 512).unwrap_err();
            assert!(matches!(error, LoadError::WrongPacket { expected } if expected == wanted));
        }
        let early = packets(&["0{}", "40{}", "2", "2"]);
        assert!(matches!(connect_to(&early, "/", 512), Err(LoadError::EarlyData)));
        let ended = packets(&["0{}"]);
        assert!(matches!(connect_to(&ended, "/", 512), Err(LoadError::HandshakeIo(_))));
    }

    #[test]
    fn frames_that_are_no_short_text_are_refused() {
        for frame in [&[0x82, 1, b'0'][..], &[0x01, 1, b'0'], &[0x81, 126, 0x10, 1], &[0x81, 0x81]]
        {
            let output = [UPGRADED, frame].concat();
            let error = connect_to(&output, "/", 512).unwrap_err();
            assert!(matches!(error, LoadError::WrongFrame { first, .. } if first == frame[0]));
        }
    }

    #[test]
    fn an_event_has_the_message_as_its_only_argument() {
        assert_eq!(event(b"7a k"), *b"42[\"m\",\"7a k\"]");
    }
}
