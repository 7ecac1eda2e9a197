use sockeye::Message;
use sockeye::bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{Codec, Command, Decoded, Incoming, Malformed};
use crate::router::{CommandId, CommandName, Content, EncodeError, Failure, FailureCode};

/// The length of type, length and `who`, in bytes.
const HEADER_LENGTH: usize = 12;

/// Default of [`Packets::max_length`]: the content of a command fits one message of the default
/// limit sixteen times.
const DEFAULT_MAX_LENGTH: u32 = 1 << 20;

/// Commands as packets of a binary message: one or several in each.
///
/// ```text
///  0       4       8       12              12 + length
///  ┌───────┬───────┬───────┬──────── ─ ─ ──┐
///  │ type  │length │  who  │ content       │    integers are unsigned and big-endian
///  └───────┴───────┴───────┴──────── ─ ─ ──┘
/// ```
///
/// | field | of a command | of a reply | of an event |
/// |---|---|---|---|
/// | type | the number of the endpoint: `.on(7, …)` | that of the command; of a failure [0](Self::failure_type) | the name of the event: `writer.push(8, …)` |
/// | length | of the content, in bytes: at most [`max_length`](Self::max_length) | the same, without limit | the same |
/// | who | the [id](crate::router::Context::id) of the command, of any meaning | that of the command | 0 |
/// | content | | of a failure: the [code](FailureCode) in 4 bytes, and the message in UTF-8 | |
///
/// Packets of different `who` run at the same time, those of the same one after the other, with
/// their replies in the same order. A client that wants each command to run by itself counts `who`
/// up; in another, `who` is a player.
///
/// A packet that is too long is answered with [`TOO_LARGE`](FailureCode::TOO_LARGE), and the
/// packets behind it in the message are served. A message whose end cuts a packet off is answered
/// with [`BAD_REQUEST`](FailureCode::BAD_REQUEST) after the packets before. Text messages are
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    max_length: u32,
    failure_type: u32,
    cancel_type: Option<u32>,
}

impl Packets {
    /// Creates the codec.
    pub const fn new() -> Self {
        Self { max_length: DEFAULT_MAX_LENGTH, failure_type: 0, cancel_type: None }
    }

    /// Sets the maximum length of a command's content, in bytes. Default: 1 MiB. The
    /// [limit of messages](sockeye::Config::max_message_length) applies as well.
    pub const fn max_length(self, bytes: u32) -> Self {
        Self { max_length: bytes, ..self }
    }

    /// Sets the type of failures, which no command may have. Default: 0.
    pub const fn failure_type(self, number: u32) -> Self {
        Self { failure_type: number, ..self }
    }

    /// Sets the type of packets that cancel all unfinished commands of their `who`. Default: there
    /// is none.
    pub const fn cancel_type(self, number: u32) -> Self {
        Self { cancel_type: Some(number), ..self }
    }

    fn command(&self, number: u32, who: u32, content: Bytes) -> Result<Incoming, Malformed> {
        let id = CommandId::Number(who.into());
        let length = content.len();
        if length > self.max_length as usize {
            let limit = self.max_length;
            let message = format!("the content has {length} bytes, of at most {limit}");
            let failure = Failure::new(FailureCode::TOO_LARGE, message);
            return Err(Malformed { id: Some(id), failure });
        }
        if self.cancel_type == Some(number) {
            return Ok(Incoming::Cancel(id));
        }
        let content = if content.is_empty() { Content::Empty } else { Content::Binary(content) };
        Ok(Incoming::Command(Command { name: number.into(), id: Some(id), content, timeout: None }))
    }
}

impl Default for Packets {
    fn default() -> Self {
        Self::new()
    }
}

impl Codec for Packets {
    fn decode(&self, message: Message) -> Decoded {
        let refused = |id, text: &'static str| {
            let failure = Failure::bad_request(text);
            Decoded { command: Err(Malformed { id, failure }), rest: None }
        };
        let Message::Binary(mut bytes) = message else {
            return refused(None, "a packet is a binary message");
        };
        if bytes.len() < HEADER_LENGTH {
            return refused(None, "the message ends within the header of a packet");
        }
        let (number, length, who) = (bytes.get_u32(), bytes.get_u32(), bytes.get_u32());
        if bytes.len() < length as usize {
            let id = CommandId::Number(who.into());
            return refused(Some(id), "the message ends within the content of a packet");
        }
        let content = bytes.split_to(length as usize);
        let rest = if bytes.is_empty() { None } else { Some(Message::Binary(bytes)) };
        Decoded { command: self.command(number, who, content), rest }
    }

    fn encode_reply(
        &self,
        command: Option<&CommandName>,
        id: Option<&CommandId>,
        reply: Result<&Content, &Failure>,
    ) -> Result<Option<Message>, EncodeError> {
        let who = match id {
            // Ids of this codec's commands have 32 bits.
            Some(CommandId::Number(who)) => u32::try_from(*who).unwrap_or_default(),
            Some(CommandId::Text(_)) | None => 0,
        };
        let packet = match (reply, command) {
            (Ok(content), Some(CommandName::Number(number))) => {
                packet(*number, who, content.as_bytes())?
            }
            (Ok(_), Some(name)) => return Err(EncodeError::NotANumber(name.clone())),
            (Ok(_), None) => return Ok(None),
            (Err(failure), _) => {
                let message = failure.message().as_bytes();
                let mut content = BytesMut::with_capacity(4 + message.len());
                content.put_u32(u16::from(failure.code()).into());
                content.put_slice(message);
                packet(self.failure_type, who, &content)?
            }
        };
        Ok(Some(packet))
    }

    fn encode_event(&self, event: &CommandName, content: &Content) -> Result<Message, EncodeError> {
        match event {
            CommandName::Number(number) => packet(*number, 0, content.as_bytes()),
            CommandName::Text(_) => Err(EncodeError::NotANumber(event.clone())),
        }
    }
}

fn packet(number: u32, who: u32, content: &[u8]) -> Result<Message, EncodeError> {
    let length =
        u32::try_from(content.len()).map_err(|_| EncodeError::TooLong { length: content.len() })?;
    let mut out = BytesMut::with_capacity(HEADER_LENGTH + content.len());
    out.put_u32(number);
    out.put_u32(length);
    out.put_u32(who);
    out.put_slice(content);
    Ok(out.freeze().into())
}
