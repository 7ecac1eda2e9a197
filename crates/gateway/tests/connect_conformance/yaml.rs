//! A reader of the subset of YAML in which the suites are written: block mappings and sequences,
//! flow collections on one line, and plain and quoted scalars on one line. Everything else is an
//! error.

use serde_json::{Map, Value};

/// Parses a document.
///
/// # Errors
/// The line, and what is wrong there.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = without_comment(line).trim_end();
        let text = content.trim_start_matches(' ');
        if !text.is_empty() {
            let indent = content.len() - text.len();
            lines.push(Line { number: index + 1, indent, text: text.to_owned() });
        }
    }
    let mut reader = Reader { lines, next: 0 };
    let value = reader.block()?;
    match reader.line() {
        None => Ok(value),
        Some(line) => Err(line.error("the indentation fits no line above")),
    }
}

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    indent: usize,
    text: String,
}

impl Line {
    fn error(&self, problem: &str) -> String {
        format!("line {}: {problem}: {}", self.number, self.text)
    }

    fn is_item(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }
}

struct Reader {
    lines: Vec<Line>,
    next: usize,
}

impl Reader {
    fn line(&self) -> Option<&Line> {
        self.lines.get(self.next)
    }

    /// Reads the collection or scalar that begins at the current line.
    fn block(&mut self) -> Result<Value, String> {
        let Some(line) = self.line().cloned() else { return Ok(Value::Null) };
        if line.is_item() {
            return self.sequence(line.indent);
        }
        if key(&line)?.is_some() {
            return self.mapping(line.indent);
        }
        self.next += 1;
        value(&line, &line.text)
    }

    fn sequence(&mut self, indent: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        while let Some(line) = self.line().filter(|line| line.indent == indent && line.is_item()) {
            let item = line.text[1..].trim_start().to_owned();
            let offset = line.text.len() - item.len();
            if item.is_empty() {
                self.next += 1;
                items.push(self.nested(indent)?);
            } else {
                // The rest of the line is the first line of the item.
                let line = &mut self.lines[self.next];
                (line.indent, line.text) = (indent + offset, item);
                items.push(self.block()?);
            }
        }
        Ok(Value::Array(items))
    }

    fn mapping(&mut self, indent: usize) -> Result<Value, String> {
        let mut members = Map::new();
        while let Some(line) = self.line().filter(|line| line.indent == indent && !line.is_item()) {
            let line = line.clone();
            let (name, rest) = key(&line)?.ok_or_else(|| line.error("expected a key"))?;
            self.next += 1;
            let member = if rest.is_empty() { self.member(indent)? } else { value(&line, rest)? };
            if members.insert(name, member).is_some() {
                return Err(line.error("the key is there twice"));
            }
        }
        Ok(Value::Object(members))
    }

    /// Reads the value of a key that stands alone: a sequence may have the key's indentation.
    fn member(&mut self, indent: usize) -> Result<Value, String> {
        match self.line() {
            Some(line) if line.indent == indent && line.is_item() => self.sequence(indent),
            _ => self.nested(indent),
        }
    }

    fn nested(&mut self, indent: usize) -> Result<Value, String> {
        match self.line() {
            Some(line) if line.indent > indent => self.block(),
            _ => Ok(Value::Null),
        }
    }
}

/// Returns the part of a line before its comment.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before, mut is_escaped) = (None, ' ', false);
    for (index, character) in line.char_indices() {
        match (quote, character) {
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(open), _) if character == open && !is_escaped => quote = None,
            // A quote within a plain scalar is a character of it.
            (None, '"' | '\'') if matches!(before, ' ' | '[' | '{' | ',') => {
                quote = Some(character);
            }
            (None, '#') if before == ' ' => return &line[..index],
            _ => {}
        }
        (before, is_escaped) = (character, false);
    }
    line
}

/// Splits a line at the colon after its key. `None` if the line has no key.
fn key(line: &Line) -> Result<Option<(String, &str)>, String> {
    let text = line.text.as_str();
    let (name, rest) = match text.chars().next() {
        Some('"' | '\'') => quoted(line, text)?,
        Some('[' | '{') => return Ok(None),
        _ => {
            let colon = text.find(": ").or_else(|| text.ends_with(':').then(|| text.len() - 1));
            let Some(colon) = colon else { return Ok(None) };
            (text[..colon].to_owned(), &text[colon..])
        }
    };
    Ok(rest.strip_prefix(':').map(|rest| (name, rest.trim_start())))
}

fn value(line: &Line, text: &str) -> Result<Value, String> {
    let (value, rest) = match text.chars().next() {
        Some('[' | '{') => flow(line, text)?,
        Some('"' | '\'') => {
            let (text, rest) = quoted(line, text)?;
            (Value::String(text), rest)
        }
        Some('|' | '>' | '&' | '*' | '!' | '%' | '@' | '`') => {
            return Err(line.error("the reader does not know this form"));
        }
        _ => (plain(text), ""),
    };
    if rest.trim().is_empty() { Ok(value) } else { Err(line.error("text follows the value")) }
}

/// Reads a value within a flow collection.
fn flow<'t>(line: &Line, text: &'t str) -> Result<(Value, &'t str), String> {
    let text = text.trim_start();
    match text.chars().next() {
        Some('[') => {
            let mut items = Vec::new();
            let rest = members(line, &text[1..], ']', |rest| {
                let (item, rest) = flow(line, rest)?;
                items.push(item);
                Ok(rest)
            })?;
            Ok((Value::Array(items), rest))
        }
        Some('{') => {
            let mut fields = Map::new();
            let rest = members(line, &text[1..], '}', |rest| {
                let (name, rest) = flow(line, rest)?;
                let Value::String(name) = name else { return Err(line.error("expected a key")) };
                let rest = rest.trim_start().strip_prefix(':');
                let rest = rest.ok_or_else(|| line.error("expected a colon"))?;
                let (value, rest) = flow(line, rest)?;
                fields.insert(name, value);
                Ok(rest)
            })?;
            Ok((Value::Object(fields), rest))
        }
        Some('"' | '\'') => {
            let (text, rest) = quoted(line, text)?;
            Ok((Value::String(text), rest))
        }
        _ => {
            let is_end = |text: &str| text.starts_with([',', ']', '}']) || text.starts_with(": ");
            let end = text.char_indices().map(|(index, _)| index).find(|at| is_end(&text[*at..]));
            let end = end.ok_or_else(|| line.error("the collection does not end on its line"))?;
            Ok((plain(text[..end].trim_end()), &text[end..]))
        }
    }
}

/// Reads the members of a flow collection, and returns the text after it.
fn members<'t>(
    line: &Line,
    mut rest: &'t str,
    close: char,
    mut read: impl FnMut(&'t str) -> Result<&'t str, String>,
) -> Result<&'t str, String> {
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix(close) {
            return Ok(rest);
        }
        rest = read(rest)?.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else if !rest.starts_with(close) {
            return Err(line.error("expected a comma, or the end of the collection"));
        }
    }
}

/// Reads a quoted scalar, and returns the text after it.
fn quoted<'t>(line: &Line, text: &'t str) -> Result<(String, &'t str), String> {
    let mut characters = text.char_indices();
    let Some((_, quote)) = characters.next() else { return Err(line.error("expected a quote")) };
    let mut value = String::new();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped @ ('"' | '\\' | '/'))) => value.push(escaped),
                _ => return Err(line.error("the reader does not know this escape")),
            },
            _ if character == quote => return Ok((value, &text[index + 1..])),
            _ => value.push(character),
        }
    }
    Err(line.error("the quote does not end on its line"))
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
    }
}

#[test]
fn the_forms_of_the_suites_are_read() {
    let text = "name: A # comment\nlist:\n- {\"@type\": a.b/c, n: [1,\"x # y\"]}\n- k:\n    - -1\n  \
                m: \"\\na\\\"\" # end\n\nempty:\nflag: true\n";
    let expected = serde_json::json!({
        "name": "A",
        "list": [{"@type": "a.b/c", "n": [1, "x # y"]}, {"k": [-1], "m": "\na\""}],
        "empty": null,
        "flag": true,
    });
    assert_eq!(parse(text), Ok(expected));
    for wrong in ["a: |\n  b", "a: [1", "a: \"x", "a: 1\na: 2", "a: 1\n  b: 2", "a: [1] 2"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
