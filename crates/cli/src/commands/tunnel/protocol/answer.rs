//! The answer at the beginning of the other direction of a stream.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Maximum length of the text of an answer, in bytes: its length is one byte on the wire.
const MAX_TEXT_LENGTH: usize = u8::MAX as usize;

/// The result of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

impl Code {
    /// The connection is open, or the server listens.
    pub(crate) const OK: Self = Self(0x00);
    /// The request is invalid or of an unknown kind.
    pub(crate) const REQUEST: Self = Self(0x01);
    /// No rule of the server allows the target or the address to listen on.
    pub(crate) const DENIED: Self = Self(0x02);
    /// The name of the target has no address.
    pub(crate) const NAME: Self = Self(0x03);
    /// The target refused the connection.
    pub(crate) const REFUSED: Self = Self(0x04);
    /// There is no route to the target.
    pub(crate) const UNREACHABLE: Self = Self(0x05);
    /// The target did not answer in time.
    pub(crate) const TIMEOUT: Self = Self(0x06);
    /// The address to listen on cannot be used.
    pub(crate) const ADDRESS: Self = Self(0x07);
    /// Too many connections or listeners are open.
    pub(crate) const LIMIT: Self = Self(0x08);
    /// Any other failure.
    pub(crate) const FAILED: Self = Self(0x09);

    /// Returns the name for logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OK => "ok",
            Self::REQUEST => "bad-request",
            Self::DENIED => "denied",
            Self::NAME => "name-not-found",
            Self::REFUSED => "refused",
            Self::UNREACHABLE => "unreachable",
            Self::TIMEOUT => "timeout",
            Self::ADDRESS => "address",
            Self::LIMIT => "limit",
            Self::FAILED => "failed",
            _ => "unknown",
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:#04x})", self.name(), self.0)
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    /// A sentence about the failure, or the address that the server listens on. Printable.
    pub(crate) text: Box<str>,
}

impl Answer {
    /// The answer to a request for a connection that is open now.
    pub(crate) fn ok() -> Self {
        Self { code: Code::OK, text: Box::default() }
    }

    /// Creates an answer. Control characters of the text are replaced, and its end is cut off where
    /// it is too long.
    pub(crate) fn new(code: Code, text: impl fmt::Display) -> Self {
        let mut text = text.to_string().replace(char::is_control, " ");
        let mut length = text.len().min(MAX_TEXT_LENGTH);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        text.truncate(length);
        Self { code, text: text.into() }
    }

    /// Returns the bytes of the answer.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let text = self.text.as_bytes();
        let mut bytes = Vec::with_capacity(2 + text.len());
        bytes.push(self.code.0);
        // `new` and `read` bound the length.
        bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        bytes.extend(text);
        bytes
    }

    /// Reads the answer of a stream, and no byte after it.
    ///
    /// # Errors
    /// The stream ends or fails.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, AnswerError> {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let [code, length] = head;
        let mut text = vec![0; usize::from(length)];
        stream.read_exact(&mut text).await?;
        // The text is for people only.
        Ok(Self::new(Code(code), String::from_utf8_lossy(&text)))
    }

    /// Returns an error unless the request was fulfilled.
    ///
    /// # Errors
    /// [`AnswerError::Refused`] with this answer.
    pub(crate) fn into_result(self) -> Result<Box<str>, AnswerError> {
        if self.code == Code::OK { Ok(self.text) } else { Err(AnswerError::Refused(self)) }
    }
}

/// The failure of a request, as its sender sees it.
#[derive(Debug)]
pub(crate) enum AnswerError {
    /// The other end refused the request.
    Refused(Answer),
    /// The stream ended or failed before the answer.
    Io(io::Error),
}

impl AnswerError {
    /// Returns the code of the answer, or that of other failures.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Refused(answer) => answer.code,
            Self::Io(_) => Code::FAILED,
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(answer) if answer.text.is_empty() => f.write_str(answer.code.name()),
            Self::Refused(answer) => f.write_str(&answer.text),
            Self::Io(error) => write!(f, "the tunnel has no answer: {error}"),
        }
    }
}

impl std::error::Error for AnswerError {}

impl From<io::Error> for AnswerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_back_and_nothing_after_it() {
        for answer in [Answer::ok(), Answer::new(Code::DENIED, "no"), Answer::new(Code(0xff), "ß")]
        {
            let mut bytes = answer.encode();
            bytes.extend(b"data");
            let mut rest = &bytes[..];
            assert_eq!(Answer::read(&mut rest).await.unwrap(), answer);
            assert_eq!(rest, b"data");
            for length in 0..answer.encode().len() {
                let error = Answer::read(&mut &bytes[..length]).await.unwrap_err();
                assert!(matches!(error, AnswerError::Io(_)), "{length}: {error}");
            }
        }
    }

    #[test]
    fn texts_are_printable_and_bounded() {
        let answer = Answer::new(Code::FAILED, "\x1b[2J\n".to_owned() + &"ß".repeat(200));
        assert!(answer.text.starts_with(" [2J ß"), "{:?}", answer.text);
        assert_eq!(answer.text.len(), 255);
        assert_eq!(answer.into_result().unwrap_err().code(), Code::FAILED);
    }
}
