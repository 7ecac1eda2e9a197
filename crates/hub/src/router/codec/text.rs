use sockeye::{Message, Utf8Bytes};

use super::{Codec, Command, Decoded, Incoming, slice, to_base64};
use crate::router::{CommandId, CommandName, Content, EncodeError, Failure};

/// Commands as plain text, one in a message: the name, a space, and the content.
///
/// ```text
///  client                                 server
///  LIST_USERS online ─────────────────►
///                 ◄───────────────────── OK ada grace
///  RENAME ────────────────────────────►
///                 ◄───────────────────── ERROR 400 the name is empty
///                 ◄───────────────────── JOINED linus
/// ```
///
/// Replies begin with `OK` or `ERROR` and the [code](crate::router::FailureCode), events with their
/// name. There are no ids: commands run one after the other, in their order, and so do the replies.
/// For a person at a terminal, or a client that has no JSON.
///
/// The content begins after the first space or line break, and may contain any text; white space
/// around the message is removed. Binary messages are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextCommands {}

impl TextCommands {
    /// Creates the codec.
    pub const fn new() -> Self {
        Self {}
    }
}

impl Codec for TextCommands {
    fn decode(&self, message: Message) -> Decoded {
        let command = match message {
            Message::Text(text) => decode(&text),
            Message::Binary(_) => Err(Failure::bad_request("a command is a text message")),
        };
        Decoded { command: command.map_err(Into::into), rest: None }
    }

    fn encode_reply(
        &self,
        _: Option<&CommandName>,
        _: Option<&CommandId>,
        reply: Result<&Content, &Failure>,
    ) -> Result<Option<Message>, EncodeError> {
        Ok(Some(match reply {
            Ok(content) => line("OK", content).into(),
            Err(failure) => {
                format!("ERROR {} {}", u16::from(failure.code()), failure.message()).into()
            }
        }))
    }

    fn encode_event(&self, event: &CommandName, content: &Content) -> Result<Message, EncodeError> {
        Ok(line(&event.to_string(), content).into())
    }
}

fn decode(text: &Utf8Bytes) -> Result<Incoming, Failure> {
    let line = text.trim();
    let (name, content) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if name.is_empty() {
        return Err(Failure::bad_request("the message is empty"));
    }
    let content = match content {
        "" => Content::Empty,
        content => Content::Text(slice(text, content)),
    };
    let name = CommandName::Text(slice(text, name));
    Ok(Incoming::Command(Command { name, id: None, content, timeout: None }))
}

fn line(first: &str, content: &Content) -> String {
    match content {
        Content::Empty => first.into(),
        Content::Json(text) | Content::Text(text) => format!("{first} {text}"),
        Content::Binary(bytes) => format!("{first} {}", to_base64(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::router::FailureCode;

    proptest! {
        #[test]
        fn no_text_panics_and_no_word_is_lost(text in "[a-z ä\n\u{3000}]{0,20}") {
            let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
            let decoded = match TextCommands::new().decode(text.as_str().into()).command {
                Ok(Incoming::Command(Command { name, content, .. })) => {
                    let content = std::str::from_utf8(content.as_bytes()).unwrap();
                    words(&format!("{name} {content}"))
                }
                Ok(Incoming::Cancel(id)) => panic!("{id} is cancelled"),
                Err(_) => Vec::new(),
            };
            prop_assert_eq!(decoded, words(&text));
        }
    }

    #[test]
    fn a_command_is_a_word_and_the_rest() {
        for (text, name, content) in [
            ("LIST", "LIST", Content::Empty),
            (" LIST\r\n", "LIST", Content::Empty),
            ("SAY a  b\nc\n", "SAY", Content::Text("a  b\nc".into())),
            ("SAY\ta", "SAY", Content::Text("a".into())),
            ("SAY  a", "SAY", Content::Text(" a".into())),
            ("grüße\u{3000}an alle", "grüße", Content::Text("an alle".into())),
        ] {
            let Decoded { command, rest } = TextCommands::new().decode(text.into());
            let expected = Command { name: name.into(), id: None, content, timeout: None };
            assert_eq!(command.unwrap(), Incoming::Command(expected), "{text:?}");
            assert_eq!(rest, None);
        }
    }

    #[test]
    fn messages_without_a_word_are_malformed() {
        for message in [Message::from(""), " \n".into(), b"LIST".into()] {
            let malformed = TextCommands::new().decode(message).command.unwrap_err();
            assert_eq!(malformed.failure.code(), FailureCode::BAD_REQUEST);
        }
    }

    #[test]
    fn replies_and_events_are_a_word_and_the_content() {
        let codec = TextCommands::new();
        for (content, text) in [
            (Content::Empty, ""),
            (Content::Json("[1]".into()), " [1]"),
            (Content::Text("a\nb".into()), " a\nb"),
            (Content::Binary(vec![0, 255].into()), " AP8="),
        ] {
            let reply = codec.encode_reply(None, None, Ok(&content)).unwrap();
            assert_eq!(reply, Some(format!("OK{text}").into()));
            let event = codec.encode_event(&"JOINED".into(), &content).unwrap();
            assert_eq!(event, Message::from(format!("JOINED{text}")));
        }
        let failure = Failure::new(1001, "taken").with_details(1);
        let reply = codec.encode_reply(Some(&"A".into()), None, Err(&failure)).unwrap();
        assert_eq!(reply, Some("ERROR 1001 taken".into()));
    }
}
