use std::time::Duration;

use sockeye_hub::core::presence::Profile;
use sockeye_hub::core::{RoomName, SessionId, UserId};

use crate::presence::bus::Faults;
use crate::presence::observer::Lister;
use crate::presence::world::{Plan, World};

/// Acts on rooms, sessions and profiles that the generator chooses.
impl World {
    /// Ends all faults but the death of nodes, some of which return later.
    pub(crate) fn calm_down(&mut self) {
        self.bus.faults = Faults::NONE;
        self.bus.cuts.clear();
        self.bus.up = true;
        self.plans.retain(|_, plan| !matches!(plan, Plan::LinkDown(_)));
        for place in 0..self.nodes.len() {
            if self.nodes[place].paused {
                self.plan(Duration::ZERO, Plan::Resume(place));
            }
            self.plan(Duration::from_millis(1), Plan::LinkUp(place));
        }
    }

    pub(crate) fn join_any(&mut self, place: usize, session: SessionId) {
        let room = self.any_room();
        let profile = self.any_profile();
        self.join(place, &room, session, &profile);
    }

    pub(crate) fn update_any(&mut self, place: usize) {
        let Some(session) = self.any_session(place) else { return };
        let rooms = self.model.rooms_of(session);
        if rooms.is_empty() {
            return;
        }
        let room = rooms[self.rng.below(rooms.len())].clone();
        let info = self.any_profile().info;
        let mut profile = self.model.members[&(room.clone(), session)].clone();
        profile.info = info.clone();
        self.model.put(&room, session, profile);
        self.call(place, |presence, now| presence.update(now, &room, session, &info).unwrap());
    }

    pub(crate) fn disconnect_any(&mut self, place: usize) {
        let Some(session) = self.any_session(place) else { return };
        let rooms = self.model.rooms_of(session);
        for room in &rooms {
            self.model.remove(room, session);
        }
        let left = self.call(place, |presence, now| presence.leave_all(now, session));
        assert_eq!(left, rooms.len());
        self.nodes[place].sessions.retain(|&other| other != session);
    }

    /// A client joins and begins to list a room.
    pub(crate) fn list(&mut self, place: usize) {
        let room = self.any_room();
        self.nodes[place].lister = Some((room, Lister::default()));
    }

    pub(crate) fn read_list(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let (Some((room, lister)), Some(presence)) = (&mut node.lister, &mut node.presence) else {
            return;
        };
        node.observer.listed.insert(room.clone());
        lister.read(presence, room, 3);
    }

    pub(crate) fn any_room(&mut self) -> RoomName {
        let index = self.rng.below(self.rooms.len());
        self.rooms[index].clone()
    }

    pub(crate) fn any_session(&mut self, place: usize) -> Option<SessionId> {
        self.rng.choose(&self.nodes[place].sessions)
    }

    fn any_profile(&mut self) -> Profile {
        let user = self.rng.below(8);
        let user = (user > 0).then(|| UserId::new(&format!("user {user}")));
        Profile { user, info: format!("{}", self.rng.below(3)).into() }
    }
}
