//! The forms of messages on pipes.

use std::io::{self, BufRead, Read};

use clap::ValueEnum;
use sockeye::{Kind, Message};

use super::input::Input;
use super::recorder::Record;
use crate::client::Failure;

/// Length of the buffer of `raw`, in bytes: that of a pipe on Linux.
const RAW_LENGTH: usize = 64 * 1024;

/// The form of messages on a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Framing {
    Line,
    Nul,
    Len32,
    Ndjson,
    Raw,
    Whole,
}

/// A reader of messages.
pub(super) struct Messages<R> {
    source: R,
    framing: Framing,
    kind: Kind,
    limit: usize,
}

impl<R: BufRead> Messages<R> {
    /// Creates a reader of messages of `kind`, where the framing leaves the kind open, of at most
    /// `limit` bytes.
    pub(super) const fn new(source: R, framing: Framing, kind: Kind, limit: usize) -> Self {
        Self { source, framing, kind, limit }
    }

    /// Reads the next message; `None` at the end of the input.
    pub(super) fn read(&mut self) -> Result<Option<Input>, Failure> {
        match self.framing {
            Framing::Line => {
                let Some(mut line) = self.read_until(b'\n')? else { return Ok(None) };
                if line.last() == Some(&b'\r') && self.kind == Kind::Text {
                    line.pop();
                }
                self.message(line)
            }
            Framing::Nul => match self.read_until(0)? {
                Some(message) => self.message(message),
                None => Ok(None),
            },
            Framing::Len32 => self.read_len32(),
            Framing::Ndjson => self.read_ndjson(),
            Framing::Whole => self.read_whole(),
            Framing::Raw => {
                let mut chunk = vec![0; RAW_LENGTH.min(self.limit)];
                let length =
                    self.source.read(&mut chunk).map_err(|error| Failure::input(&error))?;
                chunk.truncate(length);
                let message = Input::Message(Message::Binary(chunk.into()));
                Ok((length > 0).then_some(message))
            }
        }
    }

    fn message(&self, bytes: Vec<u8>) -> Result<Option<Input>, Failure> {
        if self.kind == Kind::Binary {
            return Ok(Some(Input::Message(bytes.into())));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            Failure::usage("the input is not UTF-8, as text messages are; use --binary")
        })?;
        Ok(Some(Input::Message(text.into())))
    }

    /// Reads all of the input; `None` if it is empty.
    fn read_whole(&mut self) -> Result<Option<Input>, Failure> {
        let most = u64::try_from(self.limit).unwrap_or(u64::MAX).saturating_add(1);
        let mut message = Vec::new();
        let mut limited = self.source.by_ref().take(most);
        let length = limited.read_to_end(&mut message).map_err(|error| Failure::input(&error))?;
        self.check(length)?;
        if length == 0 { Ok(None) } else { self.message(message) }
    }

    /// Reads up to a separator, which is not in the result. The last message needs none.
    fn read_until(&mut self, separator: u8) -> Result<Option<Vec<u8>>, Failure> {
        let most = u64::try_from(self.limit).unwrap_or(u64::MAX).saturating_add(2);
        let mut message = Vec::new();
        let mut limited = self.source.by_ref().take(most);
        let length =
            limited.read_until(separator, &mut message).map_err(|error| Failure::input(&error))?;
        if length == 0 {
            return Ok(None);
        }
        if message.last() == Some(&separator) {
            message.pop();
        }
        self.check(message.len())?;
        Ok(Some(message))
    }

    fn read_len32(&mut self) -> Result<Option<Input>, Failure> {
        if self.source.fill_buf().map_err(|error| Failure::input(&error))?.is_empty() {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.source.read_exact(&mut length).map_err(|error| cut(&error))?;
        let length = u32::from_be_bytes(length);
        self.check(usize::try_from(length).unwrap_or(usize::MAX))?;
        // The buffer grows with the bytes that arrive, not with the announced length.
        let mut message = Vec::new();
        self.source
            .by_ref()
            .take(length.into())
            .read_to_end(&mut message)
            .map_err(|error| Failure::input(&error))?;
        if message.len() as u64 != u64::from(length) {
            return Err(cut(&io::ErrorKind::UnexpectedEof.into()));
        }
        self.message(message)
    }

    /// Reads the next record that is to be sent. Empty lines and received messages are skipped.
    fn read_ndjson(&mut self) -> Result<Option<Input>, Failure> {
        while let Some(line) = self.read_until(b'\n')? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Some(input) = Record::parse(&line)? {
                return Ok(Some(input));
            }
        }
        Ok(None)
    }

    fn check(&self, length: usize) -> Result<(), Failure> {
        if length <= self.limit {
            return Ok(());
        }
        let limit = self.limit;
        Err(Failure::usage(format!("a message is longer than --max-message, {limit} bytes")))
    }
}

fn cut(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Failure::usage("the input ends within a message of --frame len32")
        }
        _ => Failure::input(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, kind: Kind, input: &[u8]) -> Result<Vec<Message>, Failure> {
        let mut messages = Messages::new(input, framing, kind, 10);
        let mut read = Vec::new();
        while let Some(input) = messages.read()? {
            let Input::Message(message) = input else { panic!("{input:?}") };
            read.push(message);
        }
        Ok(read)
    }

    #[test]
    fn lines_and_zero_bytes_separate_messages() {
        let lines = read(Framing::Line, Kind::Text, b"a\r\n\nbc").unwrap();
        assert_eq!(lines, [Message::from("a"), "".into(), "bc".into()]);
        let lines = read(Framing::Line, Kind::Binary, b"a\r\n").unwrap();
        assert_eq!(lines, [Message::from(b"a\r")]);
        let messages = read(Framing::Nul, Kind::Text, b"a\nb\0c\0").unwrap();
        assert_eq!(messages, [Message::from("a\nb"), "c".into()]);
    }

    #[test]
    fn lengths_precede_messages_that_may_be_empty() {
        let input = b"\0\0\0\x02hi\0\0\0\0\0\0\0\x01x";
        let messages = read(Framing::Len32, Kind::Text, input).unwrap();
        assert_eq!(messages, [Message::from("hi"), "".into(), "x".into()]);
    }

    #[test]
    fn the_whole_input_is_one_message() {
        let messages = read(Framing::Whole, Kind::Text, b"a\r\n\0b\n").unwrap();
        assert_eq!(messages, [Message::from("a\r\n\0b\n")]);
        let messages = read(Framing::Whole, Kind::Binary, b"0123456789").unwrap();
        assert_eq!(messages, [Message::from(b"0123456789")]);
        assert!(read(Framing::Whole, Kind::Text, b"").unwrap().is_empty());
    }

    #[test]
    fn input_that_is_cut_too_long_or_no_text_is_refused() {
        for (framing, input) in [
            (Framing::Len32, &b"\0\0\0\x02h"[..]),
            (Framing::Len32, b"\0\0"),
            (Framing::Len32, b"\xff\xff\xff\xff"),
            (Framing::Line, b"12345678901\n"),
            (Framing::Line, b"12345678901234567890\n"),
            (Framing::Nul, b"\xff\0"),
            (Framing::Whole, b"12345678901"),
            (Framing::Whole, b"\xff"),
            (Framing::Ndjson, b"{}\n"),
            (Framing::Ndjson, b"no json"),
        ] {
            assert!(read(framing, Kind::Text, input).is_err(), "{framing:?} {input:?}");
        }
    }
}
