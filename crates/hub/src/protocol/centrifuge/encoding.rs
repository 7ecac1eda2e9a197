use bytes::{Bytes, BytesMut};
use prost::Message as _;
use sockeye::{CloseFrame, Message, Utf8Bytes};

use super::message::{Command, FilterNode, Reply};
use crate::core::filter::Filter;
use crate::protocol::{ClientLimits, close};

/// The maximum length of a WebSocket message of a client, in commands of the maximum length.
/// Chosen: a client that resubscribes to 256 channels with tokens of 1 KB needs 4.
const MAX_LENGTH: usize = 4;

/// The maximum number of rooms and of headers in a command to connect. Chosen: 8 times the rooms
/// that a session may be in by default.
const MAX_ENTRIES: usize = 1_024;

/// An encoding of the protocol. A WebSocket message contains several commands or replies: lines in
/// JSON, and Protobuf messages that follow their lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// Encodes replies as one WebSocket message.
    ///
    /// # Errors
    /// The close frame for a client to whom the encoding cannot carry the data: in JSON, data that
    /// is not text.
    pub(super) fn encode(self, replies: &[Reply]) -> Result<Message, CloseFrame> {
        match self {
            Self::Json => {
                let lines: Result<Vec<_>, _> = replies.iter().map(serde_json::to_string).collect();
                let lines = lines.map_err(|_| close::frame(close::INAPPROPRIATE_PROTOCOL))?;
                Ok(lines.join("\n").into())
            }
            Self::Protobuf => {
                let mut out = BytesMut::new();
                for reply in replies {
                    // The buffer grows as needed.
                    let encoded = reply.encode_length_delimited(&mut out);
                    encoded.map_err(|_| close::frame(close::SERVER_ERROR))?;
                }
                Ok(Message::Binary(out.freeze()))
            }
        }
    }

    /// Decodes the commands of a WebSocket message.
    ///
    /// # Errors
    /// The close frame for a client that breaks the protocol, or exceeds the limits.
    pub(super) fn decode(
        self,
        message: Message,
        limits: &ClientLimits,
    ) -> Result<Vec<Command>, CloseFrame> {
        if message.len() > limits.command_bytes.saturating_mul(MAX_LENGTH) {
            return Err(close::too_long());
        }
        let commands = match (self, message) {
            (Self::Json, Message::Text(text)) => decode_json(&text, limits)?,
            (Self::Protobuf, Message::Binary(bytes)) => decode_protobuf(bytes, limits)?,
            (Self::Json, Message::Binary(_)) => return Err(bad_request("expected text, in JSON")),
            (Self::Protobuf, Message::Text(_)) => {
                return Err(bad_request("expected binary messages, in Protobuf"));
            }
        };
        if commands.is_empty() { Err(bad_request("expected a command")) } else { Ok(commands) }
    }

    /// Returns the message of a client's data: text in JSON, and if it is text in Protobuf.
    pub(super) fn message(data: Bytes) -> Message {
        Utf8Bytes::try_from(data.clone()).map_or(Message::Binary(data), Message::Text)
    }
}

fn decode_json(text: &str, limits: &ClientLimits) -> Result<Vec<Command>, CloseFrame> {
    let mut commands = Vec::new();
    for line in text.split('\n').filter(|line| !line.trim_ascii().is_empty()) {
        check(commands.len(), line.len(), limits)?;
        // A list would be taken for an object without names.
        if !line.trim_ascii_start().starts_with('{') {
            return Err(bad_request("expected a JSON object in each line"));
        }
        let command = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        commands.push(check_size(command)?);
    }
    Ok(commands)
}

fn decode_protobuf(mut bytes: Bytes, limits: &ClientLimits) -> Result<Vec<Command>, CloseFrame> {
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let length = prost::decode_length_delimiter(&mut bytes);
        let length = length.map_err(|error| malformed(&error))?;
        check(commands.len(), length, limits)?;
        if length > bytes.len() {
            return Err(bad_request("a command is cut off"));
        }
        let command = Command::decode(bytes.split_to(length)).map_err(|error| malformed(&error))?;
        commands.push(check_size(command)?);
    }
    Ok(commands)
}

/// Checks the limits for one more command.
fn check(commands: usize, length: usize, limits: &ClientLimits) -> Result<(), CloseFrame> {
    if length > limits.command_bytes {
        return Err(close::too_long());
    }
    if commands == limits.commands {
        return Err(bad_request("too many commands in a message"));
    }
    Ok(())
}

/// Checks the lists of a command. Their items take up to 70 times the memory of their encoding, so
/// that a command is checked before the next one is decoded.
fn check_size(command: Command) -> Result<Command, CloseFrame> {
    let subscribe = command.subscribe.as_ref();
    let rooms = command.connect.as_ref().map(|connect| &connect.subs);
    let requests = subscribe.into_iter().chain(rooms.into_iter().flat_map(|rooms| rooms.values()));
    if requests.filter_map(|request| request.tf.as_ref()).any(|filter| !is_bounded(filter)) {
        return Err(bad_request("a filter has too many nodes"));
    }
    if let Some(connect) = &command.connect {
        if connect.subs.len() > MAX_ENTRIES || connect.headers.len() > MAX_ENTRIES {
            return Err(bad_request("too many channels or headers in a command"));
        }
    }
    Ok(command)
}

/// Returns whether a filter has no more nodes and values than [`Filter`] allows.
fn is_bounded(filter: &FilterNode) -> bool {
    let mut size = 0;
    let mut nodes = vec![filter];
    while let Some(node) = nodes.pop() {
        size += 1 + node.vals.len();
        // Nodes that wait count as well, which bounds the memory of this function.
        if size + nodes.len() + node.nodes.len() > Filter::MAX_NODES {
            return false;
        }
        nodes.extend(&node.nodes);
    }
    true
}

/// Returns the close frame for a command that cannot be decoded.
fn malformed(error: &dyn std::error::Error) -> CloseFrame {
    let mut reason = format!("bad request: {error}");
    // A close frame has space for 123 bytes.
    while reason.len() > 120 {
        reason.pop();
    }
    close::frame(close::BAD_REQUEST).with_reason(reason)
}

pub(super) fn bad_request(reason: &'static str) -> CloseFrame {
    close::frame(close::BAD_REQUEST).with_reason(reason)
}
