use super::tables::{FieldTable, MessageTable, Tables, wire_type};
use crate::descriptor::{Cardinality, Kind};
use crate::protobuf::{Reader, Span, WireError, WireField, WireType};

/// A value of a known field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The place in [`MessageTable::fields`].
    pub(super) field: u16,
    pub(super) wire_type: WireType,
    /// As in [`WireField::value`].
    pub(super) value: u64,
}

impl Entry {
    pub(super) fn span(&self) -> Span {
        Span::unpack(self.value)
    }
}

/// Appends the values of a message to `list`, by field and within a field in wire order, without
/// those that a later member of their oneof replaces. Fields that the message does not have, and
/// values that a closed enum does not have, go to `unknown`.
///
/// Returns the values that later ones replace, for `check_replaced`: protobuf's own parsers refuse
/// a message with an invalid one.
pub(super) fn collect(
    tables: &Tables,
    table: &MessageTable,
    wire: &[u8],
    span: Span,
    list: &mut Vec<Entry>,
    mut unknown: Option<&mut Vec<Span>>,
) -> Result<Vec<Entry>, WireError> {
    let base = list.len();
    let mut reader = Reader::new(wire, span)?;
    // The place after that of the field before.
    let mut after = 0;
    let (mut sorted, mut repeats) = (true, false);
    // A bit for each oneof, or for several if there are more than 64: it only asks for a closer
    // look.
    let (mut oneofs, mut conflict) = (0_u64, false);
    while let Some(field) = reader.field()? {
        let Some((place, wire_type, value)) = known(tables, table, wire, field)? else {
            if let Some(unknown) = unknown.as_deref_mut() {
                unknown.push(Span { start: field.start, end: reader.offset() });
            }
            continue;
        };
        let of_table = &table.fields[usize::from(place)];
        if let Some(oneof) = of_table.oneof {
            let bit = 1 << (oneof % 64);
            conflict |= oneofs & bit != 0;
            oneofs |= bit;
        }
        sorted &= after <= place + 1;
        repeats |= after == place + 1 && of_table.cardinality == Cardinality::Singular;
        after = place + 1;
        list.push(Entry { field: place, wire_type, value });
    }
    let mut replaced = Vec::new();
    if conflict {
        drop_replaced(table, list, base, &mut replaced);
    }
    if !sorted {
        list[base..].sort_by_key(|entry| entry.field);
    }
    if repeats || !sorted {
        replaced.extend(replaced_strings(table, &list[base..]));
    }
    Ok(replaced)
}

/// Returns the strings of singular fields that another one follows in a sorted list.
fn replaced_strings<'a>(
    table: &'a MessageTable,
    list: &'a [Entry],
) -> impl Iterator<Item = Entry> + 'a {
    let pairs = list.windows(2).filter(|pair| pair[0].field == pair[1].field);
    pairs.map(|pair| pair[0]).filter(|entry| {
        let field = &table.fields[usize::from(entry.field)];
        field.cardinality == Cardinality::Singular && field.kind == Kind::String
    })
}

/// The field's place, wire type and value, if the message has it.
#[inline]
fn known(
    tables: &Tables,
    table: &MessageTable,
    wire: &[u8],
    field: WireField,
) -> Result<Option<(u16, WireType, u64)>, WireError> {
    if table.message_set && (field.number, field.wire_type) == (1, WireType::Group) {
        return message_set_item(table, wire, field.span());
    }
    let Some(place) = table.by_number(field.number) else { return Ok(None) };
    let known = &table.fields[place];
    if !known.accepts(field.wire_type) {
        return Ok(None);
    }
    let (mut value, mut admitted) = (field.value, true);
    match field.wire_type {
        WireType::Varint => {
            if let Kind::Enum(id) = known.kind {
                admitted = tables.enumeration(id).admits(enum_number(value));
            }
            value = normal(known.kind, value);
        }
        WireType::Len if known.cardinality == Cardinality::Map => {
            admitted = admits_entry(tables, known, wire, field.span())?;
        }
        _ => {}
    }
    Ok(admitted.then_some((place_of(place), field.wire_type, value)))
}

/// A varint as its kind writes it: kinds of fewer than 64 bits take the lower ones.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "the wire has two's complement")]
fn normal(kind: Kind, value: u64) -> u64 {
    match kind {
        Kind::Int32 | Kind::Enum(_) => i64::from(enum_number(value)) as u64,
        Kind::Uint32 | Kind::Sint32 => value & 0xffff_ffff,
        Kind::Bool => u64::from(value != 0),
        _ => value,
    }
}

/// False if the value of a map entry is one that its closed enum does not have.
fn admits_entry(
    tables: &Tables,
    map: &FieldTable,
    wire: &[u8],
    span: Span,
) -> Result<bool, WireError> {
    let Some(value) = map.message().and_then(|entry| tables.message(entry).fields.get(1)) else {
        return Ok(true);
    };
    let Kind::Enum(id) = value.kind else { return Ok(true) };
    let values = tables.enumeration(id);
    if !values.closed {
        return Ok(true);
    }
    let mut reader = Reader::new(wire, span)?;
    let mut admitted = true;
    while let Some(field) = reader.field()? {
        if (field.number, field.wire_type) == (2, WireType::Varint) {
            admitted = values.admits(enum_number(field.value));
        }
    }
    Ok(admitted)
}

/// Reads an item of a `MessageSet`: the number of an extension, and its message.
fn message_set_item(
    table: &MessageTable,
    wire: &[u8],
    span: Span,
) -> Result<Option<(u16, WireType, u64)>, WireError> {
    let mut reader = Reader::new(wire, span)?;
    let (mut number, mut message) = (None, None);
    while let Some(field) = reader.field()? {
        match (field.number, field.wire_type) {
            (2, WireType::Varint) if number.is_none() => number = u32::try_from(field.value).ok(),
            (3, WireType::Len) if message.is_none() => message = Some(field.value),
            _ => {}
        }
    }
    let place = number.and_then(|number| table.by_number(number));
    Ok(match (place, message) {
        (Some(place), Some(value)) => Some((place_of(place), WireType::Len, value)),
        _ => None,
    })
}

/// Moves values that another member of their oneof follows to `replaced`.
fn drop_replaced(
    table: &MessageTable,
    list: &mut Vec<Entry>,
    base: usize,
    replaced: &mut Vec<Entry>,
) {
    // For each oneof, from the back: the member that is set, and true once another one was found.
    let mut members: Vec<Option<(u16, bool)>> = vec![None; table.oneofs];
    let mut keep = vec![true; list.len() - base];
    for (keep, entry) in keep.iter_mut().zip(&list[base..]).rev() {
        let Some(oneof) = table.fields[usize::from(entry.field)].oneof else { continue };
        let Some(member) = members.get_mut(usize::from(oneof)) else { continue };
        match member {
            None => *member = Some((entry.field, false)),
            Some((field, is_other)) => {
                *is_other |= *field != entry.field;
                *keep = !*is_other;
            }
        }
    }
    let mut kept = base;
    for at in base..list.len() {
        if keep[at - base] {
            list[kept] = list[at];
            kept += 1;
        } else {
            replaced.push(list[at]);
        }
    }
    list.truncate(kept);
}

/// The number of an enum value, or an int32, on the wire.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "enums have 32 bits on the wire")]
pub(super) fn enum_number(value: u64) -> i32 {
    value as i32
}

/// A pool has at most 10,000 fields in a message.
#[expect(clippy::cast_possible_truncation, reason = "at most Pool::MAX_FIELDS")]
fn place_of(place: usize) -> u16 {
    place as u16
}

/// The elements of a packed field.
pub(super) struct Packed<'a> {
    reader: Reader<'a>,
    kind: Kind,
}

impl<'a> Packed<'a> {
    pub(super) fn new(wire: &'a [u8], span: Span, kind: Kind) -> Result<Self, WireError> {
        Ok(Self { reader: Reader::new(wire, span)?, kind })
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<u64>, WireError> {
        match wire_type(self.kind) {
            WireType::Fixed32 => self.reader.packed_fixed32(),
            WireType::Fixed64 => self.reader.packed_fixed64(),
            _ => Ok(self.reader.packed_varint()?.map(|value| normal(self.kind, value))),
        }
    }
}

/// The field at `at`, and where its entries end.
#[inline]
pub(super) fn run(list: &[Entry], at: usize) -> Option<(usize, usize)> {
    let entry = list.get(at)?;
    let count = list[at..].iter().take_while(|other| other.field == entry.field).count();
    Some((usize::from(entry.field), at + count))
}

/// The value of several entries of a singular message: they merge, which their concatenation does.
/// Each has to be a message by itself.
pub(super) fn merged(wire: &[u8], entries: &[Entry]) -> Result<Vec<u8>, WireError> {
    let mut whole = Vec::new();
    for entry in entries {
        let mut reader = Reader::new(wire, entry.span())?;
        while reader.field()?.is_some() {}
        whole.extend_from_slice(entry.span().bytes(wire));
    }
    Ok(whole)
}

/// True for the value that a field without presence does not tell from none.
#[inline]
pub(super) fn is_zero(entry: Entry) -> bool {
    match entry.wire_type {
        WireType::Len => entry.span().start == entry.span().end,
        _ => entry.value == 0,
    }
}
