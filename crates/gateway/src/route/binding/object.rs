use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A JSON object in the making: the fields of a message by their numbers.
#[derive(Debug, Default)]
pub(super) struct Object<'s> {
    fields: BTreeMap<i32, (&'s str, Content<'s>)>,
    /// The number of the member of each oneof that is set.
    oneofs: BTreeMap<u32, i32>,
}

/// The content of a field. Values are JSON.
#[derive(Debug)]
enum Content<'s> {
    Value(String),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
    Object(Box<Object<'s>>),
}

/// The place of a value in a field.
pub(super) enum Place {
    /// The field itself.
    Whole,
    /// The end of a list.
    Element,
    /// An entry of a map, by its key as a JSON string.
    Entry(String),
}

/// A second value where one is possible.
pub(super) struct Occupied;

impl<'s> Object<'s> {
    /// Notes that a member of a oneof is set, and reports whether no other member is.
    pub(super) fn claim(&mut self, oneof: u32, number: i32) -> bool {
        *self.oneofs.entry(oneof).or_insert(number) == number
    }

    /// Returns the object of a field that is a message. `None` if the field has a value.
    pub(super) fn object(&mut self, number: i32, name: &'s str) -> Option<&mut Self> {
        let empty = || (name, Content::Object(Box::default()));
        match &mut self.fields.entry(number).or_insert_with(empty).1 {
            Content::Object(object) => Some(object),
            Content::Value(_) | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// Adds a value.
    pub(super) fn add(
        &mut self,
        number: i32,
        name: &'s str,
        place: Place,
        value: String,
    ) -> Result<(), Occupied> {
        let entry = self.fields.entry(number);
        match place {
            Place::Whole => match entry {
                Entry::Vacant(entry) => drop(entry.insert((name, Content::Value(value)))),
                Entry::Occupied(_) => return Err(Occupied),
            },
            Place::Element => match &mut entry.or_insert((name, Content::List(Vec::new()))).1 {
                Content::List(elements) => elements.push(value),
                _ => return Err(Occupied),
            },
            Place::Entry(key) => {
                match &mut entry.or_insert((name, Content::Map(BTreeMap::new()))).1 {
                    Content::Map(entries) => match entries.entry(key) {
                        Entry::Vacant(entry) => drop(entry.insert(value)),
                        Entry::Occupied(_) => return Err(Occupied),
                    },
                    _ => return Err(Occupied),
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes the object. The depth of the recursion is that of the names.
    pub(super) fn write(&self, out: &mut String) {
        let fields = self.fields.values().map(|(name, content)| (quoted(name), content));
        write_list(out, ['{', '}'], fields, |out, (name, content)| {
            out.push_str(&name);
            out.push(':');
            content.write(out);
        });
    }
}

impl Content<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Value(value) => out.push_str(value),
            Self::List(elements) => {
                write_list(out, ['[', ']'], elements, |out, element| out.push_str(element));
            }
            Self::Map(entries) => write_list(out, ['{', '}'], entries, |out, (key, value)| {
                out.push_str(key);
                out.push(':');
                out.push_str(value);
            }),
            Self::Object(object) => object.write(out),
        }
    }
}

/// Returns a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}
