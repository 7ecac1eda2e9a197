//! Extensions in the `Sec-WebSocket-Extensions` header (RFC 6455 section 9.1).

use std::borrow::Cow;
use std::fmt;

use crate::token::{is_token, is_token_byte};

/// Maximum number of extensions in one handshake. Browsers list one or two, and the longest list in
/// the field is about ten offers of one extension; the bound keeps negotiation cheap for any input.
pub const MAX_EXTENSIONS: usize = 32;

/// Maximum number of parameters of one extension. permessage-deflate defines four.
pub const MAX_PARAMS: usize = 32;

/// One extension with its parameters: an offer in a request, an agreement in a response.
///
/// ```
/// use sockeye_proto::extension::Extension;
///
/// let offers = Extension::parse_list(["permessage-deflate; client_max_window_bits, x-custom; level=\"9\""])?;
/// assert_eq!(offers[0].name(), "permessage-deflate");
/// assert_eq!(offers[0].params().next(), Some(("client_max_window_bits", None)));
/// assert_eq!(offers[1].to_string(), "x-custom; level=9");
/// # Ok::<_, sockeye_proto::extension::ExtensionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    params: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl<'a> Extension<'a> {
    /// Parses the values of all `Sec-WebSocket-Extensions` headers of one head, in their order
    /// (RFC 6455 section 11.3.2: several headers are the same as one with all their values).
    ///
    /// # Errors
    /// The first rule of the grammar that a value breaks, or the limit that the list exceeds.
    pub fn parse_list(
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Self>, ExtensionError> {
        let mut extensions = Vec::new();
        for value in values {
            let mut cursor = Cursor { text: value, at: 0 };
            while cursor.skip_to_element() {
                if extensions.len() == MAX_EXTENSIONS {
                    return Err(ExtensionError::TooManyExtensions { limit: MAX_EXTENSIONS });
                }
                extensions.push(cursor.extension()?);
            }
        }
        Ok(extensions)
    }

    /// Creates an extension without parameters. The name must be a token.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "only extensions build one"))]
    pub(crate) fn new(name: &'a str) -> Self {
        debug_assert!(is_token(name), "{name:?} is not a token");
        Self { name, params: Vec::new() }
    }

    /// Adds a parameter. The name and the value must be tokens.
    #[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "only extensions build one"))]
    pub(crate) fn param(mut self, name: &'a str, value: Option<Cow<'a, str>>) -> Self {
        debug_assert!(is_token(name), "{name:?} is not a token");
        debug_assert!(value.as_deref().is_none_or(is_token), "{value:?} is not a token");
        self.params.push((name, value));
        self
    }

    /// Returns the extension's name, a token.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the parameters in their order, each a name and an optional value. Names may repeat.
    pub fn params(&self) -> impl ExactSizeIterator<Item = (&'a str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}

/// Writes the extension as in a header. Values are written as tokens, because all of them are
/// tokens.
impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (name, value) in self.params() {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// A list of extensions that breaks the grammar of RFC 6455 section 9.1 or is too long. Offsets are
/// in bytes from the start of the header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The name of an extension or parameter, or a value, is missing or begins with a byte that
    /// tokens cannot have.
    ExpectedToken {
        /// The offset where the token should start.
        at: usize,
    },
    /// Something other than `,` or `;` after an extension or a parameter.
    ExpectedSeparator {
        /// The offset where the separator should be.
        at: usize,
    },
    /// A quoted value without its closing quote.
    UnclosedQuote {
        /// The offset where the value starts.
        at: usize,
    },
    /// A quoted value that is not a token after unquoting.
    QuotedValueNotToken {
        /// The offset where the value starts.
        at: usize,
    },
    /// More than [`MAX_EXTENSIONS`] extensions.
    TooManyExtensions {
        /// The limit.
        limit: usize,
    },
    /// An extension with more than [`MAX_PARAMS`] parameters.
    TooManyParams {
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpectedToken { at } => write!(f, "expected a token at byte {at}"),
            Self::ExpectedSeparator { at } => write!(f, "expected `,` or `;` at byte {at}"),
            Self::UnclosedQuote { at } => write!(f, "the quoted value at byte {at} is not closed"),
            Self::QuotedValueNotToken { at } => {
                write!(f, "the quoted value at byte {at} is not a token")
            }
            Self::TooManyExtensions { limit } => write!(f, "more than {limit} extensions"),
            Self::TooManyParams { limit } => {
                write!(f, "more than {limit} parameters of one extension")
            }
        }
    }
}

impl std::error::Error for ExtensionError {}

/// The parser: a header's value and the read position. `at` is always a character boundary, because
/// it moves over ASCII only or in steps of whole characters.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Moves to the start of the next list element. Returns `false` at the end.
    fn skip_to_element(&mut self) -> bool {
        while matches!(self.peek(), Some(b' ' | b'\t' | b',')) {
            self.at += 1;
        }
        self.peek().is_some()
    }

    /// Reads an extension, and the comma that ends it.
    fn extension(&mut self) -> Result<Extension<'a>, ExtensionError> {
        let mut extension = Extension { name: self.token()?, params: Vec::new() };
        loop {
            self.skip_space();
            match self.peek() {
                None => return Ok(extension),
                Some(b',') => {
                    self.at += 1;
                    return Ok(extension);
                }
                Some(b';') => self.at += 1,
                Some(_) => return Err(ExtensionError::ExpectedSeparator { at: self.at }),
            }
            if extension.params.len() == MAX_PARAMS {
                return Err(ExtensionError::TooManyParams { limit: MAX_PARAMS });
            }
            self.skip_space();
            extension.params.push(self.param()?);
        }
    }

    fn param(&mut self) -> Result<(&'a str, Option<Cow<'a, str>>), ExtensionError> {
        let name = self.token()?;
        self.skip_space();
        if self.peek() != Some(b'=') {
            return Ok((name, None));
        }
        self.at += 1;
        self.skip_space();
        let value =
            if self.peek() == Some(b'"') { self.quoted()? } else { Cow::Borrowed(self.token()?) };
        Ok((name, Some(value)))
    }

    fn token(&mut self) -> Result<&'a str, ExtensionError> {
        let start = self.at;
        while self.peek().is_some_and(is_token_byte) {
            self.at += 1;
        }
        if self.at == start {
            return Err(ExtensionError::ExpectedToken { at: start });
        }
        Ok(&self.text[start..self.at])
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, ExtensionError> {
        let start = self.at;
        let inner = &self.text[start + 1..];
        let mut escaped = false;
        let closing = inner.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let Some(closing) = closing else {
            return Err(ExtensionError::UnclosedQuote { at: start });
        };
        let inner = &inner[..closing];
        self.at = start + closing + 2;
        // The value is a token, and a token has no backslash: each backslash can only start an
        // escape.
        let value =
            if inner.contains('\\') { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) };
        //= https://www.rfc-editor.org/rfc/rfc6455#section-9.1
        //# When using the quoted-string syntax variant, the value
        //# after quoted-string unescaping MUST conform to the
        //# 'token' ABNF.
        if !is_token(&value) {
            return Err(ExtensionError::QuotedValueNotToken { at: start });
        }
        Ok(value)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Removes each backslash and keeps the character after it.
fn unescape(quoted: &str) -> String {
    let mut characters = quoted.chars();
    let mut value = String::with_capacity(quoted.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> Result<Vec<Extension<'_>>, ExtensionError> {
        Extension::parse_list([value])
    }

    fn shown(value: &str) -> Vec<String> {
        parse(value).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_parse_with_any_space_and_empty_elements() {
        assert_eq!(shown("foo"), ["foo"]);
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown(" , foo ;\ta = 1 ; b,,bar;c ,"), ["foo; a=1; b", "bar; c"]);
    }

    #[test]
    fn several_headers_are_one_list() {
        let list = Extension::parse_list(["a; x=1", "b, a"]).unwrap();
        assert_eq!(list.iter().map(Extension::name).collect::<Vec<_>>(), ["a", "b", "a"]);
    }

    #[test]
    fn quoted_values_are_unquoted_and_unescaped() {
        assert_eq!(shown(r#"a; x="10"; y="1\0\2""#), ["a; x=10; y=102"]);
        assert_eq!(parse(r#"a; x="10"#), Err(ExtensionError::UnclosedQuote { at: 5 }));
        assert_eq!(parse(r#"a; x="10\"#), Err(ExtensionError::UnclosedQuote { at: 5 }));
        for bad in [r#"a; x="""#, r#"a; x="1 0""#, r#"a; x="1\"0""#, "a; x=\"é\"", r#"a; x="\\""#]
        {
            assert_eq!(parse(bad), Err(ExtensionError::QuotedValueNotToken { at: 5 }), "{bad}");
        }
    }

    #[test]
    fn what_is_not_a_token_is_refused_where_it_stands() {
        assert_eq!(parse("a;"), Err(ExtensionError::ExpectedToken { at: 2 }));
        assert_eq!(parse("a; =1"), Err(ExtensionError::ExpectedToken { at: 3 }));
        assert_eq!(parse("a; x="), Err(ExtensionError::ExpectedToken { at: 5 }));
        assert_eq!(parse("; x"), Err(ExtensionError::ExpectedToken { at: 0 }));
        assert_eq!(parse("é"), Err(ExtensionError::ExpectedToken { at: 0 }));
        assert_eq!(parse("a b"), Err(ExtensionError::ExpectedSeparator { at: 2 }));
        assert_eq!(parse("a; x=1 2"), Err(ExtensionError::ExpectedSeparator { at: 7 }));
        assert_eq!(parse("a=1"), Err(ExtensionError::ExpectedSeparator { at: 1 }));
    }

    #[test]
    fn too_many_extensions_or_params_are_refused() {
        let many = vec!["a"; MAX_EXTENSIONS].join(",");
        assert_eq!(parse(&many).unwrap().len(), MAX_EXTENSIONS);
        assert_eq!(
            Extension::parse_list([many.as_str(), "a"]),
            Err(ExtensionError::TooManyExtensions { limit: MAX_EXTENSIONS })
        );
        let many = format!("a{}", "; p".repeat(MAX_PARAMS));
        assert_eq!(parse(&many).unwrap()[0].params().len(), MAX_PARAMS);
        assert_eq!(
            parse(&format!("{many}; p")),
            Err(ExtensionError::TooManyParams { limit: MAX_PARAMS })
        );
    }

    const TOKEN: &str = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}";

    proptest! {
        #[test]
        fn what_is_displayed_parses_to_the_same(
            list in prop::collection::vec(
                (TOKEN, prop::collection::vec((TOKEN, prop::option::of(TOKEN)), 0..5)),
                0..5,
            )
        ) {
            let extensions: Vec<_> = list.iter().map(|(name, params)| {
                params.iter().fold(Extension::new(name), |extension, (name, value)| {
                    extension.param(name, value.as_deref().map(Cow::Borrowed))
                })
            }).collect();
            let text = extensions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(parse(&text).unwrap(), extensions);
        }

        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn any_text_of_the_grammars_own_characters_does_not_panic(text in "[a1;,=\"\\\\ é]{0,24}") {
            let _ = parse(&text);
        }
    }
}
