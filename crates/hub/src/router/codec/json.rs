use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sockeye::{Message, Utf8Bytes};

use super::{Codec, Command, Decoded, Incoming, Malformed, slice, to_base64};
use crate::router::{CommandId, CommandName, Content, EncodeError, Failure};

/// Commands as JSON objects, one in a message. The default codec.
///
/// ```text
///  client                                                   server
///  {"id":1,"cmd":"listUsers","data":{"limit":10}} ────────►
///                 ◄──────── {"id":1,"data":[{"name":"Ada"}]}
///  {"id":2,"cmd":"rename","data":{"to":""},"timeout":500} ►
///                 ◄──────── {"id":2,"error":{"code":400,"message":"the name is empty"}}
///  {"id":3,"cmd":"export"} ───────────────────────────────►
///  {"cancel":3} ──────────────────────────────────────────►
///                 ◄──────── {"id":3,"error":{"code":499,"message":"cancelled"}}
///                 ◄──────── {"event":"joined","data":{"name":"Grace"}}
/// ```
///
/// | field of a command | |
/// |---|---|
/// | `cmd` | the name: a string or a 32-bit number |
/// | `id` | optional: an unsigned 64-bit number, or a string of at most [128 bytes](CommandId::MAX_LENGTH) |
/// | `data` | optional: any value. A missing one is `null` |
/// | `timeout` | optional: milliseconds after which the command is cancelled, if that is earlier than the [router's timeout](crate::router::Router::timeout) |
/// | `cancel` | in place of `cmd`: the id of commands to cancel. Those that are finished are not affected, and there is no reply but theirs |
///
/// Other fields are ignored. A command without an id has no reply, except a failure, which then
/// contains `cmd` in place of the id. A failure has `details` if
/// [the endpoint adds them](Failure::with_details).
///
/// Text and binary messages are accepted, and text messages sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonCommands {}

impl JsonCommands {
    /// Creates the codec.
    pub const fn new() -> Self {
        Self {}
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<Id>,
    #[serde(borrow)]
    cmd: Option<Name<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    timeout: Option<u64>,
    cancel: Option<Id>,
}

/// The one field that is read of an object with faults elsewhere.
#[derive(Deserialize)]
struct IdOnly<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

struct Id(CommandId);

enum Name<'a> {
    Text(Cow<'a, str>),
    Number(u32),
}

impl Codec for JsonCommands {
    fn decode(&self, message: Message) -> Decoded {
        let text = match message {
            Message::Text(text) => Ok(text),
            Message::Binary(bytes) => Utf8Bytes::try_from(bytes),
        };
        let command = match text {
            Ok(text) => decode(&text),
            Err(_) => Err(Failure::bad_request("the message is not UTF-8").into()),
        };
        Decoded { command, rest: None }
    }

    fn encode_reply(
        &self,
        command: Option<&CommandName>,
        id: Option<&CommandId>,
        reply: Result<&Content, &Failure>,
    ) -> Result<Option<Message>, EncodeError> {
        let mut out = String::from("{");
        match (id, command) {
            (Some(CommandId::Number(id)), _) => {
                out.extend([r#""id":"#, &id.to_string(), ","]);
            }
            (Some(CommandId::Text(id)), _) => {
                out.extend([r#""id":"#, &quoted(id)?, ","]);
            }
            (None, _) if reply.is_ok() => return Ok(None),
            (None, Some(command)) => {
                out.extend([r#""cmd":"#, &name(command)?, ","]);
            }
            (None, None) => {}
        }
        match reply {
            Ok(content) => {
                out += r#""data":"#;
                push_content(&mut out, content)?;
            }
            Err(failure) => {
                let code = u16::from(failure.code()).to_string();
                let message = quoted(failure.message())?;
                out.extend([r#""error":{"code":"#, &code, r#","message":"#, &message]);
                if let Some(details) = failure.details() {
                    out.extend([r#","details":"#, &details.to_string()]);
                }
                out.push('}');
            }
        }
        out.push('}');
        Ok(Some(out.into()))
    }

    fn encode_event(&self, event: &CommandName, content: &Content) -> Result<Message, EncodeError> {
        let mut out = format!(r#"{{"event":{},"data":"#, name(event)?);
        push_content(&mut out, content)?;
        out.push('}');
        Ok(out.into())
    }
}

fn decode(text: &Utf8Bytes) -> Result<Incoming, Malformed> {
    let Envelope { id, cmd, data, timeout, cancel } = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => {
            let failure = Failure::bad_request(format!("the message is no command: {error}"));
            return Err(Malformed { id: id_of(text), failure });
        }
    };
    let id = id.map(|Id(id)| id);
    match (cmd, cancel) {
        (Some(name), None) => Ok(Incoming::Command(Command {
            name: match name {
                Name::Text(Cow::Borrowed(name)) => CommandName::Text(slice(text, name)),
                Name::Text(Cow::Owned(name)) => name.into(),
                Name::Number(number) => number.into(),
            },
            id,
            content: data.map_or(Content::Empty, |data| Content::Json(slice(text, data.get()))),
            timeout: timeout.map(Duration::from_millis),
        })),
        (None, Some(Id(cancelled))) => Ok(Incoming::Cancel(cancelled)),
        (Some(_), Some(_)) => {
            Err(Malformed { id, failure: Failure::bad_request("both cmd and cancel are given") })
        }
        (None, None) => {
            Err(Malformed { id, failure: Failure::bad_request("neither cmd nor cancel is given") })
        }
    }
}

/// Returns the id of a malformed command, so that the client finds the failure's command.
fn id_of(text: &str) -> Option<CommandId> {
    let id = serde_json::from_str::<IdOnly<'_>>(text).ok()?.id?;
    serde_json::from_str::<Id>(id.get()).ok().map(|Id(id)| id)
}

fn name(name: &CommandName) -> Result<String, EncodeError> {
    match name {
        CommandName::Text(name) => quoted(name),
        CommandName::Number(number) => Ok(number.to_string()),
    }
}

fn push_content(out: &mut String, content: &Content) -> Result<(), EncodeError> {
    match content {
        Content::Empty => out.push_str("null"),
        Content::Json(json) => out.push_str(json),
        Content::Text(text) => out.push_str(&quoted(text)?),
        Content::Binary(bytes) => {
            out.push('"');
            out.push_str(&to_base64(bytes));
            out.push('"');
        }
    }
    Ok(())
}

fn quoted(text: &str) -> Result<String, EncodeError> {
    serde_json::to_string(text).map_err(EncodeError::Json)
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: an unsigned number or a short string")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
                Ok(Id(CommandId::Number(number)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                if text.len() > CommandId::MAX_LENGTH {
                    return Err(E::invalid_length(text.len(), &self));
                }
                Ok(Id(CommandId::Text(text.into())))
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a command: a string or a 32-bit number")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Name<'de>, E> {
                u32::try_from(number)
                    .map(Name::Number)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name::Text(Cow::Owned(text.into())))
            }
        }

        deserializer.deserialize_any(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::router::FailureCode;

    proptest! {
        #[test]
        fn no_message_panics(
            bytes in any::<Vec<u8>>(),
            text in r#"(\{|\}|"|:|,|\[|\]|id|cmd|data|cancel|timeout|\\|u0041|[0-9]|-|\.|e|ä|null| ){0,30}"#,
            cut in 0usize..60,
        ) {
            let whole = r#"{"id":"ä","cmd":"\u0061b","data":[1,{"x":"ä"}],"timeout":5}"#;
            let cut = &whole.as_bytes()[..cut.min(whole.len())];
            for message in [bytes.into(), text.into(), Message::from(cut)] {
                let _ = JsonCommands::new().decode(message);
            }
        }

        #[test]
        fn names_contents_and_ids_survive(name in ".*", content in ".*", id in ".{0,30}") {
            let json = |text: &str| serde_json::to_string(text).unwrap();
            let message =
                format!(r#"{{"cmd":{},"data":{},"id":{}}}"#, json(&name), json(&content), json(&id));
            let command = command(&message);
            prop_assert_eq!(command.name, name.as_str());
            prop_assert_eq!(command.content, Content::Json(json(&content).into()));
            prop_assert_eq!(command.id, Some(CommandId::Text(id.into())));
        }
    }

    fn decode_text(text: &str) -> Result<Incoming, Malformed> {
        let Decoded { command, rest } = JsonCommands::new().decode(text.into());
        assert_eq!(rest, None);
        command
    }

    fn command(text: &str) -> Command {
        match decode_text(text).unwrap() {
            Incoming::Command(command) => command,
            Incoming::Cancel(id) => panic!("{id} is cancelled"),
        }
    }

    #[test]
    fn all_fields_are_read_in_any_order() {
        let all = Command {
            name: "add".into(),
            id: Some(CommandId::Number(u64::MAX)),
            content: Content::Json(r#"{"a": [1, "x"]}"#.into()),
            timeout: Some(Duration::from_millis(5)),
        };
        assert_eq!(
            command(
                r#" {"timeout":5,"data": {"a": [1, "x"]} ,"id":18446744073709551615,"cmd":"add"} "#
            ),
            all
        );
        let bare = Command { id: None, content: Content::Empty, timeout: None, ..all };
        for text in [
            r#"{"cmd":"add"}"#,
            r#"{"cmd":"add","id":null,"data":null,"timeout":null,"cancel":null,"more":{}}"#,
            r#"{"cmd":"\u0061dd"}"#,
        ] {
            assert_eq!(command(text), bare);
        }
        assert_eq!(command(r#"{"cmd":7}"#).name, CommandName::Number(7));
        let id = command(r#"{"cmd":"add","id":"\u0061"}"#).id;
        assert_eq!(id, Some(CommandId::Text("a".into())));
        let binary = JsonCommands::new().decode(br#"{"cmd":"add"}"#.into()).command.unwrap();
        assert_eq!(binary, Incoming::Command(bare));
    }

    #[test]
    fn name_and_data_share_the_bytes_of_the_message() {
        let message = Message::from(r#"{"cmd":"add","data":[1]}"#);
        let range = message.as_bytes().as_ptr_range();
        let Ok(Incoming::Command(command)) = JsonCommands::new().decode(message.clone()).command
        else {
            panic!("not decoded");
        };
        let CommandName::Text(name) = &command.name else { panic!("{:?}", command.name) };
        assert!(range.contains(&name.as_bytes().as_ptr()));
        assert!(range.contains(&command.content.as_bytes().as_ptr()));
    }

    #[test]
    fn a_cancellation_names_an_id() {
        for (text, id) in [
            (r#"{"cancel":3}"#, CommandId::Number(3)),
            (r#"{"cancel":"3"}"#, CommandId::Text("3".into())),
        ] {
            assert_eq!(decode_text(text).unwrap(), Incoming::Cancel(id));
        }
    }

    #[test]
    fn a_malformed_command_keeps_its_id_where_it_can_be_read() {
        let long = format!(r#"{{"cmd":"a","id":"{}"}}"#, "x".repeat(CommandId::MAX_LENGTH + 1));
        let deep = "[".repeat(1000);
        for (text, id) in [
            ("", None),
            ("null", None),
            ("[]", None),
            ("{}", None),
            ("{", None),
            (r#"{"id":1}"#, Some(1)),
            (r#"{"id":1,"cmd":["a"]}"#, Some(1)),
            (r#"{"id":1,"cmd":4294967296}"#, Some(1)),
            (r#"{"id":1,"cmd":"a","timeout":-1}"#, Some(1)),
            (r#"{"id":1,"cmd":"a","cancel":1}"#, Some(1)),
            (r#"{"id":1,"cmd":"a","cmd":"b"}"#, Some(1)),
            (r#"{"id":-1,"cmd":"a"}"#, None),
            (r#"{"id":1.5,"cmd":"a"}"#, None),
            (r#"{"id":{},"cmd":"a"}"#, None),
            (r#"{"id":1,"cmd":"a","data":{]}"#, None),
            (r#"{"id":1,"id":2,"cmd":"a"}"#, None),
            (&long, None),
            (&deep, None),
        ] {
            let malformed = decode_text(text).unwrap_err();
            assert_eq!(malformed.id, id.map(CommandId::Number), "{text}");
            assert_eq!(malformed.failure.code(), FailureCode::BAD_REQUEST, "{text}");
        }
        let binary = JsonCommands::new().decode(b"\xff".into()).command.unwrap_err();
        assert_eq!(binary.failure.message(), "the message is not UTF-8");
    }

    #[test]
    fn replies_are_objects_with_data_or_an_error() {
        let codec = JsonCommands::new();
        let (number, text) = (CommandId::Number(1), CommandId::Text("a\"b".into()));
        for (content, data) in [
            (Content::Empty, "null"),
            (Content::Json("[1]".into()), "[1]"),
            (Content::Text("a\"\n".into()), r#""a\"\n""#),
            (Content::Binary(vec![0, 255].into()), r#""AP8=""#),
        ] {
            let reply = |id| codec.encode_reply(Some(&"c".into()), id, Ok(&content)).unwrap();
            assert_eq!(reply(Some(&number)), Some(format!(r#"{{"id":1,"data":{data}}}"#).into()));
            let expected = format!(r#"{{"id":"a\"b","data":{data}}}"#);
            assert_eq!(reply(Some(&text)), Some(expected.into()));
            assert_eq!(reply(None), None, "a command without an id has no reply");
        }
        let failure = Failure::not_found("no \"x\"").with_details(vec![1, 2]);
        let error = r#""error":{"code":404,"message":"no \"x\"","details":[1,2]}}"#;
        for (command, id, start) in [
            (Some("c\""), Some(&number), r#"{"id":1,"#),
            (None, Some(&number), r#"{"id":1,"#),
            (Some("c\""), None, r#"{"cmd":"c\"","#),
            (None, None, "{"),
        ] {
            let command = command.map(CommandName::from);
            let reply = codec.encode_reply(command.as_ref(), id, Err(&failure)).unwrap();
            assert_eq!(reply, Some(format!("{start}{error}").into()));
        }
    }

    #[test]
    fn events_have_a_name_and_data() {
        let codec = JsonCommands::new();
        for (event, json) in [
            (CommandName::from("a\"b"), r#"{"event":"a\"b","data":null}"#),
            (7.into(), r#"{"event":7,"data":null}"#),
        ] {
            assert_eq!(codec.encode_event(&event, &Content::Empty).unwrap(), json);
        }
    }
}
