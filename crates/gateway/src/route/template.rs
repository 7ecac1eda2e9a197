use std::fmt;

use super::percent;
use super::template_error::{MAX_LENGTH, MAX_SEGMENTS, TemplateError, TemplateFault};

/// A path template of `google.api.http`, such as `/v1/{name=shelves/*/books/*}:read`.
///
/// ```text
/// Template  = "/" [ Segments [ ":" Verb ] ]
/// Segments  = Segment { "/" Segment }
/// Segment   = "*" | "**" | Literal | Variable
/// Variable  = "{" FieldPath [ "=" Segments ] "}"        without variables in it; "{a}" is "{a=*}"
/// FieldPath = Identifier { "." Identifier }
/// ```
///
/// | beyond the grammar of `http.proto` | |
/// |---|---|
/// | `/` | the root |
/// | `/v1/**/tail` | a `**` may be followed by segments, as their number is fixed |
/// | `/v1/{id}:a:b` | a verb may contain colons |
///
/// Refused are a second `**`, two variables of one field or of a field and a field in it, an empty
/// verb or segment, a wildcard that is not a whole segment, and a colon in a variable.
///
/// A literal consists of the characters that RFC 3986 allows in a path segment, without `*` and
/// `:`, and matches every percent-encoding of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    segments: Box<[Segment]>,
    variables: Box<[Variable]>,
    verb: Option<Box<str>>,
}

/// A segment of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A decoded literal.
    Literal(Box<str>),
    /// `*`: one segment, not empty.
    Single,
    /// `**`: any number of segments, also none.
    Multi,
}

/// A variable of a [`Template`]: a field of the request that takes some of the path's segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    field_path: Box<str>,
    start: usize,
    end: usize,
    is_multi: bool,
}

impl Template {
    /// The maximum length of a template, in bytes.
    pub const MAX_LENGTH: usize = MAX_LENGTH;

    /// The maximum number of segments.
    pub const MAX_SEGMENTS: usize = MAX_SEGMENTS;

    /// Parses a template.
    ///
    /// ```
    /// use sockeye_gateway::route::{Segment, Template};
    ///
    /// let template = Template::parse("/v1/{book.name=shelves/*}:read")?;
    /// assert_eq!(template.verb(), Some("read"));
    /// assert_eq!(template.variables()[0].field_path(), "book.name");
    /// assert_eq!(template.segments()[2], Segment::Single);
    ///
    /// let error = Template::parse("/v1/foo*").unwrap_err();
    /// assert_eq!(error.column, 8);
    /// # Ok::<_, sockeye_gateway::route::TemplateError>(())
    /// ```
    ///
    /// # Errors
    /// [`TemplateError`], with the column of the fault, if the text breaks the grammar or exceeds
    /// [`MAX_LENGTH`](Self::MAX_LENGTH) or [`MAX_SEGMENTS`](Self::MAX_SEGMENTS).
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(TemplateError {
                column: Self::MAX_LENGTH + 1,
                fault: TemplateFault::TooLong,
            });
        }
        let mut parser = Parser { text, position: 0, segments: Vec::new(), variables: Vec::new() };
        let verb = parser.template()?;
        Ok(Self {
            text: text.into(),
            segments: parser.segments.into(),
            variables: parser.variables.into(),
            verb,
        })
    }

    /// Returns the text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the segments, with those of variables in their places.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the variables in the order of the text.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Returns the verb, decoded and without its colon.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Variable {
    /// Returns the path of the field, such as `book.name`.
    pub fn field_path(&self) -> &str {
        &self.field_path
    }

    /// Returns the range of the variable in [`Template::segments`].
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// Reports whether the variable has a `**` or more than one segment. Its value then keeps some
    /// escapes: see [`MultiSegmentDecoding`](super::MultiSegmentDecoding).
    pub fn is_multi(&self) -> bool {
        self.is_multi
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl<'a> Parser<'a> {
    /// Parses the template and returns the verb.
    fn template(&mut self) -> Result<Option<Box<str>>, TemplateError> {
        if self.peek() != Some('/') {
            return Err(self.error(TemplateFault::NoSlash));
        }
        self.position += 1;
        if self.peek().is_none() {
            return Ok(None);
        }
        loop {
            if self.peek() == Some('{') {
                self.variable()?;
            } else {
                self.segment()?;
            }
            match self.peek() {
                None => return Ok(None),
                Some('/') => self.position += 1,
                Some(':') => return self.verb().map(Some),
                Some('*') => return Err(self.error(TemplateFault::WildcardInSegment)),
                Some('}') => return Err(self.error(TemplateFault::InvalidCharacter('}'))),
                Some(_) => return Err(self.error(TemplateFault::TextAtVariable)),
            }
        }
    }

    fn variable(&mut self) -> Result<(), TemplateError> {
        let column = self.position;
        self.position += 1;
        let field_path = self.field_path()?;
        self.check_unbound(column, field_path)?;
        let start = self.segments.len();
        match self.peek() {
            Some('}') => self.push(Segment::Single, column)?,
            Some('=') => {
                self.position += 1;
                self.variable_segments(column)?;
            }
            Some(':') => return Err(self.error(TemplateFault::ColonInVariable)),
            Some(_) => return Err(self.error(TemplateFault::InvalidFieldPath)),
            None => return Err(Self::error_at(column, TemplateFault::UnterminatedVariable)),
        }
        self.position += 1;
        let end = self.segments.len();
        let is_multi = end - start > 1 || self.segments[start..].contains(&Segment::Multi);
        self.variables.push(Variable { field_path: field_path.into(), start, end, is_multi });
        Ok(())
    }

    /// Parses the segments of a variable up to its closing brace.
    fn variable_segments(&mut self, column: usize) -> Result<(), TemplateError> {
        loop {
            if self.peek() == Some('{') {
                return Err(self.error(TemplateFault::NestedVariable));
            }
            self.segment()?;
            match self.peek() {
                Some('/') => self.position += 1,
                Some('}') => return Ok(()),
                Some(':') => return Err(self.error(TemplateFault::ColonInVariable)),
                Some('*') => return Err(self.error(TemplateFault::WildcardInSegment)),
                Some('{') => return Err(self.error(TemplateFault::NestedVariable)),
                Some(character) => {
                    return Err(self.error(TemplateFault::InvalidCharacter(character)));
                }
                None => return Err(Self::error_at(column, TemplateFault::UnterminatedVariable)),
            }
        }
    }

    fn field_path(&mut self) -> Result<&'a str, TemplateError> {
        let start = self.position;
        loop {
            if !self.peek().is_some_and(|first| first.is_ascii_alphabetic() || first == '_') {
                return Err(self.error(TemplateFault::InvalidFieldPath));
            }
            while self.peek().is_some_and(|next| next.is_ascii_alphanumeric() || next == '_') {
                self.position += 1;
            }
            if self.peek() != Some('.') {
                return Ok(&self.text[start..self.position]);
            }
            self.position += 1;
        }
    }

    /// Refuses a field that an earlier variable binds, as well as a part of such a field.
    fn check_unbound(&self, column: usize, field_path: &str) -> Result<(), TemplateError> {
        let contains = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_bound = self.variables.iter().any(|variable| {
            contains(&variable.field_path, field_path) || contains(field_path, &variable.field_path)
        });
        if is_bound {
            return Err(Self::error_at(column, TemplateFault::RepeatedVariable));
        }
        Ok(())
    }

    /// Parses a wildcard or a literal.
    fn segment(&mut self) -> Result<(), TemplateError> {
        let column = self.position;
        let rest = &self.text[column..];
        if rest.starts_with("**") {
            if self.segments.contains(&Segment::Multi) {
                return Err(self.error(TemplateFault::SecondMulti));
            }
            self.position += 2;
            self.push(Segment::Multi, column)?;
        } else if rest.starts_with('*') {
            self.position += 1;
            self.push(Segment::Single, column)?;
        } else {
            let literal = self.literal(false)?;
            if literal.is_empty() {
                return Err(self.error(match self.peek() {
                    None | Some('/' | ':' | '}') => TemplateFault::EmptySegment,
                    Some(character) => TemplateFault::InvalidCharacter(character),
                }));
            }
            let decoded = percent::decode(literal)
                .map_err(|_| Self::error_at(column, TemplateFault::InvalidEscape))?;
            return self.push(Segment::Literal(decoded.into()), column);
        }
        match self.peek() {
            None | Some('/' | ':' | '}') => Ok(()),
            Some(_) => Err(self.error(TemplateFault::WildcardInSegment)),
        }
    }

    fn verb(&mut self) -> Result<Box<str>, TemplateError> {
        let colon = self.position;
        self.position += 1;
        let verb = self.literal(true)?;
        match self.peek() {
            None if verb.is_empty() => Err(Self::error_at(colon, TemplateFault::EmptyVerb)),
            None => match percent::decode(verb) {
                Ok(verb) => Ok(verb.into()),
                Err(_) => Err(Self::error_at(colon + 1, TemplateFault::InvalidEscape)),
            },
            Some('/') => Err(Self::error_at(colon, TemplateFault::VerbInside)),
            Some(character) => Err(self.error(TemplateFault::InvalidCharacter(character))),
        }
    }

    /// Takes the characters of a literal, and colons for a verb.
    fn literal(&mut self, is_verb: bool) -> Result<&'a str, TemplateError> {
        let start = self.position;
        while let Some(next) = self.peek() {
            match next {
                '%' if percent::escape(&self.text.as_bytes()[self.position..]).is_none() => {
                    return Err(self.error(TemplateFault::InvalidEscape));
                }
                '%' => self.position += 3,
                ':' if is_verb => self.position += 1,
                '/' | ':' | '*' | '{' | '}' => break,
                _ if next.is_ascii_alphanumeric() || "-._~!$&'()+,;=@".contains(next) => {
                    self.position += 1;
                }
                _ => return Err(self.error(TemplateFault::InvalidCharacter(next))),
            }
        }
        Ok(&self.text[start..self.position])
    }

    fn push(&mut self, segment: Segment, column: usize) -> Result<(), TemplateError> {
        if self.segments.len() == Template::MAX_SEGMENTS {
            return Err(Self::error_at(column, TemplateFault::TooManySegments));
        }
        self.segments.push(segment);
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn error(&self, fault: TemplateFault) -> TemplateError {
        Self::error_at(self.position, fault)
    }

    fn error_at(position: usize, fault: TemplateFault) -> TemplateError {
        TemplateError { column: position + 1, fault }
    }
}
