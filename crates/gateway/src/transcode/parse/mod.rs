mod field_set;
mod map;
mod scalar;
mod well_known;

use super::encode::{close_message, open_message, put_group_end, put_scalar};
use super::error::{Problem, Result, TranscodeError};
use super::json::JsonReader;
use super::options::ParseOptions;
use super::path::FieldPath;
use super::tables::{FieldTable, MessageTable, Shape, Tables};
use crate::descriptor::{Cardinality, Kind, MessageId};
use crate::protobuf::{close_len, open_len};
use field_set::FieldSet;
use map::Key;

/// Appends the message that `json` describes, in protobuf's binary format.
///
/// Fields are written in the order of the text. Zero values of fields without presence are not
/// written.
///
/// # Errors
/// A [`TranscodeError`] that names the field and the place; `out` is then as before.
///
/// # Panics
/// If the id is of other tables that have more messages.
pub fn json_to_wire(
    tables: &Tables,
    id: MessageId,
    json: &[u8],
    out: &mut Vec<u8>,
    options: &ParseOptions,
) -> Result<()> {
    write(tables, json, out, options, |parser| parser.message(id, 0))
}

/// Appends a message in which one field has the value that `json` describes: the body of an HTTP
/// rule with `body: "field"`. Lists, maps and scalars are values, too.
///
/// # Errors
/// A [`TranscodeError`] that names the field and the place; `out` is then as before.
///
/// # Panics
/// If the path is of other tables.
pub fn body_to_wire(
    tables: &Tables,
    path: &FieldPath,
    json: &[u8],
    out: &mut Vec<u8>,
    options: &ParseOptions,
) -> Result<()> {
    write(tables, json, out, options, |parser| {
        let opened = path.open(tables, parser.out);
        let field = path.field(tables);
        let begin = parser.out.len();
        let is_null = parser.json.peek() == b'n';
        parser.field(field, 0).map_err(|error| error.in_field(&field.json_name))?;
        if is_null && parser.out.len() == begin {
            // Nothing is set, and no message around it either.
            parser.out.truncate(parser.base);
        } else {
            path.close(tables, opened, parser.out);
        }
        Ok(())
    })
}

fn write<'t>(
    tables: &'t Tables,
    json: &[u8],
    out: &mut Vec<u8>,
    options: &'t ParseOptions,
    write: impl FnOnce(&mut Parser<'_, 't, '_>) -> Result<()>,
) -> Result<()> {
    let base = out.len();
    let mut parser = Parser {
        json: JsonReader::new(json)?,
        tables,
        options,
        base,
        out,
        keys: Vec::new(),
        searched: 0,
    };
    let result =
        write(&mut parser).and_then(|()| parser.json.end()).and_then(|()| parser.check_size());
    if result.is_err() {
        out.truncate(base);
    }
    result
}

/// Writes a message while it reads the JSON of it.
pub(super) struct Parser<'j, 't, 'o> {
    json: JsonReader<'j>,
    tables: &'t Tables,
    options: &'t ParseOptions,
    out: &'o mut Vec<u8>,
    /// The length of the output before this message.
    base: usize,
    /// The keys of the maps that are open.
    keys: Vec<Key>,
    /// The bytes that were read in search of `@type`.
    searched: usize,
}

const OBJECT: &str = "an object";

impl<'t> Parser<'_, 't, '_> {
    fn check_size(&self) -> Result<()> {
        let limit = self.options.max_output;
        if self.out.len() - self.base > limit {
            return Err(TranscodeError::new(Problem::TooLarge { limit }, self.json.offset()));
        }
        Ok(())
    }

    /// Checks the limits before an object or an array at `depth`.
    #[inline]
    fn enter(&mut self, depth: u32) -> Result<()> {
        let limit = self.options.max_depth;
        if depth >= limit {
            return Err(TranscodeError::new(Problem::TooDeep { limit }, self.json.offset()));
        }
        self.check_size()
    }

    /// Reads a value of any type that is ignored.
    fn skip(&mut self, depth: u32) -> Result<()> {
        let limit = self.options.max_depth;
        self.json.skip(limit.saturating_sub(depth), limit)
    }

    /// Reads a message in the form that its type has in JSON, and writes its fields.
    fn message(&mut self, id: MessageId, depth: u32) -> Result<()> {
        let table = self.tables.message(id);
        match table.shape {
            Shape::Object => {
                self.enter(depth)?;
                self.json.begin_object(OBJECT)?;
                self.members(table, depth, false)
            }
            Shape::Wrapper => self.value(&table.fields[0], depth, false).map(drop),
            Shape::Any => self.any(depth),
            Shape::Timestamp | Shape::Duration => self.time(table.shape),
            Shape::FieldMask => self.field_mask(),
            Shape::Struct => self.structure(depth),
            Shape::Value => self.any_json(depth),
            Shape::ListValue => self.list_value(depth),
        }
    }

    /// Reads the members of an object to its end. Within an `Any`, `@type` is skipped.
    fn members(&mut self, table: &'t MessageTable, depth: u32, in_any: bool) -> Result<()> {
        let mut set = FieldSet::new(table.fields.len() + table.oneofs);
        let mut first = true;
        let mut expected = 0;
        let mut typed = false;
        while self.json.member(&mut first)? {
            let start = self.json.offset();
            let place = match table.fields.get(expected) {
                // Most texts have the fields in order, and no blanks before colons.
                Some(field) if !in_any && self.json.take_key(&field.json_key) => expected,
                _ => {
                    let key = self.json.member_key()?;
                    if in_any && key == "@type" {
                        if std::mem::replace(&mut typed, true) {
                            let error = TranscodeError::new(Problem::DuplicateField, start);
                            return Err(error.in_field("@type"));
                        }
                        self.skip(depth)?;
                        continue;
                    }
                    match table.by_name(&key) {
                        Some(place) => place,
                        None if self.options.ignore_unknown => {
                            self.skip(depth + 1)?;
                            continue;
                        }
                        None => {
                            let error = TranscodeError::new(Problem::UnknownField, start);
                            return Err(error.in_field(&key));
                        }
                    }
                }
            };
            expected = place + 1;
            let field = &table.fields[place];
            self.member(table, field, place, &mut set, start, depth)
                .map_err(|error| error.in_field(&field.json_name))?;
        }
        Ok(())
    }

    /// Reads the value of a member and checks that nothing contradicts it.
    #[inline]
    fn member(
        &mut self,
        table: &MessageTable,
        field: &'t FieldTable,
        place: usize,
        set: &mut FieldSet,
        start: usize,
        depth: u32,
    ) -> Result<()> {
        if set.insert(place) {
            return Err(TranscodeError::new(Problem::DuplicateField, start));
        }
        if let Some(oneof) = field.oneof {
            let is_null = self.json.peek() == b'n' && !field.takes_null;
            if !is_null && set.insert(table.fields.len() + usize::from(oneof)) {
                return Err(TranscodeError::new(Problem::OneofConflict, start));
            }
        }
        self.field(field, depth)
    }

    /// Reads the value of a field of a message at `depth`, and writes it with its tag.
    #[inline]
    fn field(&mut self, field: &'t FieldTable, depth: u32) -> Result<()> {
        let singular = field.cardinality == Cardinality::Singular;
        if self.json.peek() == b'n' && !(singular && field.takes_null) {
            return self.json.null();
        }
        match field.cardinality {
            Cardinality::Singular => self.value(field, depth, field.presence).map(drop),
            Cardinality::Repeated => self.list(field, depth),
            Cardinality::Map => self.map(field, depth),
        }
    }

    /// Reads one value and writes it with its tag, unless it is zero and not `explicit`. Returns
    /// false if it is the name of an enum value that is ignored.
    #[inline]
    fn value(&mut self, field: &'t FieldTable, depth: u32, explicit: bool) -> Result<bool> {
        let explicit = explicit || self.options.write_zeros;
        match field.kind {
            Kind::Message(id) => {
                let start = open_message(self.out, field);
                self.message(id, depth + 1)?;
                close_message(self.out, field, start);
            }
            Kind::Group(id) => {
                field.put_tag(self.out);
                self.message(id, depth + 1)?;
                put_group_end(self.out, field.number);
            }
            Kind::String => self.string(field, explicit)?,
            Kind::Bytes => self.bytes(field, explicit)?,
            kind => {
                let Some(value) = self.scalar(kind)? else { return Ok(false) };
                if explicit || value != 0 {
                    field.put_tag(self.out);
                    put_scalar(self.out, field.wire_type, value);
                }
            }
        }
        Ok(true)
    }

    fn list(&mut self, field: &'t FieldTable, depth: u32) -> Result<()> {
        self.json.begin_array("an array")?;
        let begin = self.out.len();
        let mut packed = 0;
        if field.packed {
            field.put_tag(self.out);
            packed = open_len(self.out);
        }
        let mut first = true;
        let mut index = 0;
        while self.json.element(&mut first)? {
            self.list_element(field, depth).map_err(|error| error.in_element(index))?;
            index += 1;
        }
        if field.packed {
            if self.out.len() == packed {
                self.out.truncate(begin);
            } else {
                close_len(self.out, packed);
            }
        }
        Ok(())
    }

    #[inline]
    fn list_element(&mut self, field: &'t FieldTable, depth: u32) -> Result<()> {
        if self.json.peek() == b'n' && !field.takes_null {
            return Err(self.json.other_type("an element other than null"));
        }
        if !field.packed {
            return self.value(field, depth, true).map(drop);
        }
        if let Some(value) = self.scalar(field.kind)? {
            put_scalar(self.out, field.wire_type, value);
        }
        Ok(())
    }
}
