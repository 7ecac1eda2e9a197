use std::fmt;

use super::error::{MAX_DEPTH, shortened};
use super::object::{Object, Place, quoted};
use super::value::to_json;
use super::{BindError, Cardinality, Field, FieldKind, Schema};

/// The treatment of query parameters that name no field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownNames {
    /// Unknown parameters are ignored.
    #[default]
    Ignore,
    /// Unknown parameters are errors.
    Refuse,
}

/// The fields of a request message that its path and query give.
///
/// Path variables are bound first, then the field of the body is excluded, then the query is
/// bound: a parameter that names an excluded field, a part of it or a message around it is
/// ignored.
pub struct Bindings<'s, S: Schema> {
    schema: &'s S,
    message: S::Message,
    unknown_names: UnknownNames,
    object: Object<'s>,
    /// The numbers on the way to each field that the query must not set.
    excluded: Vec<Vec<i32>>,
}

/// A name that was resolved.
struct Resolved<'s, M, E> {
    /// The messages on the way, from the outermost.
    outer: Vec<Field<'s, M, E>>,
    field: Field<'s, M, E>,
}

impl<'s, S: Schema> Bindings<'s, S> {
    /// Creates an empty set of bindings for a request message.
    pub fn new(schema: &'s S, message: S::Message) -> Self {
        let unknown_names = UnknownNames::default();
        Self { schema, message, unknown_names, object: Object::default(), excluded: Vec::new() }
    }

    /// Sets the treatment of query parameters that name no field. Default: they are ignored.
    pub fn unknown_names(self, unknown_names: UnknownNames) -> Self {
        Self { unknown_names, ..self }
    }

    /// Binds a path variable, and excludes its field.
    ///
    /// # Errors
    /// [`BindError`] if the value is not of the field's type, or if [`check_variable`] refuses the
    /// name.
    pub fn bind_variable(&mut self, field_path: &str, value: &str) -> Result<(), BindError> {
        let resolved = resolve(self.schema, self.message, field_path)?;
        check_singular(&resolved.field, field_path)?;
        self.add(&resolved, field_path, Place::Whole, value)?;
        self.excluded.push(resolved.numbers());
        Ok(())
    }

    /// Excludes the field that the body gives. `false` if there is no such field.
    pub fn exclude(&mut self, field_path: &str) -> bool {
        let resolved = resolve(self.schema, self.message, field_path);
        let is_known = resolved.is_ok();
        self.excluded.extend(resolved.map(|resolved| resolved.numbers()));
        is_known
    }

    /// Binds a parameter of the query, decoded.
    ///
    /// # Errors
    /// [`BindError`] if the parameter names something that has no form as text, if a field that is
    /// not repeated, or a oneof, has a value already, or if the value is not of the field's type.
    pub fn bind_parameter(&mut self, name: &str, value: &str) -> Result<(), BindError> {
        let (field_path, key) = match split_key(name) {
            // The names of fields in JSON may have brackets, too.
            (_, Some(_)) if resolve(self.schema, self.message, name).is_ok() => (name, None),
            split => split,
        };
        let resolved = match resolve(self.schema, self.message, field_path) {
            Err(BindError::UnknownField { .. }) if self.unknown_names == UnknownNames::Ignore => {
                return Ok(());
            }
            resolved => resolved?,
        };
        if self.is_excluded(&resolved.numbers()) {
            return Ok(());
        }
        let place = match (resolved.field.cardinality, key) {
            (Cardinality::Singular, None) => Place::Whole,
            (Cardinality::Repeated, None) => Place::Element,
            (Cardinality::Map, Some(key)) => Place::Entry(quoted(key)),
            _ => return Err(BindError::Key { name: shortened(name) }),
        };
        self.add(&resolved, name, place, value)
    }

    /// Reports whether no field has a value.
    pub fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// Returns the fields as a JSON object in the form of protobuf's JSON mapping.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.object.write(&mut json);
        json
    }

    fn is_excluded(&self, numbers: &[i32]) -> bool {
        self.excluded.iter().any(|other| numbers.starts_with(other) || other.starts_with(numbers))
    }

    fn add(
        &mut self,
        resolved: &Resolved<'s, S::Message, S::Enum>,
        name: &str,
        place: Place,
        text: &str,
    ) -> Result<(), BindError> {
        if let FieldKind::Message(_) = resolved.field.kind {
            return Err(BindError::IsMessage { name: shortened(name) });
        }
        let value = to_json(self.schema, resolved.field.kind, text);
        let value =
            value.map_err(|expected| BindError::Value { name: shortened(name), expected })?;
        let mut object = &mut self.object;
        for outer in &resolved.outer {
            claim(object, outer, name)?;
            let inner = object.object(outer.number, outer.json_name);
            object = inner.ok_or_else(|| BindError::Twice { name: shortened(name) })?;
        }
        claim(object, &resolved.field, name)?;
        object
            .add(resolved.field.number, resolved.field.json_name, place, value)
            .map_err(|_| BindError::Twice { name: shortened(name) })
    }
}

impl<S: Schema> fmt::Debug for Bindings<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unknown_names, excluded, .. } = self;
        f.debug_struct("Bindings")
            .field("unknown_names", unknown_names)
            .field("excluded", excluded)
            .finish_non_exhaustive()
    }
}

impl<M: Copy, E: Copy> Resolved<'_, M, E> {
    fn numbers(&self) -> Vec<i32> {
        self.outer.iter().chain([&self.field]).map(|field| field.number).collect()
    }
}

/// Checks whether a path variable can be bound to a field of a message.
///
/// # Errors
/// [`BindError`] if there is no such field, or if the field, or one on the way to it, is repeated,
/// a map, or a message without a form as text.
pub fn check_variable<S: Schema>(
    schema: &S,
    message: S::Message,
    field_path: &str,
) -> Result<(), BindError> {
    let resolved = resolve(schema, message, field_path)?;
    check_singular(&resolved.field, field_path)?;
    match resolved.field.kind {
        FieldKind::Message(_) => Err(BindError::IsMessage { name: shortened(field_path) }),
        _ => Ok(()),
    }
}

fn check_singular<M, E>(field: &Field<'_, M, E>, name: &str) -> Result<(), BindError> {
    match field.cardinality {
        Cardinality::Singular => Ok(()),
        Cardinality::Repeated | Cardinality::Map => {
            Err(BindError::RepeatedVariable { name: shortened(name) })
        }
    }
}

fn claim<M, E>(
    object: &mut Object<'_>,
    field: &Field<'_, M, E>,
    name: &str,
) -> Result<(), BindError> {
    match field.oneof {
        Some(oneof) if !object.claim(oneof, field.number) => {
            Err(BindError::Oneof { name: shortened(name) })
        }
        _ => Ok(()),
    }
}

/// Splits `labels[key]` into the name and the key.
fn split_key(name: &str) -> (&str, Option<&str>) {
    let split = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
    split.map_or((name, None), |(field_path, key)| (field_path, Some(key)))
}

fn resolve<'s, S: Schema>(
    schema: &'s S,
    message: S::Message,
    field_path: &str,
) -> Result<Resolved<'s, S::Message, S::Enum>, BindError> {
    let mut outer = Vec::new();
    let mut message = message;
    let mut names = field_path.split('.');
    // A split text has at least one part.
    let mut name = names.next().unwrap_or_default();
    loop {
        let Some(field) = schema.field(message, name) else {
            return Err(BindError::UnknownField { name: shortened(field_path) });
        };
        let Some(next) = names.next() else { return Ok(Resolved { outer, field }) };
        if field.cardinality != Cardinality::Singular {
            return Err(BindError::InsideRepeated { name: shortened(field_path) });
        }
        let FieldKind::Message(inner) = field.kind else {
            return Err(BindError::NotAMessage { name: shortened(field_path) });
        };
        outer.push(field);
        if outer.len() == MAX_DEPTH {
            return Err(BindError::TooDeep { name: shortened(field_path) });
        }
        (message, name) = (inner, next);
    }
}
