use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The reason why bytes are not the text of gRPC-Web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// The text is not base64.
    NotBase64,
    /// The text ends within a group of four characters.
    Unfinished,
}

/// A decoder of gRPC-Web-Text: base64 in groups of four characters.
///
/// A peer may encode each chunk by itself, so that padding stands between groups as well.
#[derive(Clone, Debug, Default)]
pub struct TextDecoder {
    /// The beginning of a group.
    group: [u8; 4],
    /// The number of characters in `group`: less than 4.
    group_length: usize,
    failed: Option<TextError>,
}

impl TextDecoder {
    /// Creates a decoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next characters. The rest of a group waits for the characters that follow, so
    /// that the output may be empty.
    ///
    /// # Errors
    /// [`TextError::NotBase64`]. Later calls return the same error.
    pub fn decode(&mut self, chunk: &[u8]) -> Result<Bytes, TextError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut out = Vec::with_capacity((chunk.len() + self.group_length) / 4 * 3);
        let decoded = self.decode_into(chunk, &mut out);
        self.failed = decoded.err();
        decoded.map(|()| out.into())
    }

    /// Checks that the text may end here.
    ///
    /// # Errors
    /// [`TextError::Unfinished`] within a group, or the error of the text.
    pub fn finish(&self) -> Result<(), TextError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.group_length > 0 => Err(TextError::Unfinished),
            None => Ok(()),
        }
    }

    fn decode_into(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
        if self.group_length > 0 {
            let missing = (4 - self.group_length).min(chunk.len());
            let (head, rest) = chunk.split_at(missing);
            self.group[self.group_length..][..missing].copy_from_slice(head);
            self.group_length += missing;
            chunk = rest;
            if self.group_length < 4 {
                return Ok(());
            }
            self.group_length = 0;
            decode_groups(&self.group, out)?;
        }
        let (mut groups, rest) = chunk.split_at(chunk.len() / 4 * 4);
        self.group[..rest.len()].copy_from_slice(rest);
        self.group_length = rest.len();
        // Padding ends a run of groups that are decoded at once.
        while let Some(padding) = groups.iter().position(|byte| *byte == b'=') {
            let (run, after) = groups.split_at(padding / 4 * 4 + 4);
            decode_groups(run, out)?;
            groups = after;
        }
        decode_groups(groups, out)
    }
}

/// Encodes bytes with padding, for clients that asked for text.
pub fn encode_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn decode_groups(groups: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
    STANDARD.decode_vec(groups, out).map_err(|_| TextError::NotBase64)
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBase64 => "the text must be base64",
            Self::Unfinished => "the base64 ends within a group of four characters",
        })
    }
}

impl Error for TextError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::framing::cuts;

    fn decode(chunks: Vec<Bytes>) -> Result<Vec<u8>, TextError> {
        let mut decoder = TextDecoder::new();
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&decoder.decode(&chunk)?);
        }
        decoder.finish().map(|()| out)
    }

    fn check(text: &str, expected: &Result<Vec<u8>, TextError>) {
        cuts::for_each(text.as_bytes(), |chunks| assert_eq!(&decode(chunks), expected, "{text}"));
    }

    #[test]
    fn padding_may_stand_between_groups() {
        check("YQ==YmM=ZGVmYQ==", &Ok(b"abcdefa".to_vec()));
        check("", &Ok(vec![]));
    }

    #[test]
    fn other_text_is_refused_at_every_cut() {
        for text in ["YQ=a", "=AAA", "====", "YQ==YR==", "Y Q=", "_w=="] {
            check(text, &Err(TextError::NotBase64));
        }
        for text in ["Y", "YQ", "YQ=", "YWJjY"] {
            check(text, &Err(TextError::Unfinished));
        }
    }

    proptest! {
        #[test]
        fn chunks_that_are_encoded_by_themselves_are_read(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..7), 0..5)
        ) {
            let text: String = chunks.iter().map(|chunk| encode_text(chunk)).collect();
            check(&text, &Ok(chunks.concat()));
        }

        #[test]
        fn any_text_is_the_same_at_every_cut(text in "[AQ=g/]{0,16}") {
            let whole = decode(vec![Bytes::copy_from_slice(text.as_bytes())]);
            check(&text, &whole);
        }
    }
}
