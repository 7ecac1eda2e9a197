//! Recordings: one JSON object a line for each message.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sockeye::{CloseFrame, Message, MessageRef};

use super::input::Input;
use crate::client::Failure;

/// A message or a close frame in a recording.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Seconds since the connection was open.
    #[serde(default)]
    t: f64,
    #[serde(default)]
    dir: Direction,
    #[serde(rename = "type")]
    kind: RecordKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    close: Option<Close>,
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    In,
    #[default]
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordKind {
    Text,
    Binary,
    Close,
}

#[derive(Debug, Serialize, Deserialize)]
struct Close {
    code: u16,
    #[serde(default)]
    reason: String,
}

impl Record {
    /// Returns the record of a message.
    pub(super) fn of_message(opened_at: Instant, dir: Direction, message: MessageRef<'_>) -> Self {
        let (kind, data, base64) = match message {
            MessageRef::Text(text) => (RecordKind::Text, Some(text.to_owned()), None),
            MessageRef::Binary(bytes) => (RecordKind::Binary, None, Some(BASE64.encode(bytes))),
        };
        Self { t: opened_at.elapsed().as_secs_f64(), dir, kind, data, base64, close: None }
    }

    /// Returns the record of the peer's close frame.
    pub(super) fn of_close(opened_at: Instant, frame: &CloseFrame) -> Self {
        let close = Close { code: frame.code.into(), reason: frame.reason.to_string() };
        Self {
            t: opened_at.elapsed().as_secs_f64(),
            dir: Direction::In,
            kind: RecordKind::Close,
            data: None,
            base64: None,
            close: Some(close),
        }
    }

    /// Parses a line; `None` if the record is a received one.
    pub(super) fn parse(line: &[u8]) -> Result<Option<Input>, Failure> {
        let wrong = |reason: &str| Failure::usage(format!("a line of the input: {reason}"));
        let record: Self =
            serde_json::from_slice(line).map_err(|error| wrong(&error.to_string()))?;
        if record.dir == Direction::In {
            return Ok(None);
        }
        let input = match (record.kind, record.data, record.base64) {
            (RecordKind::Text, Some(text), None) => Input::Message(text.into()),
            (RecordKind::Binary, None, Some(encoded)) => {
                let bytes = BASE64.decode(encoded).map_err(|error| wrong(&error.to_string()))?;
                Input::Message(bytes.into())
            }
            (RecordKind::Binary, Some(text), None) => {
                Input::Message(Message::Binary(text.into_bytes().into()))
            }
            (RecordKind::Close, None, None) => {
                let close = record.close.unwrap_or(Close { code: 1000, reason: String::new() });
                Input::close(close.code, &close.reason)?
            }
            _ => return Err(wrong("expected data for text, base64 for binary messages")),
        };
        Ok(Some(input))
    }

    /// Returns the line of the record, with its line feed.
    pub(super) fn to_line(&self) -> String {
        // The fields are numbers and strings, which have a form in JSON.
        serde_json::to_string(self).map(|line| line + "\n").unwrap_or_default()
    }
}

/// The file of `--record`.
pub(super) struct Recorder(Option<BufWriter<File>>);

impl Recorder {
    pub(super) fn create(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file else { return Ok(Self(None)) };
        let file = File::create(path)
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
        Ok(Self(Some(BufWriter::new(file))))
    }

    pub(super) fn write(&mut self, record: impl FnOnce() -> Record) -> Result<(), Failure> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let line = record().to_line();
        let written = file.write_all(line.as_bytes()).and_then(|()| file.flush());
        written.map_err(|error| Failure::output(&error))
    }
}
