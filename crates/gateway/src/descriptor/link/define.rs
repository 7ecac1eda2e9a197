use std::collections::{HashMap, HashSet};

use super::super::features::{Features, PROTO3};
use super::super::pool::Symbol;
use super::super::proto::{FieldProto, MessageProto, ServiceProto};
use super::super::{
    Cardinality, DescriptorProblem, Extension, Field, Idempotency, Kind, Message, MessageId,
    Method, Oneof, Pool, Service,
};
use super::{Declared, MAX_MESSAGE_SET_NUMBER, MAX_NUMBER, Result, index, invalid, scoped};
use crate::protobuf::{Reader, Span, WireType};

pub(super) fn define_message(
    pool: &Pool,
    declared: &Declared<'_, MessageProto>,
) -> Result<Message> {
    let (proto, full_name) = (declared.proto, &declared.full_name);
    if proto.fields.len() > Pool::MAX_FIELDS {
        let what = "fields in a message";
        return Err(DescriptorProblem::TooMany { what, limit: Pool::MAX_FIELDS });
    }
    // `optional` of proto3 is a oneof in descriptors, but not to anybody else.
    let mut synthetic = vec![false; proto.oneofs.len()];
    for field in proto.fields.iter().filter(|field| field.proto3_optional) {
        if let Some(flag) = place_of(field.oneof).and_then(|place| synthetic.get_mut(place)) {
            *flag = true;
        }
    }
    let mut places = vec![None; proto.oneofs.len()];
    let mut oneofs = Vec::new();
    for (place, oneof) in proto.oneofs.iter().enumerate() {
        if !synthetic[place] {
            places[place] = Some(index(oneofs.len()));
            oneofs.push(Oneof { name: oneof.name.clone() });
        }
    }

    let mut fields = Vec::with_capacity(proto.fields.len());
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    for (place, field) in (0..).zip(&proto.fields) {
        if !names.insert(field.name.as_str()) || !numbers.insert(field.number) {
            return Err(DescriptorProblem::Duplicate { name: scoped(full_name, &field.name) });
        }
        let mut features = declared.features;
        let mut oneof = None;
        if let Some(number) = field.oneof {
            let Some(decl) = place_of(field.oneof).and_then(|place| proto.oneofs.get(place)) else {
                return Err(invalid(&scoped(full_name, &field.name), "a oneof that is declared"));
            };
            features = features.with(&decl.features)?;
            oneof = places[usize::try_from(number).unwrap_or_default()];
        }
        let mut defined = define_field(pool, declared, field, features, full_name)?;
        if proto.map_entry {
            keep_prefixed(&mut defined);
        }
        defined.oneof = oneof;
        defined.presence |= oneof.is_some();
        defined.comment = declared.comment(&[2, place]);
        fields.push(defined);
    }
    Ok(Message {
        full_name: full_name.clone(),
        file: declared.file_id,
        fields,
        oneofs,
        map_entry: proto.map_entry,
        message_set: proto.message_set,
        deprecated: proto.deprecated,
        comment: declared.comment(&[]),
    })
}

/// Undoes `DELIMITED`, which maps and their values do not inherit.
fn keep_prefixed(field: &mut Field) {
    if let Kind::Group(id) = field.kind {
        field.kind = Kind::Message(id);
    }
}

fn place_of(oneof: Option<u64>) -> Option<usize> {
    oneof.and_then(|place| usize::try_from(place).ok())
}

fn define_field<T>(
    pool: &Pool,
    declared: &Declared<'_, T>,
    proto: &FieldProto,
    features: Features,
    scope: &str,
) -> Result<Field> {
    const OPTIONAL: u64 = 1;
    const REQUIRED: u64 = 2;
    const REPEATED: u64 = 3;
    const GROUP: u64 = 10;

    let full_name = || scoped(scope, &proto.name);
    if proto.name.is_empty() || proto.name.contains('.') {
        return Err(DescriptorProblem::Name(full_name()));
    }
    let number = match u32::try_from(proto.number) {
        Ok(number) if number > 0 && proto.number <= MAX_MESSAGE_SET_NUMBER => number,
        _ => return Err(invalid(&full_name(), "a number from 1 to 536870911")),
    };
    if !matches!(proto.label, 0 | OPTIONAL | REQUIRED | REPEATED) {
        return Err(invalid(&full_name(), "a label: optional, required or repeated"));
    }
    let repeated = proto.label == REPEATED;
    let mut features = features.with(&proto.features)?;
    if declared.file.edition <= PROTO3 {
        features.explicit_presence |= proto.proto3_optional;
        features.packed = proto.packed.unwrap_or(features.packed);
        features.delimited = proto.kind == GROUP;
    }
    let kind = kind_of(pool, proto, features.delimited, scope)?;
    let is_message = matches!(kind, Kind::Group(_) | Kind::Message(_));
    let packable = !is_message && !matches!(kind, Kind::String | Kind::Bytes);
    let is_extension = !proto.extendee.is_empty();
    let json_name = match &proto.json_name {
        _ if is_extension => format!("[{}]", full_name()),
        Some(name) => name.clone(),
        None => json_name(&proto.name),
    };
    Ok(Field {
        name: proto.name.clone(),
        json_name,
        number,
        kind,
        cardinality: if repeated { Cardinality::Repeated } else { Cardinality::Singular },
        presence: !repeated && (is_message || is_extension || features.explicit_presence),
        proto3_optional: proto.proto3_optional,
        required: proto.label == REQUIRED || features.required,
        packed: repeated && packable && features.packed,
        utf8: features.utf8,
        oneof: None,
        deprecated: proto.deprecated,
        comment: String::new(),
    })
}

fn kind_of(pool: &Pool, proto: &FieldProto, delimited: bool, scope: &str) -> Result<Kind> {
    let resolve = || {
        resolve(pool, scope, &proto.type_name).ok_or_else(|| DescriptorProblem::UnknownType {
            element: scoped(scope, &proto.name),
            type_name: proto.type_name.clone(),
        })
    };
    let message = |id| if delimited { Kind::Group(id) } else { Kind::Message(id) };
    Ok(match proto.kind {
        1 => Kind::Double,
        2 => Kind::Float,
        3 => Kind::Int64,
        4 => Kind::Uint64,
        5 => Kind::Int32,
        6 => Kind::Fixed64,
        7 => Kind::Fixed32,
        8 => Kind::Bool,
        9 => Kind::String,
        12 => Kind::Bytes,
        13 => Kind::Uint32,
        15 => Kind::Sfixed32,
        16 => Kind::Sfixed64,
        17 => Kind::Sint32,
        18 => Kind::Sint64,
        declared @ (0 | 10 | 11 | 14) => match (resolve()?, declared) {
            (Symbol::Message(id), 0 | 10 | 11) => message(id),
            (Symbol::Enum(id), 0 | 14) => Kind::Enum(id),
            _ => {
                let expected = "the type to be a message or an enum, as its kind says";
                return Err(invalid(&scoped(scope, &proto.name), expected));
            }
        },
        _ => return Err(invalid(&scoped(scope, &proto.name), "a type from 1 to 18")),
    })
}

/// Finds a type by an absolute name, or one that is relative to `scope`.
fn resolve(pool: &Pool, scope: &str, name: &str) -> Option<Symbol> {
    if let Some(absolute) = name.strip_prefix('.') {
        return pool.symbols.get(absolute).copied();
    }
    let mut scope = Some(scope);
    while let Some(around) = scope {
        if let Some(symbol) = pool.symbols.get(scoped(around, name).as_str()) {
            return Some(*symbol);
        }
        scope = match around.rsplit_once('.') {
            Some((outer, _)) => Some(outer),
            None if around.is_empty() => None,
            None => Some(""),
        };
    }
    None
}

/// Marks the fields of a message that are maps.
pub(super) fn check_maps(pool: &mut Pool, declared: &Declared<'_, MessageProto>) -> Result<()> {
    let Some(&Symbol::Message(id)) = pool.symbols.get(declared.full_name.as_str()) else {
        return Ok(());
    };
    if pool.message(id).map_entry && !is_map_entry(pool.message(id)) {
        return Err(invalid(&declared.full_name, "a map entry with a key 1 and a value 2"));
    }
    for place in 0..pool.message(id).fields.len() {
        let field = &pool.message(id).fields[place];
        let (Kind::Message(entry) | Kind::Group(entry)) = field.kind else { continue };
        if !pool.message(entry).map_entry {
            continue;
        }
        if field.cardinality != Cardinality::Repeated {
            return Err(invalid(&scoped(&declared.full_name, &field.name), "a map to be repeated"));
        }
        let field = &mut pool.messages[id.index()].fields[place];
        keep_prefixed(field);
        field.cardinality = Cardinality::Map;
    }
    Ok(())
}

fn is_map_entry(message: &Message) -> bool {
    let [first, second] = message.fields.as_slice() else { return false };
    let (key, value) = if first.number == 1 { (first, second) } else { (second, first) };
    let key_kind = !matches!(
        key.kind,
        Kind::Double
            | Kind::Float
            | Kind::Bytes
            | Kind::Enum(_)
            | Kind::Message(_)
            | Kind::Group(_)
    );
    let singular = [key, value].iter().all(|field| field.cardinality == Cardinality::Singular);
    (key.number, value.number) == (1, 2) && key_kind && singular
}

/// Returns `None` if the set lacks the message that is extended: the extension cannot occur then.
pub(super) fn define_extension(
    pool: &Pool,
    declared: &Declared<'_, FieldProto>,
) -> Result<Option<Extension>> {
    let (proto, scope) = (declared.proto, &declared.full_name);
    let Some(Symbol::Message(extendee)) = resolve(pool, scope, &proto.extendee) else {
        return Ok(None);
    };
    let mut field = define_field(pool, declared, proto, declared.features, scope)?;
    field.name = scoped(scope, &proto.name);
    if u64::from(field.number) > MAX_NUMBER && !pool.message(extendee).message_set {
        return Err(invalid(&field.name, "a number from 1 to 536870911"));
    }
    if let Kind::Message(id) | Kind::Group(id) = field.kind
        && pool.message(id).map_entry
    {
        return Err(invalid(&field.name, "an extension not to be a map"));
    }
    field.comment = declared.comment(&[]);
    Ok(Some(Extension { extendee, file: declared.file_id, field }))
}

pub(super) fn check_extensions(pool: &Pool) -> Result<()> {
    let mut numbers = HashSet::new();
    let mut counts: HashMap<MessageId, usize> = HashMap::new();
    for Extension { extendee, field, .. } in &pool.extensions {
        let message = pool.message(*extendee);
        if message.map_entry {
            return Err(invalid(&field.name, "to extend a message that is not a map entry"));
        }
        if !numbers.insert((*extendee, field.number))
            || message.fields.iter().any(|other| other.number == field.number)
        {
            return Err(invalid(&field.name, "a number that no other field of the message has"));
        }
        let count = counts.entry(*extendee).or_insert(message.fields.len());
        *count += 1;
        if *count > Pool::MAX_FIELDS {
            let what = "fields and extensions of a message";
            return Err(DescriptorProblem::TooMany { what, limit: Pool::MAX_FIELDS });
        }
    }
    Ok(())
}

pub(super) fn define_service(pool: &mut Pool, declared: &Declared<'_, ServiceProto>) -> Result<()> {
    let service = index(pool.services.len());
    let mut methods = Vec::with_capacity(declared.proto.methods.len());
    for (place, proto) in (0..).zip(&declared.proto.methods) {
        let element = scoped(&declared.full_name, &proto.name);
        let message = |name: &str| match resolve(pool, &declared.full_name, name) {
            Some(Symbol::Message(id)) => Ok(id),
            _ => Err(DescriptorProblem::UnknownType {
                element: element.clone(),
                type_name: name.to_owned(),
            }),
        };
        let (input, output) = (message(&proto.input)?, message(&proto.output)?);
        if proto.name.is_empty() || proto.name.contains('.') {
            return Err(DescriptorProblem::Name(element));
        }
        let path = format!("{}/{}", declared.full_name, proto.name);
        if pool.methods.insert(path.into(), (service, place)).is_some() {
            return Err(DescriptorProblem::Duplicate { name: element });
        }
        let (idempotency, deprecated) = method_options(&proto.options)?;
        methods.push(Method {
            name: proto.name.clone(),
            input,
            output,
            client_streaming: proto.client_streaming,
            server_streaming: proto.server_streaming,
            idempotency,
            deprecated,
            options: proto.options.clone(),
            comment: declared.comment(&[2, place]),
        });
    }
    pool.services.push(Service {
        full_name: declared.full_name.clone(),
        file: declared.file_id,
        methods,
        deprecated: declared.proto.deprecated,
        comment: declared.comment(&[]),
    });
    Ok(())
}

fn method_options(options: &[u8]) -> Result<(Idempotency, bool)> {
    let (mut idempotency, mut deprecated) = (Idempotency::Unknown, false);
    let mut reader = Reader::new(options, Span::of(options))?;
    while let Some(option) = reader.field()? {
        match (option.number, option.wire_type, option.value) {
            (33, WireType::Varint, value) => deprecated = value != 0,
            (34, WireType::Varint, 1) => idempotency = Idempotency::NoSideEffects,
            (34, WireType::Varint, 2) => idempotency = Idempotency::Idempotent,
            (34, WireType::Varint, _) => idempotency = Idempotency::Unknown,
            _ => {}
        }
    }
    Ok((idempotency, deprecated))
}

/// The JSON name that protobuf derives from a field's name.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut upper = false;
    for char in name.chars() {
        if char == '_' {
            upper = true;
        } else {
            json.push(if upper { char.to_ascii_uppercase() } else { char });
            upper = false;
        }
    }
    json
}
