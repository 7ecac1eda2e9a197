mod map;
mod scalar;
mod well_known;

use std::borrow::Cow;

use super::encode::has_length;
use super::entries::{Entry, Packed, collect, is_zero, merged, run};
use super::error::{Problem, Result, TranscodeError};
use super::options::{PrintOptions, Unpopulated};
use super::path::FieldPath;
use super::rewrite::check_replaced;
use super::tables::{FieldTable, MessageTable, Shape, Tables};
use crate::descriptor::{Cardinality, Kind, MessageId};
use crate::protobuf::{Span, WireType};

/// Appends the JSON of a message in protobuf's binary format.
///
/// Fields are printed by number. Fields that the message type does not have are skipped.
///
/// # Errors
/// A [`TranscodeError`] if `wire` is malformed, with the offset, or if a value has no form in JSON,
/// such as a time in the year 10000, with the field; `out` is then as before.
///
/// # Panics
/// If the id is of other tables that have more messages.
pub fn wire_to_json(
    tables: &Tables,
    id: MessageId,
    wire: &[u8],
    out: &mut Vec<u8>,
    options: &PrintOptions,
) -> Result<()> {
    print(tables, out, options, |printer| printer.message(wire, Span::of(wire), id, 0))
}

/// Appends the JSON of one field of a message: the body of a response with
/// `response_body: "field"`. A field that is not set is printed as its default value; a well-known
/// type as `null`.
///
/// # Errors
/// As [`wire_to_json`].
///
/// # Panics
/// If the path is of other tables.
pub fn field_to_json(
    tables: &Tables,
    path: &FieldPath,
    wire: &[u8],
    out: &mut Vec<u8>,
    options: &PrintOptions,
) -> Result<()> {
    print(tables, out, options, |printer| {
        let (mut part, mut parents) = (Cow::Borrowed(wire), path.steps());
        while let Some((step, rest)) = parents.split_first() {
            let table = tables.message(step.message);
            let field = &table.fields[step.field];
            let base = printer.collect(&part, Span::of(&part), table, 0)?;
            let of_field = |entry: &&Entry| usize::from(entry.field) == step.field;
            let found: Vec<Entry> =
                printer.entries[base..].iter().filter(of_field).copied().collect();
            printer.entries.truncate(base);
            if rest.is_empty() {
                printer.entries.extend(found);
                let end = printer.entries.len();
                return printer
                    .whole_field(&part, field, base, end)
                    .map_err(|error| error.in_field(&field.json_name));
            }
            part = Cow::Owned(merged(&part, &found)?);
            parents = rest;
        }
        Ok(())
    })
}

fn print<'t>(
    tables: &'t Tables,
    out: &mut Vec<u8>,
    options: &'t PrintOptions,
    print: impl FnOnce(&mut Printer<'t, '_>) -> Result<()>,
) -> Result<()> {
    let base = out.len();
    let entries = Vec::with_capacity(USUAL_ENTRIES);
    let mut printer = Printer { tables, options, base, out, entries, indent: 0 };
    let result = print(&mut printer).and_then(|()| printer.check_size());
    if result.is_err() {
        out.truncate(base);
    }
    result
}

/// The room for values of open messages at first: enough for most messages.
const USUAL_ENTRIES: usize = 32;

/// Writes JSON while it walks a message.
pub(super) struct Printer<'t, 'o> {
    tables: &'t Tables,
    options: &'t PrintOptions,
    /// The length of the output before this message.
    base: usize,
    out: &'o mut Vec<u8>,
    /// The values of the messages that are open.
    entries: Vec<Entry>,
    /// The levels of objects and arrays that are open.
    indent: usize,
}

impl<'t> Printer<'t, '_> {
    fn check_size(&self) -> Result<()> {
        let limit = self.options.max_output;
        if self.out.len() - self.base > limit {
            return Err(TranscodeError::of_value(Problem::TooLarge { limit }));
        }
        Ok(())
    }

    #[inline]
    fn enter(&self, depth: u32) -> Result<()> {
        let limit = self.options.max_depth;
        if depth >= limit {
            return Err(TranscodeError::of_value(Problem::TooDeep { limit }));
        }
        self.check_size()
    }

    #[inline]
    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.indent += 1;
    }

    /// Begins a member or an element.
    #[inline]
    fn next(&mut self, first: &mut bool) {
        if !*first {
            self.out.push(b',');
        }
        *first = false;
        if self.options.pretty {
            self.new_line();
        }
    }

    #[inline]
    fn close(&mut self, bracket: u8, empty: bool) {
        self.indent -= 1;
        if self.options.pretty && !empty {
            self.new_line();
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self) {
        self.out.push(b'\n');
        self.out.extend(std::iter::repeat_n(b' ', self.indent * 2));
    }

    #[inline]
    fn key(&mut self, field: &FieldTable) {
        let names = if self.options.proto_names { &field.key } else { &field.json_key };
        names.put(self.out);
        if self.options.pretty {
            self.out.push(b' ');
        }
    }

    /// Prints a message in the form that its type has in JSON.
    fn message(&mut self, wire: &[u8], span: Span, id: MessageId, depth: u32) -> Result<()> {
        let table = self.tables.message(id);
        self.enter(depth)?;
        match table.shape {
            Shape::Object => {
                self.open(b'{');
                let mut first = true;
                self.members(wire, span, table, depth, &mut first)?;
                self.close(b'}', first);
                Ok(())
            }
            Shape::Any => self.any(wire, span, table, depth),
            Shape::Timestamp | Shape::Duration => self.time(wire, span, table, depth),
            _ => self.well_known(wire, span, table, depth),
        }
    }

    /// Reads a message at `depth`, and returns the place of its first entry.
    #[inline]
    fn collect(
        &mut self,
        wire: &[u8],
        span: Span,
        table: &MessageTable,
        depth: u32,
    ) -> Result<usize> {
        let base = self.entries.len();
        let replaced = collect(self.tables, table, wire, span, &mut self.entries, None)?;
        if !replaced.is_empty() {
            check_replaced(self.tables, table, wire, &replaced, depth)?;
        }
        Ok(base)
    }

    /// Prints the fields of a message as members of an object.
    fn members(
        &mut self,
        wire: &[u8],
        span: Span,
        table: &'t MessageTable,
        depth: u32,
        first: &mut bool,
    ) -> Result<()> {
        let base = self.collect(wire, span, table, depth)?;
        let end = self.entries.len();
        let all = self.options.unpopulated != Unpopulated::Omit;
        let (mut at, mut next) = (base, 0);
        while let Some((place, stop)) = run(&self.entries[..end], at) {
            if all {
                if next < place {
                    self.unset(&table.fields[next..place], first);
                }
                next = place + 1;
            }
            let field = &table.fields[place];
            let printed = self.member(wire, field, at, stop, depth, first);
            if !printed.map_err(|error| error.in_field(&field.json_name))? && all {
                self.unset(std::slice::from_ref(field), first);
            }
            at = stop;
        }
        if all {
            self.unset(&table.fields[next..], first);
        }
        self.entries.truncate(base);
        Ok(())
    }

    /// Prints fields that are not set, as the options ask.
    fn unset(&mut self, fields: &'t [FieldTable], first: &mut bool) {
        let nulls = self.options.unpopulated == Unpopulated::Nulls;
        for field in fields {
            let has_default = !field.presence && !field.extension;
            if has_default || (nulls && field.null_if_unset) {
                self.next(first);
                self.key(field);
                if has_default {
                    self.default(field);
                } else {
                    self.out.extend_from_slice(b"null");
                }
            }
        }
    }

    /// Prints the value of a field without presence that is not set.
    fn default(&mut self, field: &FieldTable) {
        match (field.cardinality, field.kind) {
            (Cardinality::Repeated, _) => self.out.extend_from_slice(b"[]"),
            (Cardinality::Map, _) => self.out.extend_from_slice(b"{}"),
            (_, Kind::String | Kind::Bytes) => self.out.extend_from_slice(b"\"\""),
            (_, kind) => self.scalar(kind, 0),
        }
    }

    /// Prints a field whose entries are those from `at` to `stop`. Returns false, with nothing
    /// printed, if their value is that of a field that is not set.
    #[inline]
    fn member(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        at: usize,
        stop: usize,
        depth: u32,
        first: &mut bool,
    ) -> Result<bool> {
        let (before, was_first) = (self.out.len(), *first);
        if field.cardinality == Cardinality::Singular {
            let last = self.entries[stop - 1];
            if !field.presence && is_zero(last) {
                return Ok(false);
            }
            self.next(first);
            self.key(field);
            self.singular(wire, field, at, stop, depth)?;
            return Ok(true);
        }
        self.next(first);
        self.key(field);
        let printed = match field.cardinality {
            Cardinality::Map => self.map(wire, field, at, stop, depth)?,
            _ => self.list(wire, field, at, stop, depth)?,
        };
        if !printed {
            self.out.truncate(before);
            *first = was_first;
        }
        Ok(printed)
    }

    /// Prints the value of a field that is set: the last one, or for messages all, merged.
    #[inline]
    fn singular(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        at: usize,
        stop: usize,
        depth: u32,
    ) -> Result<()> {
        if let (Some(id), true) = (field.message(), stop - at > 1) {
            let merged = merged(wire, &self.entries[at..stop])?;
            return self.message(&merged, Span::of(&merged), id, depth + 1);
        }
        let last = self.entries[stop - 1];
        self.value(wire, field, last.value, depth)
    }

    /// Prints a list; returns false if it is empty.
    fn list(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        at: usize,
        stop: usize,
        depth: u32,
    ) -> Result<bool> {
        let packable = !has_length(field.kind) && field.message().is_none();
        self.open(b'[');
        let mut first = true;
        for (index, place) in (at..stop).enumerate() {
            let entry = self.entries[place];
            if packable && entry.wire_type == WireType::Len {
                let mut elements = Packed::new(wire, entry.span(), field.kind)?;
                while let Some(value) = elements.next()? {
                    if self.admits(field.kind, value) {
                        self.next(&mut first);
                        self.scalar(field.kind, value);
                    }
                }
                self.check_size()?;
            } else {
                self.next(&mut first);
                self.value(wire, field, entry.value, depth)
                    .map_err(|error| error.in_element(index))?;
            }
        }
        self.close(b']', first);
        Ok(!first)
    }

    /// False for a number that a closed enum does not have.
    #[inline]
    fn admits(&self, kind: Kind, value: u64) -> bool {
        match kind {
            Kind::Enum(id) => {
                self.tables.enumeration(id).admits(super::entries::enum_number(value))
            }
            _ => true,
        }
    }

    /// Prints one value of a field of a message at `depth`.
    #[inline]
    fn value(&mut self, wire: &[u8], field: &FieldTable, value: u64, depth: u32) -> Result<()> {
        match field.kind {
            Kind::Message(id) | Kind::Group(id) => {
                self.message(wire, Span::unpack(value), id, depth + 1)
            }
            Kind::String => self.string(wire, Span::unpack(value)),
            Kind::Bytes => {
                self.bytes(Span::unpack(value).bytes(wire));
                Ok(())
            }
            kind => {
                self.scalar(kind, value);
                Ok(())
            }
        }
    }

    /// Prints the value of a field, set or not, without its name.
    fn whole_field(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        at: usize,
        stop: usize,
    ) -> Result<()> {
        match field.cardinality {
            Cardinality::Map => self.map(wire, field, at, stop, 0).map(drop),
            Cardinality::Repeated => self.list(wire, field, at, stop, 0).map(drop),
            Cardinality::Singular if at < stop => self.singular(wire, field, at, stop, 0),
            Cardinality::Singular => {
                match field.message() {
                    Some(id) if self.tables.message(id).shape == Shape::Object => {
                        return self.message(b"", Span::of(b""), id, 0);
                    }
                    Some(_) => self.out.extend_from_slice(b"null"),
                    None => self.default(field),
                }
                Ok(())
            }
        }
    }
}
