use std::sync::LazyLock;

use super::features::PROTO3;
use super::proto::{EnumProto, FieldProto, FileProto, MessageProto};

/// The bundled files: see the head of the text for its format.
const TEXT: &str = include_str!("bundled.txt");

/// The files that are used where a set lacks them.
pub(super) fn files() -> &'static [FileProto] {
    static FILES: LazyLock<Vec<FileProto>> = LazyLock::new(|| parse(TEXT));
    &FILES
}

/// Parses our own text, whose lines the tests have read.
fn parse(text: &str) -> Vec<FileProto> {
    const REPEATED: u64 = 3;

    let mut files: Vec<FileProto> = Vec::new();
    // Names of the messages around the one whose fields follow.
    let mut path: Vec<&str> = Vec::new();
    let mut in_enum = false;
    let mut extendee = "";
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), files.last_mut()) {
            ([] | ["#", ..], _) => {}
            (["file", name, package], _) => files.push(FileProto {
                name: (*name).to_owned(),
                package: (*package).to_owned(),
                edition: PROTO3,
                ..FileProto::default()
            }),
            (["message", name], Some(file)) => {
                (path, in_enum, extendee) = (name.split('.').collect(), false, "");
                let (last, around) = path.split_last().unwrap_or((&"", &[]));
                let message = MessageProto { name: (*last).to_owned(), ..MessageProto::default() };
                messages_in(file, around).push(message);
            }
            (["enum", name], Some(file)) => {
                in_enum = true;
                file.enums.push(EnumProto { name: (*name).to_owned(), ..EnumProto::default() });
            }
            (["extend", name], _) => (in_enum, extendee) = (false, *name),
            ([number, name], Some(file)) if in_enum => {
                let value = ((*name).to_owned(), number.parse().unwrap_or_default());
                file.enums.last_mut().expect("a line before this one began it").values.push(value);
            }
            ([number, kind, name, rest @ ..], Some(file)) => {
                let mut field = FieldProto {
                    name: (*name).to_owned(),
                    number: number.parse().unwrap_or_default(),
                    ..FieldProto::default()
                };
                if let Some(types) = kind.strip_prefix("map<") {
                    let (key, value) =
                        types.trim_end_matches('>').split_once(',').unwrap_or_default();
                    let entry = format!("{}Entry", camel(name));
                    let around = path.join(".");
                    field.label = REPEATED;
                    set_type(&mut field, &format!(".{}.{around}.{entry}", file.package));
                    let mut fields = vec![FieldProto::default(), FieldProto::default()];
                    for (field, (number, name, kind)) in
                        fields.iter_mut().zip([(1, "key", key), (2, "value", value)])
                    {
                        (field.name, field.number) = (name.to_owned(), number);
                        set_type(field, kind);
                    }
                    messages_in(file, &path).push(MessageProto {
                        name: entry,
                        fields,
                        map_entry: true,
                        ..MessageProto::default()
                    });
                } else {
                    if kind.ends_with("[]") {
                        field.label = REPEATED;
                    }
                    set_type(&mut field, kind.trim_end_matches("[]"));
                }
                if extendee.is_empty() {
                    add_field(file, &path, field, rest);
                } else {
                    field.extendee = format!(".{extendee}");
                    file.extensions.push(field);
                }
            }
            _ => {}
        }
    }
    files
}

fn messages_in<'a>(file: &'a mut FileProto, around: &[&str]) -> &'a mut Vec<MessageProto> {
    let mut messages = &mut file.messages;
    for name in around {
        let place = messages.iter().position(|message| message.name == *name);
        messages = &mut messages[place.expect("the text declares it before")].messages;
    }
    messages
}

fn add_field(file: &mut FileProto, path: &[&str], mut field: FieldProto, oneof: &[&str]) {
    let around = path.split_last().map_or(&[][..], |(_, around)| around);
    let message = messages_in(file, around).last_mut().expect("the text declares it before");
    if let [name] = oneof {
        if message.oneofs.is_empty() {
            let name = (*name).to_owned();
            message.oneofs.push(super::proto::OneofProto { name, ..Default::default() });
        }
        field.oneof = Some(0);
    }
    message.fields.push(field);
}

fn set_type(field: &mut FieldProto, name: &str) {
    const KINDS: [(&str, u64); 8] = [
        ("double", 1),
        ("float", 2),
        ("int64", 3),
        ("uint64", 4),
        ("int32", 5),
        ("bool", 8),
        ("string", 9),
        ("bytes", 12),
    ];
    match KINDS.iter().find(|(kind, _)| *kind == name) {
        Some((_, kind)) => field.kind = *kind,
        None if name == "uint32" => field.kind = 13,
        None => name.clone_into(&mut field.type_name),
    }
}

fn camel(name: &str) -> String {
    let mut words: Vec<String> = name.split('_').map(str::to_owned).collect();
    for word in &mut words {
        if let Some(first) = word.get_mut(..1) {
            first.make_ascii_uppercase();
        }
    }
    words.concat()
}

#[cfg(test)]
mod tests {
    use super::super::{Cardinality, Pool};
    use super::*;

    #[test]
    fn the_bundled_files_link_by_themselves() {
        let pool = Pool::from_set(b"").unwrap();
        assert_eq!(pool.files().len(), files().len());
        assert!(pool.files().iter().all(|file| file.bundled));
        for name in ["google.protobuf.Value", "google.rpc.Status", "google.api.HttpBody"] {
            assert!(pool.find_message(name).is_some(), "{name}");
        }
        let fields = pool.message(pool.find_message("google.protobuf.Struct").unwrap());
        assert_eq!(fields.fields[0].cardinality, Cardinality::Map);
        assert!(pool.extensions().iter().any(|extension| extension.field.number == 72_295_728));
    }

    #[test]
    fn each_line_of_the_text_is_understood() {
        for line in TEXT.lines().map(str::trim) {
            let known = line.is_empty()
                || ["#", "file ", "message ", "enum ", "extend "]
                    .iter()
                    .any(|word| line.starts_with(word))
                || line.split_once(' ').is_some_and(|(number, _)| number.parse::<u32>().is_ok());
            assert!(known, "{line}");
        }
    }
}
