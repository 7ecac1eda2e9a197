use super::tables::{FieldTable, wire_type};
use super::time;
use crate::descriptor::Kind;
use crate::protobuf::{WireType, close_len, open_len, put_tag, put_varint};

/// Appends a scalar without its tag.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "kinds of four bytes have 32 bits")]
pub(super) fn put_scalar(out: &mut Vec<u8>, wire_type: WireType, value: u64) {
    match wire_type {
        WireType::Fixed64 => out.extend_from_slice(&value.to_le_bytes()),
        WireType::Fixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
        _ => put_varint(out, value),
    }
}

/// Appends the fields of a `Timestamp` or a `Duration`; zeros only if `explicit`.
#[expect(clippy::cast_sign_loss, reason = "the wire has two's complement")]
pub(super) fn put_time((seconds, nanos): time::Time, explicit: bool, out: &mut Vec<u8>) {
    for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
        if explicit || value != 0 {
            put_tag(out, number, WireType::Varint);
            put_varint(out, value as u64);
        }
    }
}

/// Begins a value with a length that is a message.
#[inline]
pub(super) fn open_message(out: &mut Vec<u8>, field: &FieldTable) -> usize {
    const TYPE_ID: u32 = 2;
    const MESSAGE: u32 = 3;

    if field.message_set_item {
        put_tag(out, MESSAGE_SET_ITEM, WireType::Group);
        put_tag(out, TYPE_ID, WireType::Varint);
        put_varint(out, u64::from(field.number));
        put_tag(out, MESSAGE, WireType::Len);
    } else {
        field.put_tag(out);
    }
    open_len(out)
}

/// Ends what [`open_message`] began.
#[inline]
pub(super) fn close_message(out: &mut Vec<u8>, field: &FieldTable, start: usize) {
    close_len(out, start);
    if field.message_set_item {
        put_group_end(out, MESSAGE_SET_ITEM);
    }
}

const MESSAGE_SET_ITEM: u32 = 1;

pub(super) fn put_group_end(out: &mut Vec<u8>, number: u32) {
    const END_GROUP: u64 = 4;
    put_varint(out, u64::from(number) << 3 | END_GROUP);
}

/// True if a kind's values are written with a length.
pub(super) fn has_length(kind: Kind) -> bool {
    wire_type(kind) == WireType::Len
}
