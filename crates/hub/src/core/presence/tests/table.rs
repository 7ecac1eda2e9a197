use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::diff::TableEvent;
use super::super::table::{PresenceCounts, Table};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Put { room: u8, session: u8, user: u8, info: u8 },
    Remove { room: u8, session: u8 },
    List { room: u8 },
    Pass { quarters: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![
            (0..2_u8, 0..4_u8, 0..3_u8, 0..2_u8)
                .prop_map(|(room, session, user, info)| Step::Put { room, session, user, info }),
            (0..2_u8, 0..4_u8).prop_map(|(room, session)| Step::Remove { room, session }),
            (0..2_u8).prop_map(|room| Step::List { room }),
            (0..9_u8).prop_map(|quarters| Step::Pass { quarters }),
        ];
    vec(step, 0..80)
}

const QUARTER: Duration = Duration::from_millis(250);
const GRACE: u32 = 4;

/// A room in the plainest way: who is there, when each user was last seen, and what was told.
#[derive(Default)]
struct Plain {
    members: BTreeMap<SessionId, Profile>,
    seen: BTreeMap<UserId, Instant>,
    occupied: Option<Instant>,
    told: BTreeMap<SessionId, Profile>,
    told_users: BTreeSet<UserId>,
    told_occupied: bool,
    listed: bool,
    /// The list of a client that has listed the room once and applied the diffs since.
    client: Option<(BTreeMap<SessionId, Profile>, BTreeSet<UserId>)>,
}

impl Plain {
    /// Notes who is there until now.
    fn see(&mut self, now: Instant) {
        for user in self.members.values().filter_map(|profile| profile.user.clone()) {
            self.seen.insert(user, now);
        }
        if !self.members.is_empty() {
            self.occupied = Some(now);
        }
    }

    fn users(&self, now: Instant) -> BTreeSet<UserId> {
        let present = self.seen.iter().filter(|&(_, &seen)| now < seen + GRACE * QUARTER);
        let there = self.members.values().filter_map(|profile| profile.user.clone());
        present.map(|(user, _)| user.clone()).chain(there).collect()
    }

    fn is_occupied(&self, now: Instant) -> bool {
        !self.members.is_empty() || self.occupied.is_some_and(|seen| now < seen + GRACE * QUARTER)
    }

    fn apply(&mut self, diff: &PresenceDiff, max_diff: usize) {
        let sessions = diff.joined.len() + diff.updated.len() + diff.left.len();
        let users = diff.users_joined.len() + diff.users_left.len();
        assert!((1..=max_diff).contains(&(sessions + users)));
        if let Some((sessions, users)) = &mut self.client {
            let joined = diff.joined.iter().chain(&diff.updated);
            sessions.extend(joined.map(|member| (member.session, member.profile.clone())));
            sessions.retain(|session, _| diff.left.iter().all(|left| left.session != *session));
            users.extend(diff.users_joined.iter().cloned());
            users.retain(|user| !diff.users_left.contains(user));
        }
        for member in &diff.joined {
            let new = self.told.insert(member.session, member.profile.clone()).is_none();
            assert!(new || self.listed, "joined twice");
        }
        for member in &diff.updated {
            let known = self.told.insert(member.session, member.profile.clone()).is_some();
            assert!(known || self.listed, "updated before it joined");
        }
        for member in &diff.left {
            assert!(self.told.remove(&member.session).is_some() || self.listed, "left twice");
        }
        for user in &diff.users_joined {
            assert!(self.told_users.insert(user.clone()) || self.listed, "user joined twice");
        }
        for user in &diff.users_left {
            assert!(self.told_users.remove(user) || self.listed, "user left twice");
        }
    }
}

fn check(steps: Vec<Step>, max_diff: usize) {
    let grace = GRACE * QUARTER;
    let config = PresenceConfig { grace, diff_delay: QUARTER, max_diff, ..Default::default() };
    let mut table = Table::new(config);
    let rooms = [room("a"), room("b")];
    let mut plain = [Plain::default(), Plain::default()];
    let mut now = Instant::now();
    // Only the first room is watched.
    table.watch(&rooms[0]);
    let session = |number: u8| SessionId { node: NodeId(1), number: number.into() };
    for step in steps.into_iter().chain([Step::Pass { quarters: 9 }]) {
        match step {
            Step::Put { room, session: number, user, info } => {
                let user = (user > 0).then(|| UserId::new(&user.to_string()));
                let profile = Profile { user, info: vec![info].into() };
                let plain = &mut plain[usize::from(room)];
                plain.see(now);
                let previous = plain.members.insert(session(number), profile.clone());
                let room = &rooms[usize::from(room)];
                let (_, told) = table.put(now, room, session(number), &profile).unwrap();
                assert_eq!(told, previous);
            }
            Step::Remove { room, session: number } => {
                let plain = &mut plain[usize::from(room)];
                plain.see(now);
                let previous = plain.members.remove(&session(number));
                let key = table.key(&rooms[usize::from(room)]);
                let removed = key.and_then(|key| table.remove(now, key, session(number)));
                assert_eq!(removed, previous);
            }
            Step::List { room } => {
                let plain = &mut plain[usize::from(room)];
                let room = &rooms[usize::from(room)];
                let sessions = table.list_members(room, None, 9).items.into_iter();
                let sessions = sessions.map(|member| (member.session, member.profile)).collect();
                let users = table.list_users(room, None, 9).items.into_iter().collect();
                plain.listed = true;
                plain.client.get_or_insert((sessions, users));
            }
            Step::Pass { quarters } => {
                for _ in 0..quarters {
                    now += QUARTER;
                    for plain in &mut plain {
                        plain.see(now);
                    }
                    table.handle_timeout(now);
                    poll(&mut table, &rooms, &mut plain, now, max_diff);
                }
            }
        }
        for (plain, room) in plain.iter_mut().zip(&rooms) {
            plain.see(now);
            compare(&table, plain, room, now);
        }
    }
    for (plain, room) in plain.iter().zip(&rooms) {
        compare_lists(&mut table, plain, room, now);
    }
    let users = plain[0].users(now);
    if let Some(client) = &plain[0].client {
        assert_eq!(*client, (plain[0].members.clone(), users));
    }
    assert_eq!(plain[0].told, plain[0].members);
    assert!(plain[1].told.is_empty(), "the second room is not watched");
    let occupied = plain.iter().filter(|plain| !plain.members.is_empty()).count();
    let unused = usize::from(plain[0].members.is_empty());
    assert_eq!(table.rooms_len(), occupied + unused, "rooms without use are forgotten");
}

fn poll(
    table: &mut Table,
    rooms: &[RoomName; 2],
    plain: &mut [Plain; 2],
    now: Instant,
    max_diff: usize,
) {
    let place = |room: &RoomName| usize::from(*room == rooms[1]);
    while let Some(event) = table.poll() {
        match event {
            TableEvent::Diff(room, diff) => plain[place(&room)].apply(&diff, max_diff),
            TableEvent::Occupied(room) => {
                let plain = &mut plain[place(&room)];
                assert!(!plain.told_occupied && plain.is_occupied(now));
                plain.told_occupied = true;
            }
            TableEvent::Vacated(room) => {
                let plain = &mut plain[place(&room)];
                assert!(plain.told_occupied && !plain.is_occupied(now));
                plain.told_occupied = false;
            }
        }
    }
    for plain in plain {
        assert_eq!(plain.told_occupied, plain.is_occupied(now));
    }
}

fn compare(table: &Table, plain: &Plain, room: &RoomName, now: Instant) {
    let users = plain.users(now);
    let counts = PresenceCounts { sessions: plain.members.len(), users: users.len() };
    assert_eq!(table.counts(room), counts);
    let anonymous = plain.members.values().filter(|profile| profile.user.is_none()).count();
    assert_eq!(table.anonymous(room), anonymous);
    let key = table.key(room);
    for (session, profile) in &plain.members {
        assert_eq!(key.and_then(|key| table.profile(key, *session)), Some(profile));
    }
}

fn compare_lists(table: &mut Table, plain: &Plain, room: &RoomName, now: Instant) {
    let (mut sessions, mut after) = (Vec::new(), None);
    loop {
        let page = table.list_members(room, after, 2);
        sessions.extend(page.items.into_iter().map(|member| (member.session, member.profile)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(sessions.into_iter().eq(plain.members.clone()));
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = table.list_users(room, after, 1);
        listed.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(listed.into_iter().eq(plain.users(now)));
}

proptest! {
    #[test]
    fn a_table_agrees_with_a_plain_model(steps in steps(), max_diff in 1..9_usize) {
        check(steps, max_diff);
    }
}

#[test]
fn occupied_rooms_are_listed_in_pages() {
    let mut table = Table::new(PresenceConfig::default());
    let session = SessionId { node: NodeId(1), number: 1 };
    for name in ["c", "a", "b"] {
        table.put(Instant::now(), &room(name), session, &Profile::default()).unwrap();
    }
    table.watch(&room("watched"));
    let first = table.list_rooms(None, 2);
    let names = |page: &[(RoomName, PresenceCounts)]| -> Vec<_> {
        page.iter().map(|(room, counts)| (room.to_string(), counts.sessions)).collect()
    };
    assert_eq!(names(&first.items), [("a".into(), 1), ("b".into(), 1)]);
    let second = table.list_rooms(first.next, 2);
    assert_eq!(names(&second.items), [("c".into(), 1)]);
    assert_eq!(second.next, None);
}
