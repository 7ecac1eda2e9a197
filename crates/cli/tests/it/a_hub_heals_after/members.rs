//! The checker of the presence of a case: compares the joins and leaves that each observer was told
//! with the sessions that there were.
//!
//! - At the end, every node lists the sessions that are there, and no other.
//! - An observer is told of one leave of a session, after the session's end. Where the lease of the
//!   session's node may have ended, the session may also leave and come back.
//! - An observer that was there when a session ended is told of it.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use sockeye_hub::core::SessionId;

/// The time for which a client may notice the end of its session later than the hub.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// The life of a session in the room.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) session: SessionId,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
    /// `true` if the lease of the session's node may end during the case.
    pub(crate) may_expire: bool,
}

/// A change of the room's presence that an observer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The observer itself is in the room, for the first time or again.
    Began,
    /// The observer lost its connection.
    Ended,
    Joined(SessionId),
    Left(SessionId),
}

/// The presence of a case after its end.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    pub(crate) lives: Vec<Life>,
    /// The changes that each observer was told, by its name.
    pub(crate) told: Vec<(String, Vec<(Instant, Change)>)>,
    /// The members that each node lists at the end.
    pub(crate) lists: Vec<BTreeSet<SessionId>>,
}

impl Presence {
    /// Returns the number of leaves that were told, or all violations.
    pub(crate) fn check(&self) -> Result<usize, Vec<String>> {
        let mut violations = Vec::new();
        let live: BTreeSet<_> = self.live().map(|life| life.session).collect();
        for (node, list) in self.lists.iter().enumerate() {
            if *list != live {
                violations.push(format!("node {node} lists {list:?}, not {live:?}"));
            }
        }
        let mut leaves = 0;
        for (name, told) in &self.told {
            // What an observer was told before it lost its connection is no longer its business.
            for connection in told.split(|(_, change)| *change == Change::Ended) {
                leaves += self.connection(name, connection, &mut violations);
            }
            let is_connected = told.last().is_some_and(|(_, change)| *change != Change::Ended);
            let last = told.rsplit(|(_, change)| *change == Change::Ended).next();
            match last {
                Some(connection) if is_connected => self.end(name, connection, &mut violations),
                _ => violations.push(format!("{name} is not in the room at the end")),
            }
        }
        violations.truncate(20);
        if violations.is_empty() { Ok(leaves) } else { Err(violations) }
    }

    fn live(&self) -> impl Iterator<Item = &Life> {
        self.lives.iter().filter(|life| life.ended.is_none())
    }

    /// Checks each leave that was told over a connection; returns their number.
    fn connection(
        &self,
        name: &str,
        told: &[(Instant, Change)],
        violations: &mut Vec<String>,
    ) -> usize {
        let mut present = HashMap::new();
        let mut leaves = 0;
        for (now, change) in told {
            match change {
                Change::Joined(session) => {
                    present.insert(session, true);
                }
                Change::Left(session) => {
                    leaves += 1;
                    if present.insert(session, false) == Some(false) {
                        violations.push(format!("{name} was told twice that {session} left"));
                    }
                    let life = self.lives.iter().find(|life| life.session == *session);
                    let has_left = life.is_some_and(|life| {
                        let ended = life.ended.is_some_and(|ended| ended <= *now + NOTICED_WITHIN);
                        life.may_expire || ended
                    });
                    if !has_left {
                        violations.push(format!("{name} was told that {session} left: {life:?}"));
                    }
                }
                Change::Began | Change::Ended => {}
            }
        }
        leaves
    }

    /// Checks that an observer knows who is there at the end.
    fn end(&self, name: &str, told: &[(Instant, Change)], violations: &mut Vec<String>) {
        let Some((began, _)) = told.first() else { return };
        for life in &self.lives {
            let last = told.iter().rev().find_map(|(_, change)| match change {
                Change::Joined(session) if *session == life.session => Some(true),
                Change::Left(session) if *session == life.session => Some(false),
                _ => None,
            });
            let session = life.session;
            match life.ended {
                None if last == Some(false) => {
                    violations.push(format!("{name} was not told that {session} is there again"));
                }
                // It was there for long enough to be a member before the observer began.
                Some(ended) if ended > *began + NOTICED_WITHIN => {
                    let was_long = ended > life.began + 2 * NOTICED_WITHIN;
                    if was_long && last != Some(false) {
                        violations.push(format!("{name} was not told that {session} left"));
                    }
                }
                _ => {}
            }
        }
    }
}

mod tests {
    use sockeye_hub::core::NodeId;

    use super::*;

    fn session(number: u64) -> SessionId {
        SessionId { node: NodeId(7), number }
    }

    /// Returns a case in which session 3 ended 10 s after the beginning, and session 4 began after
    /// it: session 1 observes it all, session 2 since it has returned as 4.
    fn good(start: Instant) -> Presence {
        let second = |seconds| start + Duration::from_secs(seconds);
        let life = |number, began, ended: Option<u64>| Life {
            session: session(number),
            began: second(began),
            ended: ended.map(second),
            may_expire: false,
        };
        let told = |changes: &[(u64, Change)]| {
            changes.iter().map(|(at, change)| (second(*at), *change)).collect::<Vec<_>>()
        };
        let first = told(&[
            (0, Change::Began),
            (1, Change::Joined(session(3))),
            (17, Change::Left(session(3))),
            (20, Change::Joined(session(4))),
        ]);
        let second = told(&[(1, Change::Began), (10, Change::Ended), (20, Change::Began)]);
        Presence {
            lives: vec![life(1, 0, None), life(3, 1, Some(10)), life(4, 20, None)],
            told: vec![("first".into(), first), ("second".into(), second)],
            lists: vec![[session(1), session(4)].into(); 2],
        }
    }

    /// Checks that the checker complains about a changed case, with these words.
    fn complains(change: impl FnOnce(&mut Presence), words: &str) {
        let mut presence = good(Instant::now());
        assert_eq!(presence.check(), Ok(1));
        change(&mut presence);
        let violations = presence.check().expect_err(words);
        assert!(violations.iter().any(|text| text.contains(words)), "{words}: {violations:?}");
    }

    #[test]
    fn a_ghost_and_a_missing_member_are_found() {
        let add = |presence: &mut Presence| assert!(presence.lists[1].insert(session(3)));
        complains(add, "node 1 lists");
        let remove = |presence: &mut Presence| assert!(presence.lists[0].remove(&session(4)));
        complains(remove, "node 0 lists");
    }

    #[test]
    fn a_second_leave_is_found() {
        let repeat = |presence: &mut Presence| {
            let leave = presence.told[0].1[2];
            presence.told[0].1.push(leave);
        };
        complains(repeat, "told twice");
    }

    #[test]
    fn a_leave_of_a_session_that_is_there_is_found() {
        let leave = |presence: &mut Presence| presence.told[0].1[2].1 = Change::Left(session(4));
        complains(leave, "was told that 7-4 left");
        // Too early.
        let leave = |presence: &mut Presence| {
            presence.told[0].1[2].0 -= Duration::from_secs(9);
        };
        complains(leave, "was told that 7-3 left");
    }

    #[test]
    fn a_session_of_an_expired_node_may_leave_and_come_back() {
        let mut presence = good(Instant::now());
        presence.lives[2].may_expire = true;
        let now = presence.told[0].1[3].0;
        presence.told[0].1.push((now, Change::Left(session(4))));
        let violations = presence.check().unwrap_err();
        assert!(violations[0].contains("is there again"), "{violations:?}");
        presence.told[0].1.push((now, Change::Joined(session(4))));
        assert_eq!(presence.check(), Ok(2));
    }

    #[test]
    fn a_leave_that_is_not_told_is_found() {
        let forget = |presence: &mut Presence| {
            presence.told[0].1.remove(2);
        };
        complains(forget, "was not told that 7-3 left");
    }

    #[test]
    fn an_observer_that_has_not_returned_is_found() {
        complains(|presence| presence.told[1].1.truncate(2), "second is not in the room");
    }
}
