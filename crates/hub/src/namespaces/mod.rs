//! The rules of rooms, by the first part of their names: who may join and publish, what is kept,
//! and what happens to members that read too slowly.
//!
//! The part of a room's name before the first `:` is its namespace: `chat:42` is in the namespace
//! `chat`. Rooms without `:` have the rules of the default namespace. Nobody may do anything in a
//! room of an unknown namespace.
//!
//! Operators write the rules as a TOML file: see [`Namespaces::from_toml`], with the feature
//! `toml`.

mod access;
#[cfg(feature = "toml")]
mod file;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

pub use access::Access;
#[cfg(feature = "toml")]
pub use file::NamespacesError;
pub use rules::Rules;

use crate::core::RoomName;

/// The rules of the rooms of unknown namespaces.
static CLOSED: LazyLock<Rules> = LazyLock::new(Rules::closed);

/// The rules of all rooms, by their namespaces. Clones are cheap.
///
/// ```
/// use sockeye_hub::core::RoomName;
/// use sockeye_hub::namespaces::{Access, Namespaces, Rules};
/// use sockeye_hub::Hub;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut chat = Rules::closed();
/// chat.join = Access::User;
/// chat.publish = Access::Member;
/// let namespaces = Namespaces::closed().with("chat", chat);
/// assert_eq!(namespaces.rules(&RoomName::new("chat:42")?).join, Access::User);
/// assert_eq!(namespaces.rules(&RoomName::new("news:42")?).join, Access::Nobody);
///
/// let hub: Hub = Hub::builder().namespaces(&namespaces).build();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Namespaces {
    default: Arc<Rules>,
    by_name: Arc<HashMap<Box<str>, Rules>>,
    /// The rules of rooms of unknown namespaces.
    others: Option<Arc<Rules>>,
}

impl Namespaces {
    /// Creates the rules by which nobody may do anything, to which others are [added](Self::with).
    pub fn closed() -> Self {
        Self { default: Arc::new(Rules::closed()), by_name: Arc::default(), others: None }
    }

    /// Creates the rules by which anybody may do everything in all rooms, which have presence and a
    /// history of 1,000 publications and one hour. Suitable for development and closed networks.
    pub fn open() -> Self {
        let open = Arc::new(Rules::open());
        Self { default: open.clone(), by_name: Arc::default(), others: Some(open) }
    }

    /// Sets the rules of rooms without `:`.
    pub fn default_rules(self, rules: Rules) -> Self {
        Self { default: Arc::new(rules), ..self }
    }

    /// Sets the rules of a namespace. A name with `:` is that of no namespace.
    pub fn with(mut self, name: &str, rules: Rules) -> Self {
        Arc::make_mut(&mut self.by_name).insert(name.into(), rules);
        self
    }

    /// Returns the rules of a room.
    pub fn rules(&self, room: &RoomName) -> &Rules {
        match room.as_str().split_once(':') {
            None => &self.default,
            Some((namespace, _)) => {
                self.by_name.get(namespace).or(self.others.as_deref()).unwrap_or(&CLOSED)
            }
        }
    }

    /// Returns whether a room has rules: rooms of unknown namespaces do not, unless the rules are
    /// [open](Self::open).
    pub fn knows(&self, room: &RoomName) -> bool {
        let namespace = room.as_str().split_once(':').map(|(namespace, _)| namespace);
        let is_known = |namespace| self.others.is_some() || self.by_name.contains_key(namespace);
        namespace.is_none_or(is_known)
    }
}
