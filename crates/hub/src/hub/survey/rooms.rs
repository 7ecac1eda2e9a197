use std::collections::{BTreeMap, BinaryHeap};

use super::codec::{Answer, Question};
use super::query::RoomQuery;
use crate::core::presence::{PresenceCounts, PresencePage};
use crate::core::{NodeId, RoomKey, RoomName};
use crate::error::Result;
use crate::hub::{Hub, Shared};

/// The number of keys that are looked at while the rooms are locked. Chosen: some 50 µs.
const CHUNK: u32 = 4_096;

/// A room with members: see [`Hub::list_rooms`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomReport {
    /// The room.
    pub room: RoomName,
    /// The number of its sessions, on all nodes that answered.
    pub sessions: u64,
}

/// A page of a list of rooms: see [`Hub::list_rooms`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomList {
    /// The rooms, sorted by name.
    pub rooms: Vec<RoomReport>,
    /// The room after which the next page begins; `None` on the last page.
    pub next: Option<RoomName>,
    /// The nodes that did not answer within two seconds, whose rooms and sessions are missing.
    pub silent: Vec<NodeId>,
}

impl<S: Send + Sync + 'static> Hub<S> {
    /// Lists rooms that have members, sorted by name, over all nodes: asks them, and returns when
    /// all have answered, or after two seconds. Up to four such questions are asked at a time;
    /// others wait. Each node looks at the names of all its rooms.
    ///
    /// Rooms that become occupied or empty meanwhile may be listed or not. Rooms with presence are
    /// listed by [`occupied_rooms`](Self::occupied_rooms) without asking.
    ///
    /// # Errors
    /// [`HubError::Bus`](crate::HubError::Bus) if the other nodes could not be asked.
    pub async fn list_rooms(&self, query: &RoomQuery) -> Result<RoomList> {
        let survey = self.shared.survey(&Question::Rooms(query.clone())).await?;
        let mut rooms: BTreeMap<RoomName, u64> = BTreeMap::new();
        let mut more = false;
        for (_, _, answer) in survey.answers {
            let Answer::Rooms { rooms: found, more: has_more } = answer else { continue };
            more |= has_more;
            for (room, sessions) in found {
                *rooms.entry(room).or_default() += sessions;
            }
        }
        // A node with more rooms has listed as many as the limit: what the limit lets through is
        // complete.
        more |= rooms.len() > query.limit;
        let rooms: Vec<_> = rooms
            .into_iter()
            .take(query.limit)
            .map(|(room, sessions)| RoomReport { room, sessions })
            .collect();
        let next = rooms.last().filter(|_| more).map(|last| last.room.clone());
        Ok(RoomList { rooms, next, silent: survey.silent })
    }
}

impl<S> Hub<S> {
    /// Lists up to `limit` rooms with [presence](crate::RoomOptions::presence) that have members on
    /// any node, sorted by name; the first page with `None`, each further one with the cursor of
    /// its predecessor. Their sessions and users are those that this node knows of.
    pub fn occupied_rooms(
        &self,
        after: Option<RoomName>,
        limit: usize,
    ) -> PresencePage<(RoomName, PresenceCounts), RoomName> {
        self.shared.presence().list_rooms(after, limit)
    }
}

impl<S> Shared<S> {
    /// Finds the first rooms of this node that match a query.
    pub(super) async fn find_rooms(&self, query: &RoomQuery) -> Answer {
        // The greatest of the rooms so far is on top.
        let mut found: BinaryHeap<(RoomName, u64)> = BinaryHeap::new();
        let mut more = false;
        let mut first = 0;
        loop {
            {
                let rooms = self.rooms();
                let bound = rooms.topics.key_bound();
                if first >= bound {
                    break;
                }
                let end = first.saturating_add(CHUNK).min(bound);
                for key in (first..end).map(RoomKey) {
                    let Some(name) = rooms.topics.name(key).filter(|name| query.matches(name))
                    else {
                        continue;
                    };
                    let is_full = found.len() >= query.limit;
                    more |= is_full;
                    if is_full && found.peek().is_some_and(|(last, _)| name > last) {
                        continue;
                    }
                    found.push((name.clone(), rooms.topics.members(key).len() as u64));
                    if is_full {
                        found.pop();
                    }
                }
                first = end;
            }
            tokio::task::yield_now().await;
        }
        Answer::Rooms { rooms: found.into_sorted_vec(), more }
    }
}
