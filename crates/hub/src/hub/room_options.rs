use std::collections::VecDeque;
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

/// The maximum number of different properties that rooms share. Chosen: more than the namespaces of
/// most hubs; all are compared when a room is created.
const MAX_SHARED: usize = 16;

/// The latest properties of rooms, so that rooms with equal properties share them.
#[derive(Debug, Default)]
pub(super) struct SharedOptions {
    latest: VecDeque<Arc<RoomOptions>>,
}

impl SharedOptions {
    /// Returns known properties that are equal to `options`, or keeps and returns `options`.
    pub(super) fn share(&mut self, options: Arc<RoomOptions>) -> Arc<RoomOptions> {
        if let Some(known) = self.latest.iter().find(|known| **known == options) {
            return known.clone();
        }
        if self.latest.len() == MAX_SHARED {
            self.latest.pop_front();
        }
        self.latest.push_back(options.clone());
        options
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_properties_are_shared_and_those_that_are_kept_are_bounded() {
        let mut shared = SharedOptions::default();
        let first = shared.share(Arc::new(RoomOptions::new().presence()));
        assert!(Arc::ptr_eq(&first, &shared.share(Arc::new(RoomOptions::new().presence()))));
        for tag in 0..100 {
            let other = Arc::new(RoomOptions::new().key_tag(&tag.to_string()));
            assert!(Arc::ptr_eq(&other, &shared.share(other.clone())));
            assert!(shared.latest.len() <= MAX_SHARED);
        }
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
