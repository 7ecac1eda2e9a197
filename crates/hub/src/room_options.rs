use std::sync::Arc;

use crate::core::Publication;
use crate::core::history::Retention;
use crate::core::outbox::DeliveryPolicy;

/// The properties of a room. Every node of a hub must give a room the same ones.
///
/// ```
/// use sockeye_hub::RoomOptions;
/// use sockeye_hub::core::history::Retention;
/// use sockeye_hub::core::outbox::DeliveryPolicy;
///
/// let chat = RoomOptions::new().history(Retention::default()).policy(DeliveryPolicy::CatchUp);
/// let prices = RoomOptions::new().policy(DeliveryPolicy::LatestByKey).key_tag("symbol");
/// # let _ = (chat, prices);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomOptions {
    pub(crate) retention: Option<Retention>,
    pub(crate) policy: DeliveryPolicy,
    pub(crate) key_tag: Option<Box<str>>,
    pub(crate) presence: bool,
}

impl RoomOptions {
    /// Creates the properties of a room without history, whose oldest publications are dropped for
    /// members that read too slowly.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a history of the room's publications, from which members recover what they missed.
    /// Publications then have positions, and all members receive them in one order. Default: none.
    pub fn history(self, retention: Retention) -> Self {
        Self { retention: Some(retention), ..self }
    }

    /// Keeps a list of the room's members on all nodes, and tells the members who joins and leaves:
    /// see [`Encoder::presence`](crate::Encoder::presence). Default: none.
    pub fn presence(self) -> Self {
        Self { presence: true, ..self }
    }

    /// Sets what happens to publications for members that read too slowly. Default:
    /// [`DeliveryPolicy::DropOldest`]. Under a policy by key, live publications are delivered
    /// without their positions, as they may overtake others: a client that returns presents the
    /// position of its join, and may receive publications that it has had.
    ///
    /// # Panics
    /// For [`DeliveryPolicy::Wait`]: one member would hold up the room for all others.
    pub fn policy(self, policy: DeliveryPolicy) -> Self {
        assert!(policy != DeliveryPolicy::Wait, "a room does not wait for its slowest member");
        Self { policy, ..self }
    }

    /// Sets the tag whose value is the key of a publication, under a policy by key. Publications
    /// without it share one key. Default: none.
    pub fn key_tag(self, name: &str) -> Self {
        Self { key_tag: Some(name.into()), ..self }
    }

    /// Returns the key of a publication, if its policy needs one.
    pub(crate) fn key(&self, publication: &Publication) -> Option<Arc<str>> {
        let name = self.key_tag.as_deref()?;
        let tag = publication.tags.iter().find(|(tag, _)| **tag == *name);
        tag.map(|(_, value)| (&**value).into())
    }
}
