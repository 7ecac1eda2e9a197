use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The maximum number of values. Chosen: that of the gateway's metadata.
const MAX_VALUES: usize = 1024;

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// Decodes metadata: an object of names to strings or lists of strings. Names are in any case.
/// `None` if it is not one.
pub(super) fn decode(json: &RawValue) -> Option<HeaderMap> {
    let entries: BTreeMap<String, Values> = serde_json::from_str(json.get()).ok()?;
    let mut metadata = HeaderMap::new();
    for (name, values) in entries {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let values = match values {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        if metadata.len() + values.len() > MAX_VALUES {
            return None;
        }
        for value in values {
            let value = HeaderValue::from_str(&value).ok()?;
            // Metadata are printable ASCII.
            value.to_str().ok()?;
            metadata.append(name.clone(), value);
        }
    }
    Some(metadata)
}

/// Returns metadata as an object of names to lists of strings. Values that are not printable ASCII
/// are left out.
pub(super) fn metadata_json(metadata: &HeaderMap) -> Map<String, Value> {
    let mut object = Map::new();
    for name in metadata.keys() {
        let values = metadata.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let values: Vec<Value> = values.map(Value::from).collect();
        if !values.is_empty() {
            object.insert(name.as_str().to_owned(), values.into());
        }
    }
    object
}
