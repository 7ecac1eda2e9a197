//! JSON values as trees.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// A JSON value whose objects can be taken apart. All other values stay text, as numbers would lose
/// digits.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Node {
    Object(BTreeMap<String, Node>),
    Value(Box<RawValue>),
}

impl Node {
    pub(super) fn parse(json: &RawValue) -> Result<Self, serde_json::Error> {
        if !json.get().starts_with('{') {
            return Ok(Self::Value(json.to_owned()));
        }
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(json.get())?;
        let members = members.into_iter().map(|(name, json)| Ok((name, Self::parse(json)?)));
        members.collect::<Result<_, _>>().map(Self::Object)
    }

    /// Removes a member of this object, or of objects within it.
    pub(super) fn take(&mut self, path: &[&str]) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        match path {
            [] => None,
            [name] => members.remove(*name),
            [name, rest @ ..] => members.get_mut(*name)?.take(rest),
        }
    }

    pub(super) fn to_json(&self) -> String {
        // Strings and valid JSON can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}
