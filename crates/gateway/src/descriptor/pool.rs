use std::collections::HashMap;
use std::fmt;

/// The place of a file in [`Pool::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(super) u32);

/// The place of a message in [`Pool::messages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub(crate) u32);

/// The place of an enum in [`Pool::enums`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumId(pub(crate) u32);

impl MessageId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl EnumId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A file of the set, or a bundled one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct File {
    /// The name by which others import it.
    pub name: String,
    /// The package; empty without one.
    pub package: String,
    /// The names of the files that it imports.
    pub imports: Vec<String>,
    /// True if the set lacks the file, so that the bundled one is used.
    pub bundled: bool,
}

/// A message type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The name with the package and the messages around it.
    pub full_name: String,
    /// The file that declares it.
    pub file: FileId,
    /// The fields, in the order of declaration. Extensions are in [`Pool::extensions`].
    pub fields: Vec<Field>,
    /// The oneofs, without those that `optional` of proto3 makes.
    pub oneofs: Vec<Oneof>,
    /// True if it is the entry of a map field.
    pub map_entry: bool,
    /// True if it is encoded as a `MessageSet` of proto2.
    pub message_set: bool,
    /// True if it is marked as deprecated.
    pub deprecated: bool,
    /// The comment before it; empty without one, or if the set has no source information.
    pub comment: String,
}

/// A oneof of a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Oneof {
    /// The name.
    pub name: String,
}

/// The number of values that a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// At most one value.
    Singular,
    /// A list.
    Repeated,
    /// A map. The kind of the field is the message of its entries, with the key as field 1 and the
    /// value as field 2.
    Map,
}

/// The type of a field's values, in the order of `FieldDescriptorProto.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the type of protobuf by that name")]
pub enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    /// A message between start and end tags: a group of proto2, or a delimited message.
    Group(MessageId),
    Message(MessageId),
    Bytes,
    Uint32,
    Enum(EnumId),
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
}

impl Kind {
    /// Returns the name of a scalar type in a `.proto` file; `None` for messages and enums.
    pub fn scalar_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int64 => "int64",
            Self::Uint64 => "uint64",
            Self::Int32 => "int32",
            Self::Fixed64 => "fixed64",
            Self::Fixed32 => "fixed32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Uint32 => "uint32",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Group(_) | Self::Message(_) | Self::Enum(_) => return None,
        })
    }
}

/// A field of a message, or an extension.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[non_exhaustive]
pub struct Field {
    /// The name in the `.proto` file; of an extension with its scope.
    pub name: String,
    /// The name in JSON; of an extension its full name in brackets.
    pub json_name: String,
    /// The number, from 1 to 536,870,911; in a `MessageSet` to 2,147,483,647.
    pub number: u32,
    /// The type of its values.
    pub kind: Kind,
    /// The number of its values.
    pub cardinality: Cardinality,
    /// True if the field knows whether it is set: otherwise zero means that it is not.
    pub presence: bool,
    /// True if it is `optional` in a proto3 file.
    pub proto3_optional: bool,
    /// True if each message must have it, a rule of proto2.
    pub required: bool,
    /// True if repeated numbers are written as one field.
    pub packed: bool,
    /// True if strings must be UTF-8.
    pub utf8: bool,
    /// The place in [`Message::oneofs`].
    pub oneof: Option<u32>,
    /// True if it is marked as deprecated.
    pub deprecated: bool,
    /// The comment before it; empty without one.
    pub comment: String,
}

/// A field that another file adds to a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Extension {
    /// The message that it extends.
    pub extendee: MessageId,
    /// The file that declares it.
    pub file: FileId,
    /// The field.
    pub field: Field,
}

/// An enum type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Enum {
    /// The name with the package and the messages around it.
    pub full_name: String,
    /// The file that declares it.
    pub file: FileId,
    /// The values, in the order of declaration. Several may have one number.
    pub values: Vec<EnumValue>,
    /// True if it has no other values than those declared.
    pub closed: bool,
    /// The comment before it; empty without one.
    pub comment: String,
}

/// A value of an enum.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnumValue {
    /// The name.
    pub name: String,
    /// The number.
    pub number: i32,
    /// The comment before it; empty without one.
    pub comment: String,
}

/// A service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Service {
    /// The name with the package.
    pub full_name: String,
    /// The file that declares it.
    pub file: FileId,
    /// The methods, in the order of declaration.
    pub methods: Vec<Method>,
    /// True if it is marked as deprecated.
    pub deprecated: bool,
    /// The comment before it; empty without one.
    pub comment: String,
}

/// The effect of calling a method twice, or at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idempotency {
    /// Nothing is known: a call must not be repeated.
    #[default]
    Unknown,
    /// The method only reads.
    NoSideEffects,
    /// Calling it twice has the effect of calling it once.
    Idempotent,
}

/// A method of a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Method {
    /// The name, without the service.
    pub name: String,
    /// The type of requests.
    pub input: MessageId,
    /// The type of responses.
    pub output: MessageId,
    /// True if the client sends any number of requests.
    pub client_streaming: bool,
    /// True if the server sends any number of responses.
    pub server_streaming: bool,
    /// The effect of calling it twice.
    pub idempotency: Idempotency,
    /// True if it is marked as deprecated.
    pub deprecated: bool,
    /// The serialized `google.protobuf.MethodOptions`, with the annotations of `google.api.http`
    /// in field 72295728.
    pub options: Vec<u8>,
    /// The comment before it; empty without one.
    pub comment: String,
}

/// The types of an upstream.
pub struct Pool {
    pub(super) files: Vec<File>,
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
    pub(super) services: Vec<Service>,
    pub(super) extensions: Vec<Extension>,
    pub(super) symbols: HashMap<Box<str>, Symbol>,
    /// By `package.Service/Method`: the places of the service and the method.
    pub(super) methods: HashMap<Box<str>, (u32, u32)>,
}

/// A name that the set declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Message(MessageId),
    Enum(EnumId),
    Service(u32),
}

impl Pool {
    /// The most bytes of a set: 64 MiB.
    pub const MAX_SIZE: usize = 64 << 20;
    /// The most files of a set.
    pub const MAX_FILES: usize = 10_000;
    /// The most messages, and the most enums, of a set.
    pub const MAX_TYPES: usize = 100_000;
    /// The most fields, enum values and methods of a set together.
    pub const MAX_MEMBERS: usize = 1_000_000;
    /// The most fields of one message, with its extensions.
    pub const MAX_FIELDS: usize = 10_000;
    /// The deepest declaration of messages within messages.
    pub const MAX_NESTING: usize = 32;
    /// The most bytes of a name.
    pub const MAX_NAME: usize = 1024;

    /// All files.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// All messages, entries of maps included.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// All enums.
    pub fn enums(&self) -> &[Enum] {
        &self.enums
    }

    /// All services.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// All extensions.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The file with an id of this pool.
    ///
    /// # Panics
    /// If the id is of another pool that has more files.
    pub fn file(&self, id: FileId) -> &File {
        &self.files[id.0 as usize]
    }

    /// The message with an id of this pool.
    ///
    /// # Panics
    /// If the id is of another pool that has more messages.
    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.index()]
    }

    /// The enum with an id of this pool.
    ///
    /// # Panics
    /// If the id is of another pool that has more enums.
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.index()]
    }

    /// Finds the file that declares a symbol by the symbol's full name: a message, an enum, a
    /// service or an extension, or a member of one of them, such as a method.
    pub fn file_of(&self, symbol: &str) -> Option<&File> {
        let declared = |name: &str| match self.symbols.get(name)? {
            Symbol::Message(id) => Some(self.message(*id).file),
            Symbol::Enum(id) => Some(self.enumeration(*id).file),
            Symbol::Service(index) => Some(self.services.get(*index as usize)?.file),
        };
        let extension = || {
            let is_named = |extension: &&Extension| extension.field.name == symbol;
            self.extensions.iter().find(is_named).map(|extension| extension.file)
        };
        let parent = || declared(symbol.rsplit_once('.')?.0);
        let file = declared(symbol).or_else(extension).or_else(parent)?;
        self.files.get(file.0 as usize)
    }

    /// Finds a message by its full name.
    pub fn find_message(&self, full_name: &str) -> Option<MessageId> {
        match self.symbols.get(full_name) {
            Some(&Symbol::Message(id)) => Some(id),
            _ => None,
        }
    }

    /// Finds an enum by its full name.
    pub fn find_enum(&self, full_name: &str) -> Option<EnumId> {
        match self.symbols.get(full_name) {
            Some(&Symbol::Enum(id)) => Some(id),
            _ => None,
        }
    }

    /// Finds a service by its full name.
    pub fn find_service(&self, full_name: &str) -> Option<&Service> {
        match self.symbols.get(full_name) {
            Some(&Symbol::Service(index)) => self.services.get(index as usize),
            _ => None,
        }
    }

    /// Finds a method by its path without the first slash: `package.Service/Method`.
    pub fn find_method(&self, path: &str) -> Option<(&Service, &Method)> {
        let &(service, method) = self.methods.get(path)?;
        let service = self.services.get(service as usize)?;
        Some((service, service.methods.get(method as usize)?))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("files", &self.files.len())
            .field("messages", &self.messages.len())
            .field("enums", &self.enums.len())
            .field("services", &self.services.len())
            .field("extensions", &self.extensions.len())
            .finish_non_exhaustive()
    }
}
