mod value;

use std::collections::{HashMap, HashSet};

use super::encode::put_scalar;
use super::error::{Problem, Result, TranscodeError};
use super::path::FieldPath;
use super::scalar::scalar_of_text;
use super::tables::{FieldTable, Tables};
use crate::descriptor::{Cardinality, Kind};
use crate::protobuf::{close_len, open_len, put_bytes, put_tag};

/// A field by its places, and the key of an entry.
type Target = (Box<[usize]>, Option<Box<str>>);

/// Writes fields whose values are text: the variables of a path and the parameters of a query.
///
/// One binder serves one request. It refuses what contradicts itself: a singular field that is set
/// twice, or two members of a oneof.
///
/// Values are: numbers, `true` and `false` (also `1`, `0`, `t`, `T`, `f`, `F`, and with capitals),
/// names or numbers of enum values, base64, and for the well-known types the text of their JSON;
/// durations also as `1h2m3.5s`, field masks also with proto names, and for `google.protobuf.Value`,
/// `Struct` and `ListValue` JSON.
#[derive(Debug)]
pub struct TextBinder<'t> {
    tables: &'t Tables,
    /// Singular fields and map keys that are set.
    set: HashSet<Target>,
    /// By the path of a message and a oneof of it: the member that is set.
    oneofs: HashMap<(Box<[usize]>, u16), usize>,
}

impl<'t> TextBinder<'t> {
    /// A binder for one message of these tables.
    pub fn new(tables: &'t Tables) -> Self {
        Self { tables, set: HashSet::new(), oneofs: HashMap::new() }
    }

    /// True if the binder has set the field.
    pub fn is_set(&self, path: &FieldPath) -> bool {
        self.set.contains(&(path.places(), None))
    }

    /// Appends a message in which the field at `path` has the value `text`. `key` is that of an
    /// entry if the field is a map. A list gets an element.
    ///
    /// Zero values are written, too: the value wins over one before it.
    ///
    /// # Errors
    /// A [`TranscodeError`] that names the field; `out` is then as before.
    ///
    /// # Panics
    /// If the path is of other tables.
    pub fn set(
        &mut self,
        path: &FieldPath,
        key: Option<&str>,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let base = out.len();
        let result = self.claim(path, key).and_then(|()| self.write(path, key, text, out));
        if result.is_err() {
            out.truncate(base);
        }
        result.map_err(|error| match key {
            Some(key) => error.in_entry(key).in_field(path.text()),
            None => error.in_field(path.text()),
        })
    }

    /// Checks that nothing that is set contradicts the value, and notes it.
    fn claim(&mut self, path: &FieldPath, key: Option<&str>) -> Result<()> {
        let places = path.places();
        for (depth, step) in path.steps().iter().enumerate() {
            let field = &self.tables.message(step.message).fields[step.field];
            let Some(oneof) = field.oneof else { continue };
            let member = self.oneofs.entry((places[..depth].into(), oneof)).or_insert(step.field);
            if *member != step.field {
                return Err(TranscodeError::of_value(Problem::OneofConflict));
            }
        }
        if path.field(self.tables).cardinality != Cardinality::Repeated
            && !self.set.insert((places, key.map(Into::into)))
        {
            let twice = if key.is_some() { Problem::DuplicateKey } else { Problem::DuplicateField };
            return Err(TranscodeError::of_value(twice));
        }
        Ok(())
    }

    fn write(
        &self,
        path: &FieldPath,
        key: Option<&str>,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let field = path.field(self.tables);
        let opened = path.open(self.tables, out);
        match (field.cardinality, key) {
            (Cardinality::Map, Some(key)) => self.write_entry(field, key, text, out)?,
            (Cardinality::Map, None) => {
                let (expected, found) = ("a key in brackets, as in labels[key]", "no key");
                return Err(TranscodeError::of_value(Problem::Type { expected, found }));
            }
            (_, Some(_)) => {
                let (expected, found) = ("a map", "another field");
                return Err(TranscodeError::of_value(Problem::Type { expected, found }));
            }
            (_, None) => value::write(self.tables, field, text, out)?,
        }
        path.close(self.tables, opened, out);
        Ok(())
    }

    fn write_entry(
        &self,
        field: &FieldTable,
        key: &str,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(entry) = field.message() else { return Ok(()) };
        let [key_field, value_field] = &*self.tables.message(entry).fields else { return Ok(()) };
        out.extend_from_slice(field.tag());
        let start = open_len(out);
        put_tag(out, key_field.number, super::tables::wire_type(key_field.kind));
        if key_field.kind == Kind::String {
            put_bytes(out, key.as_bytes());
        } else {
            let value = scalar_of_text(self.tables, key_field.kind, key, true)
                .map_err(TranscodeError::of_value)?;
            put_scalar(out, key_field.kind, value);
        }
        value::write(self.tables, value_field, text, out)?;
        close_len(out, start);
        Ok(())
    }
}
