use sockeye::Message;
use sockeye::bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{Codec, Command, Decoded, Incoming, Malformed};
use crate::router::{CommandId, CommandName, Content, EncodeError, Failure, FailureCode};

/// The length of type, length and `who`, in bytes.
const HEADER_LENGTH: usize = 12;

/// Default of [`Packets::max_length`]: that of the bytes of all unfinished commands of a
/// connection.
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bytes(number: u32, length: u32, who: u32, content: &[u8]) -> Vec<u8> {
        let header = [number, length, who].map(u32::to_be_bytes);
        [header.as_flattened(), content].concat()
    }

    fn whole(number: u32, who: u32, content: &[u8]) -> Vec<u8> {
        bytes(number, u32::try_from(content.len()).unwrap(), who, content)
    }

    /// Decodes a message to its end.
    fn decode_all(codec: Packets, message: impl Into<Message>) -> Vec<Result<Incoming, Malformed>> {
        let mut decoded = Vec::new();
        let mut next = Some(message.into());
        while let Some(message) = next {
            let length = message.len();
            let Decoded { command, rest } = codec.decode(message);
            assert!(rest.as_ref().is_none_or(|rest| rest.len() < length));
            decoded.push(command);
            next = rest;
        }
        decoded
    }

    fn command(number: u32, who: u32, content: &[u8]) -> Incoming {
        let content = match content {
            [] => Content::Empty,
            content => Content::Binary(Bytes::copy_from_slice(content)),
        };
        let id = Some(CommandId::Number(who.into()));
        Incoming::Command(Command { name: number.into(), id, content, timeout: None })
    }

    #[test]
    fn the_fields_are_big_endian() {
        let message = b"\x00\x00\x00\x07\x00\x00\x00\x02\x01\x02\x03\x04ab";
        let decoded = decode_all(Packets::new(), message);
        assert_eq!(
            decoded.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [command(7, 0x0102_0304, b"ab")]
        );
        let (name, who) = (7.into(), CommandId::Number(0x0102_0304));
        let content = Content::Text("ab".into());
        let reply = Packets::new().encode_reply(Some(&name), Some(&who), Ok(&content)).unwrap();
        assert_eq!(reply, Some(message.into()));
        let event = Packets::new().encode_event(&name, &content).unwrap();
        assert_eq!(event, Message::from(whole(7, 0, b"ab")));
    }

    #[test]
    fn a_failure_has_its_code_before_its_message() {
        let failure = Failure::not_found("no");
        for codec in [Packets::new(), Packets::new().failure_type(9)] {
            let who = CommandId::Number(5);
            let reply = codec.encode_reply(Some(&7.into()), Some(&who), Err(&failure)).unwrap();
            let expected = whole(codec.failure_type, 5, b"\x00\x00\x01\x94no");
            assert_eq!(reply, Some(expected.into()));
        }
    }

    #[test]
    fn names_that_are_no_numbers_have_no_packet() {
        let name = CommandName::from("joined");
        let event = Packets::new().encode_event(&name, &Content::Empty);
        assert!(matches!(event, Err(EncodeError::NotANumber(given)) if given == name));
    }

    #[test]
    fn a_packet_that_is_too_long_is_refused_and_the_next_one_served() {
        let message = [whole(1, 2, b"abc"), whole(3, 4, b"ab")].concat();
        let decoded = decode_all(Packets::new().max_length(2), message);
        let [Err(malformed), Ok(next)] = decoded.as_slice() else { panic!("{decoded:?}") };
        assert_eq!(malformed.id, Some(CommandId::Number(2)));
        assert_eq!(malformed.failure.code(), FailureCode::TOO_LARGE);
        assert_eq!(*next, command(3, 4, b"ab"));
    }

    #[test]
    fn a_packet_of_the_cancelling_type_cancels() {
        let codec = Packets::new().cancel_type(9);
        let [Ok(Incoming::Cancel(CommandId::Number(5)))] =
            decode_all(codec, whole(9, 5, b"")).as_slice()
        else {
            panic!("not a cancellation")
        };
        assert_eq!(
            decode_all(Packets::new(), whole(9, 5, b"")).pop().unwrap().unwrap(),
            command(9, 5, b"")
        );
    }

    #[test]
    fn lengths_beyond_the_message_are_malformed() {
        for message in [bytes(1, 1, 2, b""), bytes(1, u32::MAX, 2, b"abc")] {
            let decoded = decode_all(Packets::new(), message);
            let [Err(malformed)] = decoded.as_slice() else { panic!("{decoded:?}") };
            assert_eq!(malformed.id, Some(CommandId::Number(2)));
            assert_eq!(malformed.failure.code(), FailureCode::BAD_REQUEST);
        }
        for message in [Message::from(""), "text".into(), b"12345678901".into()] {
            let decoded = decode_all(Packets::new(), message);
            let [Err(Malformed { id: None, .. })] = decoded.as_slice() else {
                panic!("{decoded:?}")
            };
        }
    }

    proptest! {
        #[test]
        fn packets_are_decoded_up_to_the_place_where_the_message_is_cut(
            packets in vec((any::<u32>(), any::<u32>(), vec(any::<u8>(), 0..20)), 1..6),
            cut in 0usize..200,
        ) {
            let encoded: Vec<_> =
                packets.iter().map(|(number, who, content)| whole(*number, *who, content)).collect();
            let message = encoded.concat();
            let cut = cut.min(message.len());
            let mut decoded = decode_all(Packets::new(), &message[..cut]).into_iter();
            let mut end = 0;
            for ((number, who, content), bytes) in packets.iter().zip(&encoded) {
                let start = end;
                end += bytes.len();
                if end <= cut {
                    let next = decoded.next().and_then(Result::ok);
                    prop_assert_eq!(next, Some(command(*number, *who, content)));
                    continue;
                }
                // Nothing at all follows a packet that ends with the message, unless that is empty.
                if start < cut || cut == 0 {
                    prop_assert!(decoded.next().is_some_and(|next| next.is_err()));
                }
                break;
            }
            prop_assert!(decoded.next().is_none());
        }

        #[test]
        fn no_bytes_panic(message in vec(any::<u8>(), 0..80)) {
            decode_all(Packets::new(), message);
        }
    }
}
