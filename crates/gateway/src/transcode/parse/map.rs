use super::super::encode::put_scalar;
use super::super::error::{Problem, Result, TranscodeError};
use super::super::names::hash;
use super::super::number;
use super::super::tables::FieldTable;
use super::Parser;
use crate::descriptor::Kind;
use crate::protobuf::{close_len, open_len, put_bytes, put_tag};

/// The key of a map entry that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    hash: usize,
    /// The range of the key in the output.
    start: usize,
    end: usize,
}

impl<'t> Parser<'_, 't, '_> {
    /// Reads an object whose keys are those of a map.
    pub(super) fn map(&mut self, field: &'t FieldTable, depth: u32) -> Result<()> {
        let Some(entry) = field.message() else { return Ok(()) };
        let [key_field, value_field] = &*self.tables.message(entry).fields else { return Ok(()) };
        self.json.begin_object("an object")?;
        let base = self.keys.len();
        let mut first = true;
        loop {
            let offset = self.json.offset();
            let Some(key) = self.json.key(&mut first)? else { break };
            self.entry(field, key_field, value_field, &key, offset, depth)
                .map_err(|error| error.in_entry(&key))?;
        }
        self.close_keys(base)
    }

    fn entry(
        &mut self,
        field: &'t FieldTable,
        key_field: &'t FieldTable,
        value_field: &'t FieldTable,
        key: &str,
        offset: usize,
        depth: u32,
    ) -> Result<()> {
        let begin = self.out.len();
        field.put_tag(self.out);
        let start = open_len(self.out);
        key_field.put_tag(self.out);
        if key_field.kind == Kind::String {
            put_bytes(self.out, key.as_bytes());
        } else {
            match key_of_text(key_field.kind, key) {
                Ok(value) => put_scalar(self.out, key_field.wire_type, value),
                Err(problem) => return Err(TranscodeError::new(problem, offset)),
            }
        }
        let key_end = self.out.len();
        if self.json.peek() == b'n' && !value_field.takes_null {
            return Err(self.json.other_type("a value other than null"));
        }
        if !self.value(value_field, depth, true)? {
            self.out.truncate(begin);
            return Ok(());
        }
        let moved = close_len(self.out, start) - start;
        self.push_key(start + moved, key_end + moved);
        Ok(())
    }

    /// Reads an object whose values are of any type: a `google.protobuf.Struct`.
    pub(super) fn structure(&mut self, depth: u32) -> Result<()> {
        const FIELDS: u32 = 1;
        const KEY: u32 = 1;
        const VALUE: u32 = 2;

        self.enter(depth)?;
        self.json.begin_object("an object")?;
        let base = self.keys.len();
        let mut first = true;
        while let Some(key) = self.json.key(&mut first)? {
            put_tag(self.out, FIELDS, crate::protobuf::WireType::Len);
            let start = open_len(self.out);
            put_tag(self.out, KEY, crate::protobuf::WireType::Len);
            put_bytes(self.out, key.as_bytes());
            let key_end = self.out.len();
            put_tag(self.out, VALUE, crate::protobuf::WireType::Len);
            let value = open_len(self.out);
            self.any_json(depth + 1).map_err(|error| error.in_entry(&key))?;
            close_len(self.out, value);
            let moved = close_len(self.out, start) - start;
            self.push_key(start + moved, key_end + moved);
        }
        self.close_keys(base)
    }

    fn push_key(&mut self, start: usize, end: usize) {
        self.keys.push(Key { hash: hash(&self.out[start..end]), start, end });
    }

    /// Checks that no key of a map occurs twice, and forgets them.
    fn close_keys(&mut self, base: usize) -> Result<()> {
        /// Up to this many keys are compared with each other, which is faster than sorting them.
        const FEW: usize = 8;

        let out = &*self.out;
        let keys = &mut self.keys[base..];
        let bytes = |key: &Key| &out[key.start..key.end];
        let same = |a: &Key, b: &Key| a.hash == b.hash && bytes(a) == bytes(b);
        let duplicate = if keys.len() <= FEW {
            keys.iter().enumerate().any(|(at, key)| keys[..at].iter().any(|other| same(key, other)))
        } else {
            // Also by the bytes: otherwise many keys of one hash would take quadratic time.
            keys.sort_unstable_by(|a, b| a.hash.cmp(&b.hash).then_with(|| bytes(a).cmp(bytes(b))));
            keys.windows(2).any(|pair| same(&pair[0], &pair[1]))
        };
        self.keys.truncate(base);
        if duplicate {
            return Err(TranscodeError::new(Problem::DuplicateKey, self.json.offset()));
        }
        Ok(())
    }
}

/// The bits on the wire of a key that is not a string.
fn key_of_text(kind: Kind, key: &str) -> std::result::Result<u64, Problem> {
    if kind == Kind::Bool {
        return match key {
            "true" => Ok(1),
            "false" => Ok(0),
            _ => Err(Problem::Value { expected: "true or false" }),
        };
    }
    let integer = if number::is_number(key) { number::integer(key) } else { None };
    integer
        .and_then(|integer| integer.to_wire(kind))
        .ok_or(Problem::Value { expected: number::range(kind) })
}
