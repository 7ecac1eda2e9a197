use std::error::Error;
use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// A splitter of JSON values: one after the other, or the elements of one array.
///
/// ```
/// use bytes::Bytes;
/// use sockeye_gateway::dialect::framing::JsonSplitter;
///
/// let mut splitter = JsonSplitter::new(1024);
/// splitter.push(Bytes::from_static(b"{\"a\":1}\n{\"a\""));
/// assert_eq!(splitter.next_value()?.unwrap(), "{\"a\":1}");
/// assert_eq!(splitter.next_value()?, None);
/// splitter.push(Bytes::from_static(b":2}"));
/// assert_eq!(splitter.next_value()?.unwrap(), "{\"a\":2}");
/// assert_eq!(splitter.finish()?, None);
/// # Ok::<_, sockeye_gateway::dialect::framing::JsonSplitError>(())
/// ```
///
/// If the first value is an array, its elements are the values, and nothing follows it. Values
/// beside an array may have white space between them, and need none.
///
/// ```text
///             '['           value       ','
///   start ──────────► array ─────► after ──► element (a value must follow)
///     │ value           └──── ']' ───┴─► end
///     └──────► values
/// ```
///
/// The splitter finds the ends of values and checks that brackets match. Everything else, such as
/// the spelling of numbers, is left to the parser of the values. A value that is whole in a chunk
/// shares the chunk's memory.
#[derive(Debug)]
pub struct JsonSplitter {
    max_length: usize,
    /// The bytes that are not consumed. Within a value, the first `scanned` belong to it.
    input: Bytes,
    scanned: usize,
    /// The beginning of a value, before `input`.
    partial: BytesMut,
    /// The place of `input` in the stream, in bytes.
    offset: u64,
    place: Place,
    token: Token,
    nesting: Nesting,
    failed: Option<JsonSplitError>,
}

/// The place between values, or around the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first value.
    Start,
    /// Beside other values.
    Values,
    /// After the bracket that opens the array.
    Array,
    /// After an element of the array.
    AfterElement,
    /// After a comma in the array.
    Element,
    /// After the array.
    End,
}

/// The current value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    /// A number, or `true`, `false`, `null`. The next byte that cannot belong to it ends it.
    Scalar,
    /// A string, also one within brackets.
    String {
        is_escaped: bool,
    },
    /// An object or array, outside its strings.
    Brackets,
}

/// The open brackets of a value.
#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    depth: u32,
    /// A bit for each open bracket, the innermost last: set for braces.
    braces: u128,
}

/// The reason why bytes are not a sequence of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonSplitError {
    /// A byte cannot stand at its place.
    Unexpected {
        /// The byte.
        byte: u8,
        /// The place in the stream, in bytes from 0.
        offset: u64,
    },
    /// A value is too long.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A value has more than [`JsonSplitter::MAX_DEPTH`] brackets in each other.
    TooDeep,
    /// The stream ends within a value or an array.
    Unfinished,
}

impl JsonSplitter {
    /// The maximum number of brackets in each other: that of protobuf's parsers.
    pub const MAX_DEPTH: u32 = 100;

    /// Returns the number of bytes that wait for the rest of their value.
    pub fn buffered_length(&self) -> usize {
        self.input.len() + self.partial.len()
    }

    /// Creates a splitter for values of at most `max_length` bytes.
    pub fn new(max_length: usize) -> Self {
        Self {
            max_length,
            input: Bytes::new(),
            scanned: 0,
            partial: BytesMut::new(),
            offset: 0,
            place: Place::Start,
            token: Token::None,
            nesting: Nesting::default(),
            failed: None,
        }
    }

    /// Adds the next bytes of the stream. Call [`next_value`](Self::next_value) afterwards until
    /// there is none: bytes that are not consumed would be copied.
    pub fn push(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            self.input = [&self.input[..], &chunk].concat().into();
        }
    }

    /// Returns the next value. `None` if there is none until more bytes come.
    ///
    /// # Errors
    /// [`JsonSplitError`]. Later calls return the same error.
    pub fn next_value(&mut self) -> Result<Option<Bytes>, JsonSplitError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let value = self.split();
        self.failed = value.as_ref().err().copied();
        value
    }

    /// Returns the value that ends with the stream: a number, or `true`, `false`, `null`. Call it
    /// until there is none.
    ///
    /// # Errors
    /// [`JsonSplitError::Unfinished`] within a value or an array, or the error of the stream.
    pub fn finish(&mut self) -> Result<Option<Bytes>, JsonSplitError> {
        if let Some(value) = self.next_value()? {
            return Ok(Some(value));
        }
        match (self.token, self.place) {
            (Token::None, Place::Start | Place::Values | Place::End) => Ok(None),
            (Token::Scalar, Place::Values) => {
                self.token = Token::None;
                Ok(Some(self.partial.split().freeze()))
            }
            _ => Err(JsonSplitError::Unfinished),
        }
    }

    fn split(&mut self) -> Result<Option<Bytes>, JsonSplitError> {
        loop {
            if self.token == Token::None && !self.start_value()? {
                return Ok(None);
            }
            let is_whole = match self.scan_value() {
                Ok(is_whole) => is_whole,
                // Of two faults the one that is seen first when the value comes in small chunks.
                Err(error) => return Err(self.check_length().err().unwrap_or(error)),
            };
            if is_whole {
                return self.take_value().map(Some);
            }
            if self.scanned == self.input.len() {
                self.keep_partial()?;
                return Ok(None);
            }
        }
    }

    /// Consumes the bytes before a value, and reports whether one begins.
    fn start_value(&mut self) -> Result<bool, JsonSplitError> {
        while let Some(&byte) = self.input.first() {
            if !is_space(byte) {
                match (self.place, byte) {
                    (Place::Start, b'[') => self.place = Place::Array,
                    (Place::Array | Place::AfterElement, b']') => self.place = Place::End,
                    (Place::AfterElement, b',') => self.place = Place::Element,
                    (Place::Start | Place::Values | Place::Array | Place::Element, _)
                        if starts_value(byte) =>
                    {
                        if self.place == Place::Start {
                            self.place = Place::Values;
                        }
                        self.scanned = 0;
                        self.nesting = Nesting::default();
                        self.token = Token::Scalar;
                        return Ok(true);
                    }
                    _ => return Err(self.unexpected(byte)),
                }
            }
            self.input.advance(1);
            self.offset += 1;
        }
        Ok(false)
    }

    /// Scans the current value, and reports whether it ends.
    fn scan_value(&mut self) -> Result<bool, JsonSplitError> {
        while let Some(&byte) = self.input.get(self.scanned) {
            let is_first = self.scanned == 0 && self.partial.is_empty();
            match self.token {
                Token::String { is_escaped: true } => {
                    self.token = Token::String { is_escaped: false };
                }
                Token::String { .. } if byte == b'\\' => {
                    self.token = Token::String { is_escaped: true };
                }
                Token::String { .. } if byte == b'"' => {
                    self.token = Token::Brackets;
                    if self.nesting.depth == 0 {
                        self.scanned += 1;
                        return Ok(true);
                    }
                }
                Token::String { .. } => {}
                Token::Scalar if !is_first && ends_scalar(byte) => return Ok(true),
                Token::Scalar | Token::Brackets => match byte {
                    b'"' => self.token = Token::String { is_escaped: false },
                    b'{' | b'[' => {
                        self.nesting.open(byte == b'{')?;
                        self.token = Token::Brackets;
                    }
                    b'}' | b']' => {
                        if !self.nesting.close(byte == b'}') {
                            return Err(self.unexpected(byte));
                        }
                        if self.nesting.depth == 0 {
                            self.scanned += 1;
                            return Ok(true);
                        }
                    }
                    _ => {}
                },
                // Not reached: a value has begun.
                Token::None => return Ok(false),
            }
            self.scanned += 1;
        }
        Ok(false)
    }

    fn take_value(&mut self) -> Result<Bytes, JsonSplitError> {
        self.check_length()?;
        let end = self.input.split_to(self.scanned);
        self.offset += end.len() as u64;
        self.scanned = 0;
        self.token = Token::None;
        if self.place != Place::Values {
            self.place = Place::AfterElement;
        }
        if self.partial.is_empty() {
            return Ok(end);
        }
        self.partial.extend_from_slice(&end);
        Ok(self.partial.split().freeze())
    }

    fn keep_partial(&mut self) -> Result<(), JsonSplitError> {
        self.check_length()?;
        self.offset += self.input.len() as u64;
        self.partial.extend_from_slice(&self.input);
        self.input.clear();
        self.scanned = 0;
        Ok(())
    }

    /// Checks the length of the current value, as far as it is scanned.
    fn check_length(&self) -> Result<(), JsonSplitError> {
        if self.partial.len() + self.scanned > self.max_length {
            return Err(JsonSplitError::TooLong { limit: self.max_length });
        }
        Ok(())
    }

    fn unexpected(&self, byte: u8) -> JsonSplitError {
        JsonSplitError::Unexpected { byte, offset: self.offset + self.scanned as u64 }
    }
}

impl Nesting {
    fn open(&mut self, is_brace: bool) -> Result<(), JsonSplitError> {
        if self.depth == JsonSplitter::MAX_DEPTH {
            return Err(JsonSplitError::TooDeep);
        }
        self.depth += 1;
        self.braces = self.braces << 1 | u128::from(is_brace);
        Ok(())
    }

    /// Closes the innermost bracket, and reports whether it is of the same kind.
    fn close(&mut self, is_brace: bool) -> bool {
        let matches = self.depth > 0 && (self.braces & 1 == 1) == is_brace;
        if matches {
            self.depth -= 1;
            self.braces >>= 1;
        }
        matches
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn starts_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

fn ends_scalar(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'{' | b'}' | b'[' | b']' | b'"' | b',' | b':')
}

impl fmt::Display for JsonSplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { byte, offset } => {
                write!(f, "unexpected {:?} at byte {offset}", char::from(*byte))
            }
            Self::TooLong { limit } => write!(f, "a message has more than {limit} bytes"),
            Self::TooDeep => {
                write!(f, "a message is nested deeper than {} levels", JsonSplitter::MAX_DEPTH)
            }
            Self::Unfinished => f.write_str("the messages end too early"),
        }
    }
}

impl Error for JsonSplitError {}
