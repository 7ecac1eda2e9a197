use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::core::RoomName;
use crate::core::continuity::Ask;

/// The number of questions about histories that a node asks its bus at a time. Chosen: enough to
/// use a broker in another data centre, and few enough that none times out in its queue.
pub(super) const MAX_ASKERS: usize = 128;

/// The least time between two rounds of questions because of lost events. Chosen: a node that is
/// too slow for its events is to spend little of its time on rounds, and the last publication of a
/// room is the only one that nothing else shows to be missing.
const ROUND_INTERVAL: Duration = Duration::from_secs(1);

/// The questions of the rooms to the store: one at a time for each room, asked by a bounded number
/// of tasks.
///
/// ```text
///          ask               take             answered
///   idle ───────► waiting ─────────► asked ──────────────► idle
///                 │     ▲              │
///                 └─────┘              └─► waiting: asked for another question meanwhile
///              ask: replaced
/// ```
///
/// A question that waits is replaced by a newer one in its place, so that all rooms get an answer
/// to their latest question after an outage, however many rooms there are and however slow the
/// store is.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// The rooms that are not idle.
    rooms: HashMap<RoomName, Slot>,
    /// The rooms whose question waits, each once.
    queue: VecDeque<RoomName>,
    /// The number of tasks that ask.
    askers: usize,
    /// The number of rooms whose question of the last round has no answer yet.
    in_round: usize,
    /// `true` if another round was requested.
    requested: bool,
    /// The earliest time of the next requested round.
    round_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Slot {
    waiting: Option<Ask>,
    /// `true` while the store is asked.
    asked: bool,
    /// `true` if the chain whose question is asked is not the room's chain any more.
    outdated: bool,
    in_round: bool,
}

impl Questions {
    /// Sets the question of a room. Returns whether the caller is to start one more task that asks.
    #[must_use]
    pub(super) fn ask(&mut self, room: &RoomName, ask: Ask) -> bool {
        let slot = self.rooms.entry(room.clone()).or_default();
        let waited = slot.waiting.replace(ask).is_some();
        if !waited && !slot.asked {
            self.queue.push_back(room.clone());
        }
        let starts = !self.queue.is_empty() && self.askers < MAX_ASKERS;
        self.askers += usize::from(starts);
        starts
    }

    /// Sets the question of a room like [`ask`](Self::ask), as a part of a round: the next
    /// requested round begins when the rooms of this one are idle.
    #[must_use]
    pub(super) fn ask_in_round(&mut self, room: &RoomName, ask: Ask) -> bool {
        let starts = self.ask(room, ask);
        if let Some(slot) = self.rooms.get_mut(room) {
            self.in_round += usize::from(!slot.in_round);
            slot.in_round = true;
        }
        starts
    }

    /// Takes the next question for a task that asks; `None` ends the task.
    pub(super) fn take(&mut self) -> Option<(RoomName, Ask)> {
        while let Some(room) = self.queue.pop_front() {
            let Some(slot) = self.rooms.get_mut(&room) else { continue };
            if let Some(ask) = slot.waiting.take() {
                slot.asked = true;
                return Some((room, ask));
            }
        }
        self.askers -= 1;
        None
    }

    /// Notes that the store has answered. Returns whether the answer is for the room's chain. Once
    /// the answer was handled, [`settle`](Self::settle) follows.
    pub(super) fn on_answer(&mut self, room: &RoomName) -> bool {
        let Some(slot) = self.rooms.get_mut(room) else { return false };
        slot.asked = false;
        if slot.waiting.is_some() {
            self.queue.push_back(room.clone());
        }
        !std::mem::take(&mut slot.outdated)
    }

    /// Forgets a room that has no further question. Returns whether a requested round may begin.
    pub(super) fn settle(&mut self, room: &RoomName) -> bool {
        if self.rooms.get(room).is_none_or(|slot| slot.asked || slot.waiting.is_some()) {
            return false;
        }
        let in_round = self.rooms.remove(room).is_some_and(|slot| slot.in_round);
        self.in_round -= usize::from(in_round);
        in_round && self.in_round == 0 && self.requested
    }

    /// Cancels the questions of a room, which gets another chain. Returns whether a requested round
    /// may begin.
    pub(super) fn cancel(&mut self, room: &RoomName) -> bool {
        let Some(slot) = self.rooms.get_mut(room) else { return false };
        slot.outdated = slot.asked;
        if slot.waiting.take().is_some() && !slot.asked {
            self.queue.retain(|queued| queued != room);
        }
        self.settle(room)
    }

    /// Cancels all questions that wait, as the link of the bus broke.
    pub(super) fn cancel_all(&mut self) {
        self.queue.clear();
        self.rooms.retain(|_, slot| {
            slot.waiting = None;
            slot.asked
        });
        self.in_round = self.rooms.values().filter(|slot| slot.in_round).count();
    }

    /// Returns whether a question of the room waits or is asked.
    pub(super) fn is_busy(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    /// Requests a round of questions to all rooms.
    pub(super) fn request_round(&mut self) {
        self.requested = true;
    }

    /// Returns whether a requested round is to begin now, which the caller then does.
    pub(super) fn take_round(&mut self, now: Instant) -> bool {
        let begins = self.requested
            && self.in_round == 0
            && self.round_at.is_none_or(|round_at| round_at <= now);
        if begins {
            self.requested = false;
            self.round_at = Some(now + ROUND_INTERVAL);
        }
        begins
    }

    /// Returns when [`take_round`](Self::take_round) is to be called again, if it is known.
    pub(super) fn next_round(&self) -> Option<Instant> {
        self.round_at.filter(|_| self.requested && self.in_round == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::continuity::Question;

    fn ask(token: u64) -> Ask {
        Ask { token, question: Question::Top }
    }

    fn room(name: &str) -> RoomName {
        RoomName::new(name).unwrap()
    }

    #[test]
    fn a_waiting_question_is_replaced_in_its_place() {
        let mut questions = Questions::default();
        assert!(questions.ask(&room("a"), ask(0)));
        assert!(questions.ask(&room("b"), ask(0)));
        let _ = questions.ask(&room("a"), ask(1));
        assert_eq!(questions.take(), Some((room("a"), ask(1))));
        assert_eq!(questions.take(), Some((room("b"), ask(0))));
        assert_eq!(questions.take(), None);
    }

    #[test]
    fn a_room_is_asked_once_at_a_time() {
        let mut questions = Questions::default();
        assert!(questions.ask(&room("a"), ask(0)));
        assert!(questions.take().is_some());
        assert!(!questions.ask(&room("a"), ask(1)), "nothing to take before the answer");
        let _ = questions.ask(&room("a"), ask(2));
        assert!(questions.on_answer(&room("a")));
        questions.settle(&room("a"));
        assert_eq!(questions.take(), Some((room("a"), ask(2))));
        assert!(questions.on_answer(&room("a")));
        questions.settle(&room("a"));
        assert!(!questions.is_busy(&room("a")));
    }

    #[test]
    fn the_tasks_that_ask_are_bounded() {
        let mut questions = Questions::default();
        let started = (0..1000)
            .filter(|number| questions.ask(&room(&format!("room {number}")), ask(0)))
            .count();
        assert_eq!(started, MAX_ASKERS);
    }

    #[test]
    fn an_answer_to_a_former_chain_is_of_no_use() {
        let mut questions = Questions::default();
        let _ = questions.ask(&room("a"), ask(0));
        assert!(questions.take().is_some());
        questions.cancel(&room("a"));
        let _ = questions.ask(&room("a"), ask(0));
        assert!(!questions.on_answer(&room("a")));
        questions.settle(&room("a"));
        assert_eq!(questions.take(), Some((room("a"), ask(0))));
        assert!(questions.on_answer(&room("a")));
        let _ = questions.ask(&room("b"), ask(0));
        questions.cancel(&room("b"));
        assert_eq!(questions.take(), None);
    }

    #[test]
    fn a_broken_link_cancels_what_waits() {
        let mut questions = Questions::default();
        let _ = questions.ask_in_round(&room("a"), ask(0));
        let _ = questions.ask_in_round(&room("b"), ask(0));
        assert!(questions.take().is_some());
        questions.cancel_all();
        assert!(questions.is_busy(&room("a")) && !questions.is_busy(&room("b")));
        let _ = questions.ask_in_round(&room("b"), ask(1));
        assert_eq!(questions.take(), Some((room("b"), ask(1))));
    }

    #[test]
    fn rounds_follow_each_other_once_all_rooms_were_answered() {
        let now = Instant::now();
        let mut questions = Questions::default();
        questions.request_round();
        assert!(questions.take_round(now));
        let _ = questions.ask_in_round(&room("a"), ask(0));
        questions.request_round();
        let later = now + ROUND_INTERVAL;
        assert!(!questions.take_round(later), "a room has no answer yet");
        assert!(questions.take().is_some());
        assert!(questions.on_answer(&room("a")));
        assert!(questions.settle(&room("a")));
        assert_eq!(questions.next_round(), Some(later));
        assert!(!questions.take_round(now), "too soon");
        assert!(questions.take_round(later));
        assert!(!questions.take_round(later + ROUND_INTERVAL), "none was requested");
    }
}
