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
    users: HashMap<UserId, Vec<u32>>,
}

#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    session: Option<Arc<SessionShared<S>>>,
}

impl<S> Registry<S> {
    pub(crate) fn new(node: NodeId) -> Self {
        Self { node, slots: Vec::new(), vacant: Vec::new(), users: HashMap::new() }
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

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }
}
