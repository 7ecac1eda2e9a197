use super::error::{Problem, Result, TranscodeError};
use super::json::JsonReader;
use super::options::ParseOptions;
use super::path::FieldPath;
use super::tables::{Shape, Tables};
use crate::descriptor::{Cardinality, MessageId};
use crate::protobuf::{WireType, close_len, open_len, put_bytes, put_tag};

/// Returns the paths of the fields that a JSON text sets, sorted, in their proto names: the field
/// mask of a `PATCH` whose body is a message of this type.
///
/// Paths lead into messages, `google.protobuf.Struct` and objects of `google.protobuf.Value`, but
/// not into lists, maps and `Any`. An empty object is a path itself, and so is `null`.
///
/// # Errors
/// A [`TranscodeError`] if the text is not JSON, has unknown fields that
/// [`ParseOptions::ignore_unknown`] does not allow, or is nested too deep; [`Problem::TooLarge`] if
/// the paths have more than [`ParseOptions::max_output`] bytes together. Values are not checked.
///
/// # Panics
/// If the id is of other tables that have more messages.
pub fn mask_of_body(
    tables: &Tables,
    id: MessageId,
    json: &[u8],
    options: &ParseOptions,
) -> Result<Vec<String>> {
    let mut mask =
        MaskReader { tables, options, json: JsonReader::new(json)?, paths: Vec::new(), size: 0 };
    if tables.message(id).shape == Shape::Object {
        mask.message(id, &mut String::new(), 0)?;
    } else {
        mask.skip(0)?;
    }
    mask.json.end()?;
    mask.paths.sort_unstable();
    mask.paths.dedup();
    Ok(mask.paths)
}

/// Appends a message in which the field at `path`, a `google.protobuf.FieldMask`, has these paths.
///
/// # Panics
/// If the path is of other tables.
pub fn put_mask(tables: &Tables, path: &FieldPath, paths: &[String], out: &mut Vec<u8>) {
    const PATHS: u32 = 1;

    let opened = path.open(tables, out);
    path.field(tables).put_tag(out);
    let start = open_len(out);
    for path in paths {
        put_tag(out, PATHS, WireType::Len);
        put_bytes(out, path.as_bytes());
    }
    close_len(out, start);
    path.close(tables, opened, out);
}

struct MaskReader<'a> {
    tables: &'a Tables,
    options: &'a ParseOptions,
    json: JsonReader<'a>,
    paths: Vec<String>,
    /// The bytes of all paths.
    size: usize,
}

impl MaskReader<'_> {
    fn skip(&mut self, depth: u32) -> Result<()> {
        let limit = self.options.max_depth;
        self.json.skip(limit.saturating_sub(depth), limit)
    }

    fn enter(&mut self, depth: u32) -> Result<()> {
        let limit = self.options.max_depth;
        if depth >= limit {
            return Err(TranscodeError::new(Problem::TooDeep { limit }, self.json.offset()));
        }
        self.json.begin_object("an object")
    }

    fn push(&mut self, path: &str) -> Result<()> {
        let limit = self.options.max_output;
        self.size += path.len();
        if self.size > limit {
            return Err(TranscodeError::new(Problem::TooLarge { limit }, self.json.offset()));
        }
        if !path.is_empty() {
            self.paths.push(path.to_owned());
        }
        Ok(())
    }

    fn message(&mut self, id: MessageId, path: &mut String, depth: u32) -> Result<()> {
        self.enter(depth)?;
        let table = self.tables.message(id);
        let mut first = true;
        loop {
            let start = self.json.offset();
            let Some(key) = self.json.key(&mut first)? else { break };
            let Some(place) = table.by_name(&key) else {
                if self.options.ignore_unknown {
                    self.skip(depth + 1)?;
                    continue;
                }
                let error = TranscodeError::new(Problem::UnknownField, start);
                return Err(error.in_field(&key));
            };
            let field = &table.fields[place];
            let length = extend(path, &field.name);
            let singular = field.cardinality == Cardinality::Singular;
            let inner = field.message().filter(|_| singular && self.json.peek() == b'{');
            match inner.map(|id| (id, self.tables.message(id).shape)) {
                Some((id, Shape::Object)) => self.message(id, path, depth + 1)?,
                Some((_, Shape::Struct | Shape::Value)) => self.structure(path, depth + 1)?,
                _ => {
                    self.skip(depth + 1)?;
                    self.push(path)?;
                }
            }
            path.truncate(length);
        }
        let is_empty = first;
        if is_empty { self.push(path) } else { Ok(()) }
    }

    fn structure(&mut self, path: &mut String, depth: u32) -> Result<()> {
        self.enter(depth)?;
        let mut first = true;
        while let Some(key) = self.json.key(&mut first)? {
            let length = extend(path, &key);
            if self.json.peek() == b'{' {
                self.structure(path, depth + 1)?;
            } else {
                self.skip(depth + 1)?;
                self.push(path)?;
            }
            path.truncate(length);
        }
        let is_empty = first;
        if is_empty { self.push(path) } else { Ok(()) }
    }
}

/// Appends a name to a path, and returns the length before it.
fn extend(path: &mut String, name: &str) -> usize {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(name);
    length
}

/// The proto form of a path in JSON; `None` if it has underscores.
pub(super) fn snake_case(path: &str) -> Option<String> {
    if path.contains('_') {
        return None;
    }
    let mut snake = String::with_capacity(path.len() + 4);
    for char in path.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    Some(snake)
}

/// The JSON form of a path; `None` if that would not lead back to it.
pub(super) fn camel_case(path: &str) -> Option<String> {
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for char in path.chars() {
        match char {
            '_' if upper => return None,
            '_' => upper = true,
            'a'..='z' if upper => {
                camel.push(char.to_ascii_uppercase());
                upper = false;
            }
            _ if upper || char.is_ascii_uppercase() => return None,
            char => camel.push(char),
        }
    }
    if upper { None } else { Some(camel) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form_in_json() {
        assert_eq!(snake_case("user.displayName").unwrap(), "user.display_name");
        assert_eq!(snake_case("display_name"), None);
        assert_eq!(camel_case("user.display_name").unwrap(), "user.displayName");
        for path in ["displayName", "a__b", "a_3", "a_", "a_.b"] {
            assert_eq!(camel_case(path), None, "{path}");
        }
    }
}
