//! The forms of messages on the pipes of a process.

use std::fmt;
use std::io;

use sockeye::bytes::{BufMut as _, Bytes, BytesMut};
use sockeye::{Message, Utf8Bytes};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// Length of a read, in bytes: that of a pipe on Linux.
const READ_LENGTH: usize = 64 * 1024;

/// The bit of a length that marks a binary message.
const BINARY: u32 = 1 << 31;

/// The form of messages on pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Framing {
    /// A line each, without its end. A line that is not UTF-8 is a binary message.
    Lines,
    /// The bytes of one read, as a binary message.
    Bytes,
    /// Each preceded by its length and type in four bytes.
    Messages,
}

/// The reason why output is no sequence of messages.
#[derive(Debug)]
pub(super) enum OutputError {
    Io(io::Error),
    /// A message is longer than the limit.
    TooLong,
    /// A text message is not UTF-8.
    NotText,
    /// The output ends within a message.
    Cut,
}

impl Framing {
    /// Returns the bytes of a message for standard input.
    pub(super) fn encode(self, message: Message) -> Bytes {
        let binary = matches!(message, Message::Binary(_));
        let payload = message.into_bytes();
        match self {
            Self::Bytes => payload,
            Self::Lines => {
                let mut line = BytesMut::with_capacity(payload.len() + 1);
                line.put_slice(&payload);
                line.put_u8(b'\n');
                line.freeze()
            }
            Self::Messages => {
                let mut framed = BytesMut::with_capacity(payload.len() + 4);
                // Messages are limited to less than 2 GiB.
                let length = u32::try_from(payload.len()).unwrap_or(!BINARY) & !BINARY;
                framed.put_u32(if binary { length | BINARY } else { length });
                framed.put_slice(&payload);
                framed.freeze()
            }
        }
    }
}

/// Reads the messages of an output.
#[derive(Debug)]
pub(super) struct Messages<R> {
    source: BufReader<R>,
    framing: Framing,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// Creates a reader of messages of at most `limit` bytes.
    pub(super) fn new(source: R, framing: Framing, limit: usize) -> Self {
        Self { source: BufReader::with_capacity(READ_LENGTH, source), framing, limit }
    }

    /// Reads the next message; `None` at the end. Not cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, OutputError> {
        match self.framing {
            Framing::Lines => self.line().await,
            Framing::Bytes => {
                let available = self.source.fill_buf().await?;
                if available.is_empty() {
                    return Ok(None);
                }
                let length = available.len().min(self.limit);
                let message = Message::from(&available[..length]);
                self.source.consume(length);
                Ok(Some(message))
            }
            Framing::Messages => self.message().await,
        }
    }

    /// Reads a line; the last one needs no end.
    async fn line(&mut self) -> Result<Option<Message>, OutputError> {
        let mut line = Vec::new();
        let at_most = (self.limit as u64).saturating_add(2);
        let length = (&mut self.source).take(at_most).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(None);
        }
        if line.pop_if(|last| *last == b'\n').is_some() {
            line.pop_if(|last| *last == b'\r');
        }
        if line.len() > self.limit {
            return Err(OutputError::TooLong);
        }
        Ok(Some(match String::from_utf8(line) {
            Ok(text) => text.into(),
            Err(error) => error.into_bytes().into(),
        }))
    }

    async fn message(&mut self) -> Result<Option<Message>, OutputError> {
        if self.source.fill_buf().await?.is_empty() {
            return Ok(None);
        }
        let head = self.source.read_u32().await?;
        let length = head & !BINARY;
        if length as usize > self.limit {
            return Err(OutputError::TooLong);
        }
        // The buffer grows with the bytes that arrive, not with the announced length.
        let mut payload = Vec::new();
        (&mut self.source).take(length.into()).read_to_end(&mut payload).await?;
        if payload.len() != length as usize {
            return Err(OutputError::Cut);
        }
        if head & BINARY != 0 {
            return Ok(Some(payload.into()));
        }
        let text = Utf8Bytes::try_from(Bytes::from(payload)).map_err(|_| OutputError::NotText)?;
        Ok(Some(text.into()))
    }
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the output cannot be read: {error}"),
            Self::TooLong => f.write_str("a message of the process is over --max-message"),
            Self::NotText => f.write_str("a text message of the process is not UTF-8"),
            Self::Cut => f.write_str("the output ends within a message"),
        }
    }
}

impl std::error::Error for OutputError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    async fn read(framing: Framing, output: &[u8]) -> Result<Vec<Message>, OutputError> {
        let mut messages = Messages::new(output, framing, 10);
        let mut read = Vec::new();
        while let Some(message) = messages.next().await? {
            read.push(message);
        }
        Ok(read)
    }

    #[tokio::test]
    async fn lines_lose_their_ends_and_bytes_are_kept() {
        let lines = read(Framing::Lines, b"a\r\n\nb\xff\nc").await.unwrap();
        assert_eq!(lines, [Message::from("a"), "".into(), b"b\xff".into(), "c".into()]);
        let chunks = read(Framing::Bytes, b"0123456789ab").await.unwrap();
        assert_eq!(chunks, [Message::from(b"0123456789"), b"ab".into()]);
    }

    #[tokio::test]
    async fn whole_messages_keep_their_type_in_both_directions() {
        let messages = [Message::from("line\nend"), "".into(), b"\0\xff".into(), b"".into()];
        let framed: Vec<u8> = messages
            .iter()
            .flat_map(|message| Framing::Messages.encode(message.clone()).to_vec())
            .collect();
        assert_eq!(&framed[..5], b"\0\0\0\x08l");
        assert_eq!(read(Framing::Messages, &framed).await.unwrap(), messages);
    }

    #[tokio::test]
    async fn output_that_is_cut_too_long_or_no_text_is_refused() {
        for (framing, output) in [
            (Framing::Lines, &b"12345678901\n"[..]),
            (Framing::Lines, b"1234567890123456"),
            (Framing::Messages, b"\0\0\0\x0b12345678901"),
            (Framing::Messages, b"\0\0\0\x02a"),
            (Framing::Messages, b"\0\0"),
            (Framing::Messages, b"\0\0\0\x01\xff"),
        ] {
            assert!(read(framing, output).await.is_err(), "{framing:?} {output:?}");
        }
    }
}
