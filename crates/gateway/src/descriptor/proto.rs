use std::collections::HashMap;

use super::features::{PROTO2, PROTO3};
use super::{DescriptorError, DescriptorProblem, Pool};
use crate::protobuf::{Reader, Span, WireField, WireType};

/// Comments by the path of `SourceCodeInfo` to what they describe.
pub(super) type Comments = HashMap<Vec<u32>, String>;

type Result<T, E = DescriptorProblem> = std::result::Result<T, E>;

/// The edition of a file that stands for one that the server lacks.
const PLACEHOLDER: u64 = 0;

#[derive(Debug, Default)]
pub(super) struct FileProto {
    pub(super) name: String,
    pub(super) package: String,
    pub(super) imports: Vec<String>,
    pub(super) messages: Vec<MessageProto>,
    pub(super) enums: Vec<EnumProto>,
    pub(super) services: Vec<ServiceProto>,
    pub(super) extensions: Vec<FieldProto>,
    pub(super) edition: u64,
    pub(super) features: Vec<u8>,
    pub(super) comments: Comments,
}

#[derive(Debug, Default)]
pub(super) struct MessageProto {
    pub(super) name: String,
    pub(super) fields: Vec<FieldProto>,
    pub(super) extensions: Vec<FieldProto>,
    pub(super) messages: Vec<MessageProto>,
    pub(super) enums: Vec<EnumProto>,
    pub(super) oneofs: Vec<OneofProto>,
    pub(super) map_entry: bool,
    pub(super) message_set: bool,
    pub(super) deprecated: bool,
    pub(super) features: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct OneofProto {
    pub(super) name: String,
    pub(super) features: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct FieldProto {
    pub(super) name: String,
    pub(super) json_name: Option<String>,
    pub(super) extendee: String,
    pub(super) number: u64,
    pub(super) label: u64,
    /// A number of `FieldDescriptorProto.Type`; 0 if only `type_name` tells.
    pub(super) kind: u64,
    pub(super) type_name: String,
    pub(super) oneof: Option<u64>,
    pub(super) proto3_optional: bool,
    pub(super) packed: Option<bool>,
    pub(super) deprecated: bool,
    pub(super) features: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct EnumProto {
    pub(super) name: String,
    pub(super) values: Vec<(String, i32)>,
    pub(super) features: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct ServiceProto {
    pub(super) name: String,
    pub(super) methods: Vec<MethodProto>,
    pub(super) deprecated: bool,
}

#[derive(Debug, Default)]
pub(super) struct MethodProto {
    pub(super) name: String,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) client_streaming: bool,
    pub(super) server_streaming: bool,
    pub(super) options: Vec<u8>,
}

/// The numbers of declarations that a set may still have.
#[derive(Debug)]
pub(super) struct Budget {
    types: usize,
    members: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { types: Pool::MAX_TYPES, members: Pool::MAX_MEMBERS }
    }

    fn take_type(&mut self) -> Result<()> {
        let what = "messages and enums";
        let error = DescriptorProblem::TooMany { what, limit: Pool::MAX_TYPES };
        self.types = self.types.checked_sub(1).ok_or(error)?;
        Ok(())
    }

    fn take_member(&mut self) -> Result<()> {
        let what = "fields, enum values and methods";
        let error = DescriptorProblem::TooMany { what, limit: Pool::MAX_MEMBERS };
        self.members = self.members.checked_sub(1).ok_or(error)?;
        Ok(())
    }
}

/// Returns the files of a `FileDescriptorSet`.
pub(super) fn files_of_set(set: &[u8]) -> Result<Vec<&[u8]>, DescriptorError> {
    let refuse = |problem| DescriptorError { file: String::new(), problem };
    if set.len() > Pool::MAX_SIZE {
        return Err(refuse(DescriptorProblem::TooLarge { size: set.len() }));
    }
    let mut reader = Reader::new(set, Span::of(set)).map_err(|error| refuse(error.into()))?;
    let mut files = Vec::new();
    while let Some(field) = reader.field().map_err(|error| refuse(error.into()))? {
        if (field.number, field.wire_type) == (1, WireType::Len) {
            files.push(field.span().bytes(set));
        }
    }
    Ok(files)
}

impl FileProto {
    /// Reports whether the file stands for one that the server lacks.
    pub(super) fn is_placeholder(&self) -> bool {
        self.edition == PLACEHOLDER
    }

    fn declares_nothing(&self) -> bool {
        self.messages.is_empty()
            && self.enums.is_empty()
            && self.services.is_empty()
            && self.extensions.is_empty()
    }

    /// Reads a `FileDescriptorProto`.
    pub(super) fn parse(bytes: &[u8], budget: &mut Budget) -> Result<Self, DescriptorError> {
        let mut file = Self::default();
        match (Parser { bytes, budget }).file(&mut file) {
            Ok(()) => Ok(file),
            Err(problem) => Err(DescriptorError { file: file.name, problem }),
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    budget: &'a mut Budget,
}

impl Parser<'_> {
    /// Calls `each` with every field at `span`.
    fn fields(
        &mut self,
        span: Span,
        mut each: impl FnMut(&mut Self, WireField) -> Result<()>,
    ) -> Result<()> {
        let bytes = self.bytes;
        let mut reader = Reader::new(bytes, span)?;
        while let Some(field) = reader.field()? {
            each(self, field)?;
        }
        Ok(())
    }

    fn text(&self, field: WireField) -> Result<String> {
        let bytes = field.span().bytes(self.bytes);
        if bytes.len() > Pool::MAX_NAME {
            return Err(DescriptorProblem::Text);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| DescriptorProblem::Text)?;
        Ok(text.to_owned())
    }

    /// Reads one or several identifiers with dots between them.
    fn name(&self, field: WireField) -> Result<String> {
        let name = self.text(field)?;
        if name.split('.').all(is_identifier) {
            Ok(name)
        } else {
            Err(DescriptorProblem::Name(name))
        }
    }

    /// Reads the name of a type, with or without the dot that makes it absolute.
    fn type_name(&self, field: WireField) -> Result<String> {
        let name = self.text(field)?;
        let bare = name.strip_prefix('.').unwrap_or(&name);
        if bare.split('.').all(is_identifier) {
            Ok(name)
        } else {
            Err(DescriptorProblem::Name(name))
        }
    }

    fn append(&self, to: &mut Vec<u8>, field: WireField) {
        to.extend_from_slice(field.span().bytes(self.bytes));
    }

    fn file(&mut self, file: &mut FileProto) -> Result<()> {
        use WireType::{Len, Varint};

        let mut syntax = String::new();
        let mut edition = None;
        // The name comes first in what protoc writes; errors of files that have it later lack it.
        self.fields(Span::of(self.bytes), |this, field| {
            match (field.number, field.wire_type) {
                (1, Len) => file.name = this.text(field)?,
                (2, Len) => file.package = this.name(field)?,
                (3, Len) => file.imports.push(this.text(field)?),
                (4, Len) => file.messages.push(this.message(field.span(), 1)?),
                (5, Len) => file.enums.push(this.enumeration(field.span())?),
                (6, Len) => file.services.push(this.service(field.span())?),
                (7, Len) => file.extensions.push(this.field(field.span())?),
                (8, Len) => this.fields(field.span(), |this, option| {
                    if (option.number, option.wire_type) == (50, Len) {
                        this.append(&mut file.features, option);
                    }
                    Ok(())
                })?,
                (9, Len) => this.comments(field.span(), &mut file.comments)?,
                (12, Len) => syntax = this.text(field)?,
                (14, Varint) => edition = Some(field.value),
                _ => {}
            }
            Ok(())
        })?;
        file.edition = match (syntax.as_str(), edition) {
            ("" | "proto2", None) => PROTO2,
            ("proto3", None) => PROTO3,
            ("" | "editions", Some(edition)) if edition >= PROTO2 => edition,
            (_, Some(edition)) => {
                return Err(DescriptorProblem::Syntax(format!("{syntax}, edition {edition}")));
            }
            // The reflection of grpc-go sends such a file, of the syntax `<unknown:0>`, for an import
            // that the server lacks.
            _ if file.declares_nothing() => PLACEHOLDER,
            _ => return Err(DescriptorProblem::Syntax(syntax)),
        };
        Ok(())
    }

    fn comments(&mut self, span: Span, comments: &mut Comments) -> Result<()> {
        self.fields(span, |this, location| {
            if (location.number, location.wire_type) != (1, WireType::Len) {
                return Ok(());
            }
            let mut path = Span { start: 0, end: 0 };
            let mut comment = None;
            this.fields(location.span(), |this, field| {
                match (field.number, field.wire_type) {
                    (1, WireType::Len) => path = field.span(),
                    (3, WireType::Len) => {
                        let bytes = field.span().bytes(this.bytes);
                        comment = Some(String::from_utf8_lossy(bytes).trim().to_owned());
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if let Some(comment) = comment {
                let mut numbers = Vec::new();
                let mut reader = Reader::new(this.bytes, path)?;
                while let Some(number) = reader.packed_varint()? {
                    numbers.push(u32::try_from(number).unwrap_or(u32::MAX));
                }
                comments.insert(numbers, comment);
            }
            Ok(())
        })
    }

    fn message(&mut self, span: Span, depth: usize) -> Result<MessageProto> {
        use WireType::Len;

        if depth > Pool::MAX_NESTING {
            return Err(DescriptorProblem::TooDeep);
        }
        self.budget.take_type()?;
        let mut message = MessageProto::default();
        self.fields(span, |this, field| {
            match (field.number, field.wire_type) {
                (1, Len) => message.name = this.name(field)?,
                (2, Len) => message.fields.push(this.field(field.span())?),
                (3, Len) => message.messages.push(this.message(field.span(), depth + 1)?),
                (4, Len) => message.enums.push(this.enumeration(field.span())?),
                (6, Len) => message.extensions.push(this.field(field.span())?),
                (7, Len) => this.fields(field.span(), |this, option| {
                    match (option.number, option.wire_type) {
                        (1, WireType::Varint) => message.message_set = option.value != 0,
                        (3, WireType::Varint) => message.deprecated = option.value != 0,
                        (7, WireType::Varint) => message.map_entry = option.value != 0,
                        (12, Len) => this.append(&mut message.features, option),
                        _ => {}
                    }
                    Ok(())
                })?,
                (8, Len) => message.oneofs.push(this.oneof(field.span())?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(message)
    }

    fn oneof(&mut self, span: Span) -> Result<OneofProto> {
        self.budget.take_member()?;
        let mut oneof = OneofProto::default();
        self.fields(span, |this, field| {
            match (field.number, field.wire_type) {
                (1, WireType::Len) => oneof.name = this.name(field)?,
                (2, WireType::Len) => this.features_of(field.span(), 1, &mut oneof.features)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(oneof)
    }

    /// Appends the features of options, which are in the field `number`.
    fn features_of(&mut self, options: Span, number: u32, to: &mut Vec<u8>) -> Result<()> {
        self.fields(options, |this, option| {
            if (option.number, option.wire_type) == (number, WireType::Len) {
                this.append(to, option);
            }
            Ok(())
        })
    }

    fn field(&mut self, span: Span) -> Result<FieldProto> {
        use WireType::{Len, Varint};

        self.budget.take_member()?;
        let mut proto = FieldProto::default();
        self.fields(span, |this, field| {
            match (field.number, field.wire_type) {
                (1, Len) => proto.name = this.name(field)?,
                (2, Len) => proto.extendee = this.type_name(field)?,
                (3, Varint) => proto.number = field.value,
                (4, Varint) => proto.label = field.value,
                (5, Varint) => proto.kind = field.value,
                (6, Len) => proto.type_name = this.type_name(field)?,
                (8, Len) => this.fields(field.span(), |this, option| {
                    match (option.number, option.wire_type) {
                        (2, Varint) => proto.packed = Some(option.value != 0),
                        (3, Varint) => proto.deprecated = option.value != 0,
                        (21, Len) => this.append(&mut proto.features, option),
                        _ => {}
                    }
                    Ok(())
                })?,
                (9, Varint) => proto.oneof = Some(field.value),
                (10, Len) => proto.json_name = Some(this.text(field)?),
                (17, Varint) => proto.proto3_optional = field.value != 0,
                _ => {}
            }
            Ok(())
        })?;
        Ok(proto)
    }

    fn enumeration(&mut self, span: Span) -> Result<EnumProto> {
        self.budget.take_type()?;
        let mut proto = EnumProto::default();
        self.fields(span, |this, field| {
            match (field.number, field.wire_type) {
                (1, WireType::Len) => proto.name = this.name(field)?,
                (2, WireType::Len) => {
                    this.budget.take_member()?;
                    let mut value = (String::new(), 0);
                    this.fields(field.span(), |this, field| {
                        match (field.number, field.wire_type) {
                            (1, WireType::Len) => value.0 = this.name(field)?,
                            #[expect(clippy::cast_possible_truncation, reason = "of 32 bits")]
                            (2, WireType::Varint) => value.1 = field.value as i32,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    proto.values.push(value);
                }
                (3, WireType::Len) => this.features_of(field.span(), 7, &mut proto.features)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(proto)
    }

    fn service(&mut self, span: Span) -> Result<ServiceProto> {
        let mut service = ServiceProto::default();
        self.fields(span, |this, field| {
            match (field.number, field.wire_type) {
                (1, WireType::Len) => service.name = this.name(field)?,
                (2, WireType::Len) => service.methods.push(this.method(field.span())?),
                (3, WireType::Len) => this.fields(field.span(), |_, option| {
                    if (option.number, option.wire_type) == (33, WireType::Varint) {
                        service.deprecated = option.value != 0;
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(service)
    }

    fn method(&mut self, span: Span) -> Result<MethodProto> {
        use WireType::{Len, Varint};

        self.budget.take_member()?;
        let mut method = MethodProto::default();
        self.fields(span, |this, field| {
            match (field.number, field.wire_type) {
                (1, Len) => method.name = this.name(field)?,
                (2, Len) => method.input = this.type_name(field)?,
                (3, Len) => method.output = this.type_name(field)?,
                (4, Len) => this.append(&mut method.options, field),
                (5, Varint) => method.client_streaming = field.value != 0,
                (6, Varint) => method.server_streaming = field.value != 0,
                _ => {}
            }
            Ok(())
        })?;
        Ok(method)
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
