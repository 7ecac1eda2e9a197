use std::collections::HashMap;

use super::super::error::Result;
use super::super::rewrite::check_wire;
use super::super::tables::FieldTable;
use super::Printer;
use crate::descriptor::Kind;
use crate::protobuf::Span;

/// An entry of a map: its place on the wire, its key, and where the list has its values.
#[derive(Clone, Copy, Debug)]
struct Item {
    span: Span,
    key: u64,
    at: usize,
    stop: usize,
}

impl<'t> Printer<'t, '_> {
    /// Prints a map. Of entries with the same key the last counts, and the others are only checked.
    /// Returns false if the map is empty.
    pub(super) fn map(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        at: usize,
        stop: usize,
        depth: u32,
    ) -> Result<bool> {
        let Some(entry) = field.message() else { return Ok(false) };
        let table = self.tables.message(entry);
        let [key_field, value_field] = &*table.fields else { return Ok(false) };
        let base = self.entries.len();
        let mut items = Vec::with_capacity(stop - at);
        for place in at..stop {
            let span = self.entries[place].span();
            let start = self.collect(wire, span, table, depth)?;
            let keys = self.entries[start..].iter().take_while(|entry| entry.field == 0).count();
            let key = match keys {
                0 => Span { start: 0, end: 0 }.pack(),
                count => self.entries[start + count - 1].value,
            };
            items.push(Item { span, key, at: start + keys, stop: self.entries.len() });
        }
        for item in take_replaced(&mut items, wire, key_field.kind) {
            check_wire(self.tables, entry, wire, item.span, depth)
                .map_err(|error| error.in_entry(&key_text(wire, key_field.kind, item.key)))?;
        }

        self.open(b'{');
        let mut first = true;
        for item in items {
            self.next(&mut first);
            self.map_key(wire, key_field.kind, item.key)?;
            self.map_value(wire, value_field, item, depth).map_err(|error| {
                let key = key_text(wire, key_field.kind, item.key);
                error.in_entry(&key)
            })?;
        }
        self.close(b'}', first);
        self.entries.truncate(base);
        Ok(!first)
    }

    fn map_key(&mut self, wire: &[u8], kind: Kind, key: u64) -> Result<()> {
        match kind {
            Kind::String => self.string(wire, Span::unpack(key))?,
            // These are in quotation marks anyway.
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => {
                self.scalar(kind, key);
            }
            _ => {
                self.out.push(b'"');
                self.scalar(kind, key);
                self.out.push(b'"');
            }
        }
        self.out.push(b':');
        if self.options.pretty {
            self.out.push(b' ');
        }
        Ok(())
    }

    fn map_value(
        &mut self,
        wire: &[u8],
        field: &'t FieldTable,
        item: Item,
        depth: u32,
    ) -> Result<()> {
        if item.at < item.stop {
            return self.singular(wire, field, item.at, item.stop, depth);
        }
        match field.message() {
            Some(id) => self.message(b"", Span::of(b""), id, depth + 1),
            None => self.value(b"", field, 0, depth),
        }
    }
}

/// Removes the entries whose key a later one has, and returns them.
fn take_replaced(items: &mut Vec<Item>, wire: &[u8], kind: Kind) -> Vec<Item> {
    /// Up to this many keys are compared with each other, which is faster than hashing them.
    const FEW: usize = 8;

    let is_text = kind == Kind::String;
    let bytes = |key: u64| if is_text { Span::unpack(key).bytes(wire) } else { &[] };
    let same = |a: &Item, b: &Item| {
        if is_text { bytes(a.key) == bytes(b.key) } else { a.key == b.key }
    };
    let mut replaced = Vec::new();
    if items.len() <= FEW {
        let mut at = 0;
        while at < items.len() {
            if items[at + 1..].iter().any(|later| same(&items[at], later)) {
                replaced.push(items.remove(at));
            } else {
                at += 1;
            }
        }
        return replaced;
    }
    let mut last = HashMap::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let number = if is_text { 0 } else { item.key };
        last.insert((number, bytes(item.key)), at);
    }
    if last.len() == items.len() {
        return replaced;
    }
    let mut at = 0;
    items.retain(|item| {
        let number = if is_text { 0 } else { item.key };
        let keep = last.get(&(number, bytes(item.key))) == Some(&at);
        if !keep {
            replaced.push(*item);
        }
        at += 1;
        keep
    });
    replaced
}

/// A key as errors name it.
fn key_text(wire: &[u8], kind: Kind, key: u64) -> String {
    match kind {
        Kind::String => String::from_utf8_lossy(Span::unpack(key).bytes(wire)).into_owned(),
        _ => key.to_string(),
    }
}
