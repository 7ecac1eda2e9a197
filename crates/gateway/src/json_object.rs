//! JSON objects whose members keep their order.

use serde::{Serialize, Serializer};

/// A JSON object with its members in the order of insertion: that of declarations in a `.proto`
/// file, for example, which says more to people than the order of the alphabet.
#[derive(Clone, Debug)]
pub(crate) struct JsonObject<T>(Vec<(String, T)>);

impl<T> JsonObject<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, value: T) {
        self.0.push((name.into(), value));
    }
}

impl<T> Default for JsonObject<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<(String, T)> for JsonObject<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for JsonObject<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
