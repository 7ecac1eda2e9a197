/// The messages and enums that bindings are resolved by, as the tables of descriptors have them.
pub trait Schema {
    /// A handle of a message.
    type Message: Copy;

    /// A handle of an enum.
    type Enum: Copy;

    /// Returns the field of a message with a name, which is that of the definition or of JSON.
    fn field(
        &self,
        message: Self::Message,
        name: &str,
    ) -> Option<Field<'_, Self::Message, Self::Enum>>;

    /// Returns the number of an enum's value by its name.
    fn enum_number(&self, enumeration: Self::Enum, name: &str) -> Option<i32>;

    /// Reports whether a field of the enum may have a number: any in an open enum, that of a value
    /// in a closed one.
    fn enum_accepts(&self, enumeration: Self::Enum, number: i32) -> bool;
}

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'s, M, E> {
    /// The number.
    pub number: i32,
    /// The name in JSON.
    pub json_name: &'s str,
    /// The number of values, and the type of keys.
    pub cardinality: Cardinality,
    /// The type of a value; in a map, of the values.
    pub kind: FieldKind<M, E>,
    /// The index of the oneof in the message. `None` for `optional` fields of proto3, whose oneof
    /// has no other member.
    pub oneof: Option<u32>,
}

/// The number of values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One value at most.
    Singular,
    /// Any number of values.
    Repeated,
    /// A map.
    Map,
}

/// The type of a field's value. Integers of one width and sign are one kind, and a wrapper of
/// `google.protobuf` is of the kind that it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind<M, E> {
    /// `bool`.
    Bool,
    /// `int32`, `sint32`, `sfixed32`.
    Int32,
    /// `int64`, `sint64`, `sfixed64`.
    Int64,
    /// `uint32`, `fixed32`.
    Uint32,
    /// `uint64`, `fixed64`.
    Uint64,
    /// `float`.
    Float,
    /// `double`.
    Double,
    /// `string`.
    String,
    /// `bytes`.
    Bytes,
    /// An enum.
    Enum(E),
    /// `google.protobuf.Timestamp`.
    Timestamp,
    /// `google.protobuf.Duration`.
    Duration,
    /// `google.protobuf.FieldMask`.
    FieldMask,
    /// `google.protobuf.Value`, `Struct` or `ListValue`.
    Json,
    /// Any other message.
    Message(M),
}
