//! Protobuf's wire format, for the few messages that the gateway reads without descriptors.

use std::error::Error;
use std::fmt;

use crate::protobuf::{Reader, Span, WireError, WireField, WireType};

/// The bytes are not a message in protobuf's wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedMessage;

impl fmt::Display for MalformedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not a protobuf message")
    }
}

impl Error for MalformedMessage {}

/// The value of a field, as far as the wire tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireValue<'a> {
    /// An integer, bool or enum.
    Varint(u64),
    /// A string, bytes or message.
    Bytes(&'a [u8]),
    /// A fixed-width number or a group, skipped.
    Skipped,
}

/// The fields of a message in the order of the wire. Ends after the first error.
///
/// Varints of more than 64 bits are errors: the messages are those of annotations and statuses,
/// which no encoder writes so.
#[derive(Debug)]
pub(crate) struct WireFields<'a> {
    input: &'a [u8],
    /// `None` after an error.
    reader: Option<Result<Reader<'a>, WireError>>,
}

impl<'a> WireFields<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        let reader = Reader::new(input, Span::of(input)).map(Reader::strict);
        Self { input, reader: Some(reader) }
    }

    fn value(&self, field: &WireField) -> WireValue<'a> {
        match field.wire_type {
            WireType::Varint => WireValue::Varint(field.value),
            WireType::Len => WireValue::Bytes(field.span().bytes(self.input)),
            WireType::Fixed64 | WireType::Group | WireType::Fixed32 => WireValue::Skipped,
        }
    }
}

impl<'a> Iterator for WireFields<'a> {
    type Item = Result<(u32, WireValue<'a>), MalformedMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = match self.reader.take()? {
            Ok(reader) => reader,
            Err(error) => return Some(Err(error.into())),
        };
        match reader.field() {
            Ok(field) => {
                self.reader = Some(Ok(reader));
                field.map(|field| Ok((field.number, self.value(&field))))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl From<WireError> for MalformedMessage {
    fn from(_: WireError) -> Self {
        Self
    }
}

/// Writers for the messages of tests.
#[cfg(test)]
pub(crate) mod write {
    use crate::protobuf::fields;

    pub(crate) fn integer(number: u32, value: u64, out: &mut Vec<u8>) {
        out.extend(fields::varint(number, value));
    }

    pub(crate) fn bytes(number: u32, value: impl AsRef<[u8]>, out: &mut Vec<u8>) {
        out.extend(fields::field(number, value.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protobuf::MAX_GROUP_DEPTH;

    fn fields(input: &[u8]) -> Result<Vec<(u32, WireValue<'_>)>, MalformedMessage> {
        WireFields::new(input).collect()
    }

    #[test]
    fn fields_come_in_the_order_of_the_wire() {
        let mut message = Vec::new();
        write::integer(1, u64::MAX, &mut message);
        write::bytes(72_295_728, "abc", &mut message);
        message.extend([0x1d, 1, 2, 3, 4]); // 3: fixed32
        message.extend([0x21, 1, 2, 3, 4, 5, 6, 7, 8]); // 4: fixed64
        assert_eq!(
            fields(&message).unwrap(),
            [
                (1, WireValue::Varint(u64::MAX)),
                (72_295_728, WireValue::Bytes(b"abc")),
                (3, WireValue::Skipped),
                (4, WireValue::Skipped),
            ]
        );
    }

    #[test]
    fn groups_are_skipped_with_the_groups_in_them() {
        // 1: group { 2: varint 5, 3: group {} }, 4: varint 6
        let message = [0x0b, 0x10, 5, 0x1b, 0x1c, 0x0c, 0x20, 6];
        assert_eq!(fields(&message).unwrap(), [(1, WireValue::Skipped), (4, WireValue::Varint(6))]);
    }

    #[test]
    fn malformed_messages_are_refused() {
        let deep = [0x0b; MAX_GROUP_DEPTH as usize + 1];
        for message in [
            &[0x08][..],                                             // no value
            &[0x0a, 5, 1],                                           // shorter than its length
            &[0x00, 1],                                              // field number 0
            &[0x0f, 1],                                              // wire type 7
            &[0x0c],                                                 // the end of no group
            &[0x0b, 0x14],                                           // the end of another group
            &[0x0b],                                                 // a group without end
            &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], // 65 bits
            &[0x80; 11],
            &deep,
        ] {
            assert_eq!(fields(message), Err(MalformedMessage), "{message:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_and_errors_are_last(
            input in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let fields: Vec<_> = WireFields::new(&input).collect();
            let errors = fields.iter().filter(|field| field.is_err()).count();
            prop_assert!(errors == 0 || errors == 1 && fields.last().unwrap().is_err());
        }
    }
}
