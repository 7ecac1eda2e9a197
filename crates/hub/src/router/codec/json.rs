use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sockeye::{Message, Utf8Bytes};

use super::{Codec, Command, Decoded, Incoming, Malformed, to_base64};
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
            (Some(CommandId::Number(id)), _) => out += &format!(r#""id":{id},"#),
            (Some(CommandId::Text(id)), _) => out += &format!(r#""id":{},"#, quoted(id)?),
            (None, _) if reply.is_ok() => return Ok(None),
            (None, Some(command)) => out += &format!(r#""cmd":{},"#, name(command)?),
            (None, None) => {}
        }
        match reply {
            Ok(content) => {
                out += r#""data":"#;
                push_content(&mut out, content)?;
            }
            Err(failure) => {
                let (code, message) = (u16::from(failure.code()), quoted(failure.message())?);
                out += &format!(r#""error":{{"code":{code},"message":{message}"#);
                if let Some(details) = failure.details() {
                    out += &format!(r#","details":{details}"#);
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

/// Returns a part of a message without a copy.
fn slice(whole: &Utf8Bytes, part: &str) -> Utf8Bytes {
    let whole = whole.clone().into_bytes();
    Utf8Bytes::try_from(whole.slice_ref(part.as_bytes())).unwrap_or_else(|_| part.into())
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
