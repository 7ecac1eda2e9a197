use super::encode::{close_message, has_length, open_message, put_group_end, put_scalar};
use super::entries::{Entry, Packed, collect, enum_number, is_zero, merged, run};
use super::error::{Problem, Result, TranscodeError};
use super::tables::{FieldTable, MessageTable, Tables};
use super::text::utf8;
use crate::descriptor::{Cardinality, Kind, MessageId};
use crate::protobuf::{Span, WireType, close_len, open_len, put_bytes, put_tag, put_varint};

/// Appends a message in protobuf's binary format as an encoder would write it: fields by number,
/// singular fields once, lists packed or not as they are declared, and unknown fields at the end.
///
/// A message that it accepts is one that [`wire_to_json`](super::wire_to_json) can read.
///
/// # Errors
/// A [`TranscodeError`] with the offset if `wire` is malformed, has a string that must be UTF-8 and
/// is not, or is nested more than 100 deep; `out` is then as before.
///
/// # Panics
/// If the id is of other tables that have more messages.
pub fn rewrite_wire(tables: &Tables, id: MessageId, wire: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let base = out.len();
    let mut rewriter = Rewriter { tables, out, entries: Vec::new() };
    let result = rewriter.message(wire, Span::of(wire), id, 0);
    if result.is_err() {
        out.truncate(base);
    }
    result
}

/// Checks a message that nobody reads, within a message at this depth, as [`rewrite_wire`] does.
///
/// # Errors
/// As [`rewrite_wire`].
pub(super) fn check_wire(
    tables: &Tables,
    id: MessageId,
    wire: &[u8],
    span: Span,
    depth: u32,
) -> Result<()> {
    let mut discarded = Vec::new();
    Rewriter { tables, out: &mut discarded, entries: Vec::new() }.message(wire, span, id, depth)
}

/// Checks the values of a message at `depth` that later ones replace, which [`collect`] returns.
///
/// # Errors
/// As [`rewrite_wire`].
#[cold]
pub(super) fn check_replaced(
    tables: &Tables,
    table: &MessageTable,
    wire: &[u8],
    replaced: &[Entry],
    depth: u32,
) -> Result<()> {
    for entry in replaced {
        let field = &table.fields[usize::from(entry.field)];
        let span = entry.span();
        let checked = match field.kind {
            Kind::Message(id) | Kind::Group(id) => check_wire(tables, id, wire, span, depth + 1),
            Kind::String if field.utf8 => utf8(span.bytes(wire), span.start).map(drop),
            _ => Ok(()),
        };
        checked.map_err(|error| error.in_field(&field.json_name))?;
    }
    Ok(())
}

const MAX_DEPTH: u32 = 100;

struct Rewriter<'t, 'o> {
    tables: &'t Tables,
    out: &'o mut Vec<u8>,
    entries: Vec<Entry>,
}

impl<'t> Rewriter<'t, '_> {
    fn message(&mut self, wire: &[u8], span: Span, id: MessageId, depth: u32) -> Result<()> {
        if depth >= MAX_DEPTH {
            let problem = Problem::TooDeep { limit: MAX_DEPTH };
            return Err(TranscodeError::new(problem, span.start));
        }
        let table = self.tables.message(id);
        let base = self.entries.len();
        let mut unknown = Vec::new();
        let entries = &mut self.entries;
        let replaced = collect(self.tables, table, wire, span, entries, Some(&mut unknown))?;
        if !replaced.is_empty() {
            check_replaced(self.tables, table, wire, &replaced, depth)?;
        }
        let end = self.entries.len();
        let mut at = base;
        // Numbers that closed enums do not have come after the known fields, too.
        let mut others = Vec::new();
        while let Some((place, stop)) = run(&self.entries[..end], at) {
            let field = &table.fields[place];
            self.field(wire, field, (at, stop), &mut others, depth)
                .map_err(|error| error.in_field(&field.json_name))?;
            at = stop;
        }
        self.entries.truncate(base);
        self.out.extend_from_slice(&others);
        for span in unknown {
            self.out.extend_from_slice(span.bytes(wire));
        }
        Ok(())
    }

    fn field(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        (at, stop): (usize, usize),
        others: &mut Vec<u8>,
        depth: u32,
    ) -> Result<()> {
        if field.cardinality == Cardinality::Singular {
            if let (Some(id), true) = (field.message(), stop - at > 1) {
                let whole = merged(wire, &self.entries[at..stop])?;
                return self.inner(&whole, Span::of(&whole), field, id, depth);
            }
            let last = self.entries[stop - 1];
            if field.presence || !is_zero(last) {
                self.value(wire, field, last.value, depth)?;
            }
            return Ok(());
        }
        if has_length(field.kind) || field.message().is_some() {
            for place in at..stop {
                let value = self.entries[place].value;
                self.value(wire, field, value, depth)?;
            }
            return Ok(());
        }
        let begin = self.out.len();
        let mut start = 0;
        if field.packed {
            field.put_tag(self.out);
            start = open_len(self.out);
        }
        for place in at..stop {
            let entry = self.entries[place];
            if entry.wire_type != WireType::Len {
                self.element(field, entry.value, others);
                continue;
            }
            let mut elements = Packed::new(wire, entry.span(), field.kind)?;
            while let Some(value) = elements.next()? {
                self.element(field, value, others);
            }
        }
        if field.packed {
            if self.out.len() == start {
                self.out.truncate(begin);
            } else {
                close_len(self.out, start);
            }
        }
        Ok(())
    }

    /// Writes an element of a list of scalars.
    fn element(&mut self, field: &FieldTable, value: u64, others: &mut Vec<u8>) {
        if let Kind::Enum(id) = field.kind
            && !self.tables.enumeration(id).admits(enum_number(value))
        {
            put_tag(others, field.number, WireType::Varint);
            put_varint(others, value);
            return;
        }
        if !field.packed {
            field.put_tag(self.out);
        }
        put_scalar(self.out, field.wire_type, value);
    }

    fn value(&mut self, wire: &[u8], field: &'t FieldTable, value: u64, depth: u32) -> Result<()> {
        let span = Span::unpack(value);
        match field.kind {
            Kind::Message(id) | Kind::Group(id) => {
                return self.inner(wire, span, field, id, depth);
            }
            Kind::String | Kind::Bytes => {
                let bytes = span.bytes(wire);
                if field.kind == Kind::String && field.utf8 {
                    utf8(bytes, span.start)?;
                }
                field.put_tag(self.out);
                put_bytes(self.out, bytes);
            }
            _ => {
                put_tag(self.out, field.number, field.wire_type);
                put_scalar(self.out, field.wire_type, value);
            }
        }
        Ok(())
    }

    /// Writes a message within a message.
    fn inner(
        &mut self,
        wire: &[u8],
        span: Span,
        field: &FieldTable,
        id: MessageId,
        depth: u32,
    ) -> Result<()> {
        if let Kind::Group(_) = field.kind {
            field.put_tag(self.out);
            self.message(wire, span, id, depth + 1)?;
            put_group_end(self.out, field.number);
        } else {
            let start = open_message(self.out, field);
            self.message(wire, span, id, depth + 1)?;
            close_message(self.out, field, start);
        }
        Ok(())
    }
}
