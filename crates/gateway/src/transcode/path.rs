use super::encode::put_group_end;
use super::error::{Problem, Result, TranscodeError};
use super::tables::{FieldTable, Shape, Tables};
use crate::descriptor::{Cardinality, Kind, MessageId};
use crate::protobuf::{Reader, Span, WireError, WireType, close_len, open_len, put_bytes};

/// A field of a message, or of messages within it: `user.address.city`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    text: Box<str>,
    /// At least one; all but the last are singular messages.
    steps: Box<[Step]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) message: MessageId,
    /// The place in the message's table.
    pub(super) field: usize,
}

impl FieldPath {
    /// The most fields of a path.
    pub const MAX_STEPS: usize = 32;

    /// Finds a field by names with dots between them, each in its proto or JSON form.
    ///
    /// # Errors
    /// [`Problem::UnknownField`] if a message has no such field, [`Problem::Type`] if a field
    /// within the path is no singular message, [`Problem::TooDeep`] past
    /// [`MAX_STEPS`](Self::MAX_STEPS).
    ///
    /// # Panics
    /// If the id is of other tables that have more messages.
    pub fn new(tables: &Tables, id: MessageId, text: &str) -> Result<Self> {
        Self::find(tables, id, text).map_err(|error| error.in_field(text))
    }

    /// The only field of a message whose type is `google.protobuf.FieldMask`, if there is one.
    ///
    /// # Panics
    /// If the id is of other tables that have more messages.
    pub fn of_only_mask(tables: &Tables, id: MessageId) -> Option<Self> {
        let fields = &tables.message(id).fields;
        let is_mask = |field: &FieldTable| {
            field.cardinality == Cardinality::Singular
                && field.message().is_some_and(|id| tables.message(id).shape == Shape::FieldMask)
        };
        let mut masks = (0..fields.len()).filter(|place| is_mask(&fields[*place]));
        let (field, None) = (masks.next()?, masks.next()) else { return None };
        let text = fields[field].name.clone();
        Some(Self { text, steps: Box::new([Step { message: id, field }]) })
    }

    fn find(tables: &Tables, mut id: MessageId, text: &str) -> Result<Self> {
        let mut steps: Vec<Step> = Vec::new();
        for name in text.split('.') {
            if let Some(Step { message, field }) = steps.last() {
                let parent = &tables.message(*message).fields[*field];
                let inner = parent
                    .message()
                    .filter(|id| tables.message(*id).shape == Shape::Object)
                    .filter(|_| parent.cardinality == Cardinality::Singular);
                let Some(inner) = inner else {
                    let (expected, found) = ("a message in the path", "another type");
                    return Err(TranscodeError::of_value(Problem::Type { expected, found }));
                };
                id = inner;
            }
            if steps.len() == Self::MAX_STEPS {
                let limit = 32;
                return Err(TranscodeError::of_value(Problem::TooDeep { limit }));
            }
            match tables.message(id).by_name(name) {
                Some(field) => steps.push(Step { message: id, field }),
                None => return Err(TranscodeError::of_value(Problem::UnknownField)),
            }
        }
        Ok(Self { text: text.into(), steps: steps.into() })
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if the field is a list.
    ///
    /// # Panics
    /// If the path is of other tables.
    pub fn is_repeated(&self, tables: &Tables) -> bool {
        self.field(tables).cardinality == Cardinality::Repeated
    }

    /// The message type of the field, unless it is a list or a map.
    ///
    /// # Panics
    /// If the path is of other tables.
    pub fn message(&self, tables: &Tables) -> Option<MessageId> {
        let field = self.field(tables);
        field.message().filter(|_| field.cardinality == Cardinality::Singular)
    }

    /// Appends a message in which the field at the path, a message, has these bytes.
    ///
    /// # Panics
    /// If the path is of other tables.
    pub(crate) fn put_message(&self, tables: &Tables, message: &[u8], out: &mut Vec<u8>) {
        let opened = self.open(tables, out);
        let field = self.field(tables);
        field.put_tag(out);
        match field.kind {
            Kind::Group(_) => {
                out.extend_from_slice(message);
                put_group_end(out, field.number);
            }
            _ => put_bytes(out, message),
        }
        self.close(tables, opened, out);
    }

    /// Returns the bytes of the message at the path in a message: all of its parts, in their order.
    ///
    /// # Panics
    /// If the path is of other tables.
    pub(crate) fn message_in(
        &self,
        tables: &Tables,
        wire: &[u8],
    ) -> std::result::Result<Vec<u8>, WireError> {
        let mut part = wire.to_vec();
        for step in &self.steps {
            let field = &tables.message(step.message).fields[step.field];
            let mut reader = Reader::new(&part, Span::of(&part))?;
            let mut inner = Vec::new();
            while let Some(found) = reader.field()? {
                let is_message = matches!(found.wire_type, WireType::Len | WireType::Group);
                if found.number == field.number && is_message {
                    inner.extend_from_slice(found.span().bytes(&part));
                }
            }
            part = inner;
        }
        Ok(part)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn field<'t>(&self, tables: &'t Tables) -> &'t FieldTable {
        let Step { message, field } = self.steps[self.steps.len() - 1];
        &tables.message(message).fields[field]
    }

    /// Begins the messages around the field.
    pub(super) fn open(&self, tables: &Tables, out: &mut Vec<u8>) -> Vec<usize> {
        let mut starts = Vec::new();
        for step in &self.steps[..self.steps.len() - 1] {
            let field = &tables.message(step.message).fields[step.field];
            field.put_tag(out);
            starts.push(if let Kind::Group(_) = field.kind { out.len() } else { open_len(out) });
        }
        starts
    }

    /// Ends the messages that [`open`](Self::open) began.
    pub(super) fn close(&self, tables: &Tables, starts: Vec<usize>, out: &mut Vec<u8>) {
        for (step, start) in self.steps.iter().zip(starts).rev() {
            let field = &tables.message(step.message).fields[step.field];
            match field.kind {
                Kind::Group(_) => put_group_end(out, field.number),
                _ => drop(close_len(out, start)),
            }
        }
    }
}
