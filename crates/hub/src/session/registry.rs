use std::collections::HashMap;
use std::sync::Arc;

use super::SessionShared;
use crate::core::{NodeId, SessionId, UserId};

/// The sessions of this node, by slot, identity and user.
///
/// A session's number is its slot in the low 32 bits, and above them the number of sessions that
/// had the slot before: no number is used twice.
#[derive(Debug)]
pub(crate) struct Registry<S> {
    node: NodeId,
    slots: Vec<Slot<S>>,
    vacant: Vec<u32>,
    /// The number of sessions. Slots may be neither in use nor vacant.
    len: usize,
    users: HashMap<UserId, Vec<u32>>,
}

#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    session: Option<Arc<SessionShared<S>>>,
}

impl<S> Registry<S> {
    pub(crate) fn new(node: NodeId) -> Self {
        Self { node, slots: Vec::new(), vacant: Vec::new(), len: 0, users: HashMap::new() }
    }

    /// Adds the session that `new` creates for a slot and an identity.
    ///
    /// # Panics
    /// With more than four billion sessions, for which there is no memory.
    pub(crate) fn insert(
        &mut self,
        user: Option<&UserId>,
        new: impl FnOnce(u32, SessionId) -> Arc<SessionShared<S>>,
    ) -> Arc<SessionShared<S>> {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, session: None });
            u32::try_from(self.slots.len() - 1).expect("sessions of so many bytes fit no memory")
        });
        let place = &mut self.slots[slot as usize];
        let number = u64::from(place.generation) << 32 | u64::from(slot);
        let session = new(slot, SessionId { node: self.node, number });
        place.session = Some(session.clone());
        self.len += 1;
        if let Some(user) = user {
            self.users.entry(user.clone()).or_default().push(slot);
        }
        session
    }

    /// Removes a session. A slot whose generations are used up is not used again.
    pub(crate) fn remove(&mut self, session: &SessionShared<S>) {
        let Some(place) = self.slots.get_mut(session.slot as usize) else { return };
        if place.session.as_ref().is_none_or(|present| present.id != session.id) {
            return;
        }
        place.session = None;
        self.len -= 1;
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.vacant.push(session.slot);
        }
        let Some(user) = &session.user else { return };
        if let Some(slots) = self.users.get_mut(user) {
            slots.retain(|slot| *slot != session.slot);
            if slots.is_empty() {
                self.users.remove(user);
            }
        }
    }

    pub(crate) fn by_slot(&self, slot: u32) -> Option<&Arc<SessionShared<S>>> {
        self.slots.get(slot as usize)?.session.as_ref()
    }

    pub(crate) fn by_id(&self, id: SessionId) -> Option<&Arc<SessionShared<S>>> {
        // The low half is the slot.
        #[allow(clippy::cast_possible_truncation, reason = "the low 32 bits are meant")]
        let session = self.by_slot(id.number as u32)?;
        (session.id == id).then_some(session)
    }

    pub(crate) fn by_user(&self, user: &UserId) -> impl Iterator<Item = &Arc<SessionShared<S>>> {
        let slots = self.users.get(user).map_or(&[][..], Vec::as_slice);
        slots.iter().filter_map(|slot| self.by_slot(*slot))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SessionShared<S>>> {
        self.slots.iter().filter_map(|slot| slot.session.as_ref())
    }

    pub(crate) fn user_count(&self) -> usize {
        self.users.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use sockeye::split::TrySendError;
    use sockeye::{CapacityFuture, CloseCode, Outlet, Prepared, UsageError};

    use super::*;
    use crate::core::outbox::OutboxLimits;
    use crate::encoder::Plain;
    use crate::session::Connection;

    #[derive(Debug)]
    struct Nowhere;

    impl Outlet for Nowhere {
        fn try_send_prepared(&self, _: &Prepared) -> Result<(), TrySendError<()>> {
            Ok(())
        }

        fn wait_for_capacity(&self, _: usize) -> CapacityFuture<'_> {
            Box::pin(async {})
        }

        fn close(&self, _: CloseCode, _: &str) -> Result<(), UsageError> {
            Ok(())
        }

        fn abort(&self) {}

        fn is_closed(&self) -> bool {
            false
        }
    }

    fn insert(registry: &mut Registry<()>) -> Arc<SessionShared<()>> {
        let (encoder, limits) = (Arc::new(Plain), OutboxLimits::default());
        let connection = Connection::other(Box::new(Nowhere), encoder, limits);
        registry.insert(None, |slot, id| {
            Arc::new(SessionShared::new(id, slot, None, (), connection, None))
        })
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_holds_no_session() {
        let mut registry = Registry::new(NodeId(1));
        let first = insert(&mut registry);
        registry.remove(&first);
        registry.slots[0].generation = u32::MAX;
        let last = insert(&mut registry);
        assert_eq!((last.slot, registry.len()), (0, 1));
        registry.remove(&last);
        registry.remove(&last);
        assert_eq!(registry.len(), 0);
        let next = insert(&mut registry);
        assert_eq!((next.slot, registry.len()), (1, 1));
        assert!(registry.by_id(last.id).is_none());
    }
}
