use super::super::entries::Entry;
use super::super::error::{Problem, Result, TranscodeError};
use super::super::mask::camel_case;
use super::super::options::UnknownAny;
use super::super::tables::{MessageTable, Shape};
use super::super::text::{put_json_string, utf8};
use super::super::time;
use super::Printer;
use super::scalar::put_double;
use crate::protobuf::Span;

impl<'t> Printer<'t, '_> {
    /// Prints a `Timestamp` or a `Duration`.
    pub(super) fn time(
        &mut self,
        wire: &[u8],
        span: Span,
        table: &MessageTable,
        depth: u32,
    ) -> Result<()> {
        let base = self.collect(wire, span, table, depth)?;
        let (mut seconds, mut nanos) = (0, 0);
        for entry in &self.entries[base..] {
            match entry.field {
                0 => seconds = entry.value,
                _ => nanos = entry.value,
            }
        }
        self.entries.truncate(base);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "an int64 and an int32 on the wire"
        )]
        let time = (seconds as i64, nanos as i32);
        self.out.push(b'"');
        let (printed, expected) = match table.shape {
            Shape::Timestamp => {
                (time::put_timestamp(time, self.out), "a time from the year 1 to 9999")
            }
            _ => (time::put_duration(time, self.out), "a duration of at most 10000 years"),
        };
        self.out.push(b'"');
        if printed { Ok(()) } else { Err(TranscodeError::no_json_form(expected)) }
    }

    /// Prints a message of one of the other well-known types.
    pub(super) fn well_known(
        &mut self,
        wire: &[u8],
        span: Span,
        table: &'t MessageTable,
        depth: u32,
    ) -> Result<()> {
        let base = self.collect(wire, span, table, depth)?;
        let end = self.entries.len();
        let field = &table.fields[0];
        match table.shape {
            Shape::FieldMask => self.field_mask(wire, base, end)?,
            Shape::Struct => drop(self.map(wire, field, base, end, depth)?),
            Shape::ListValue => drop(self.list(wire, field, base, end, depth)?),
            Shape::Wrapper if base == end => self.default(field),
            Shape::Wrapper => self.singular(wire, field, base, end, depth)?,
            _ => self.any_json(wire, table, base, end, depth)?,
        }
        self.entries.truncate(base);
        Ok(())
    }

    fn field_mask(&mut self, wire: &[u8], at: usize, stop: usize) -> Result<()> {
        self.out.push(b'"');
        for place in at..stop {
            let span = self.entries[place].span();
            let path = camel_case(utf8(span.bytes(wire), span.start)?)
                .ok_or_else(|| TranscodeError::no_json_form("field paths in lower_snake_case"))?;
            if place > at {
                self.out.push(b',');
            }
            // A path has no character that JSON escapes, unless it is none.
            let before = self.out.len();
            put_json_string(&path, self.out);
            self.out.pop();
            self.out.remove(before);
        }
        self.out.push(b'"');
        Ok(())
    }

    /// Prints a `google.protobuf.Value`. One without a value is `null`.
    fn any_json(
        &mut self,
        wire: &[u8],
        table: &'t MessageTable,
        at: usize,
        stop: usize,
        depth: u32,
    ) -> Result<()> {
        const NUMBER: u32 = 2;

        // The member of the oneof that is set has the only entries.
        let Some(&Entry { field, value, .. }) = self.entries[at..stop].last() else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        let field = &table.fields[usize::from(field)];
        if field.number == NUMBER {
            let number = f64::from_bits(value);
            if !number.is_finite() {
                return Err(TranscodeError::no_json_form("a finite number"));
            }
            put_double(self.out, number);
            return Ok(());
        }
        // The value and what it holds are one level in JSON.
        self.singular(wire, field, at, stop, depth.saturating_sub(1))
    }

    /// Prints an `Any` by the type that it names.
    pub(super) fn any(
        &mut self,
        wire: &[u8],
        span: Span,
        table: &'t MessageTable,
        depth: u32,
    ) -> Result<()> {
        let base = self.collect(wire, span, table, depth)?;
        let (mut url, mut value) = (Span { start: 0, end: 0 }, Span { start: 0, end: 0 });
        for entry in &self.entries[base..] {
            match entry.field {
                0 => url = entry.span(),
                _ => value = entry.span(),
            }
        }
        self.entries.truncate(base);
        let text = utf8(url.bytes(wire), url.start)?;
        self.open(b'{');
        let mut first = true;
        if text.is_empty() && value.start == value.end {
            self.close(b'}', true);
            return Ok(());
        }
        self.next(&mut first);
        self.any_key("@type");
        put_json_string(text, self.out);
        let known = text.rsplit_once('/').and_then(|(_, name)| self.tables.find_message(name));
        match known {
            Some(id) if self.tables.message(id).shape == Shape::Object => {
                self.enter(depth)?;
                self.members(wire, value, self.tables.message(id), depth, &mut first)?;
            }
            Some(id) => {
                self.next(&mut first);
                self.any_key("value");
                self.message(wire, value, id, depth + 1)
                    .map_err(|error| error.in_field("value"))?;
            }
            None if self.options.unknown_any == UnknownAny::Base64 => {
                self.next(&mut first);
                self.any_key("value");
                self.bytes(value.bytes(wire));
            }
            None => {
                let error = TranscodeError::new(Problem::UnknownType, url.start);
                return Err(error.in_field("@type"));
            }
        }
        self.close(b'}', first);
        Ok(())
    }

    fn any_key(&mut self, key: &str) {
        put_json_string(key, self.out);
        self.out.push(b':');
        if self.options.pretty {
            self.out.push(b' ');
        }
    }
}
