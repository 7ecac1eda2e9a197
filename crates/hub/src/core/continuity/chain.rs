use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ask::{Ask, Question, Read};
use super::held::Held;
use crate::core::history::{Entry, Gap, GapReason, Limit, Page};
use crate::core::{Epoch, Position, Tag};

/// Follows one room's history for all sessions of a node.
///
/// ```text
///                    hole, unknown repeat, other epoch,
///                    reconnect, other top
///      ┌───────────┐ ─────────────────────────────────► ┌───────────┐ ──┐ more to read,
///      │ following │                                    │ suspended │   │ rolled back: replace
///      └───────────┘ ◄───────────────────────────────── └───────────┘ ◄─┘ the epoch
///       delivers       proven: deliver read and held;    holds
///                      else one gap, continue from top
/// ```
///
/// A publication that names the last delivered one as its predecessor is delivered at once.
/// Everything else suspends delivery until the store has answered from the last delivered position.
/// As the question is asked after the publication that raised it arrived, the answer of the store's
/// leader explains that publication: it is part of the page, or the store has lost it.
///
/// A store that does not tell the tags of predecessors is believed for their offsets, as long as
/// the connection lasts: whatever takes such a store back has to end its connections. The owner of
/// the chain calls [`on_disconnected`](Self::on_disconnected) before it hands over an answer that
/// may come from after the end of the connection, and [`on_reconnected`](Self::on_reconnected)
/// before what the new connection delivers.
#[derive(Debug)]
pub struct Chain {
    config: ChainConfig,
    /// The position after the last delivered publication; `None` until the first answer.
    last: Option<Position>,
    /// Places of the last delivered publications, so that repeats are told from a rollback.
    recent: VecDeque<(u64, Tag)>,
    suspended: bool,
    connected: bool,
    /// While the chain is connected and suspended, there is a question.
    pending: Option<Pending>,
    held: Held<Arrival>,
    /// The number of publications that arrived and were not delivered at once.
    arrivals: u64,
    /// The last such arrival that is not held, but has to be explained by the store.
    unexplained: u64,
    next_token: u64,
    check_at: Instant,
}

/// The settings of a [`Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainConfig {
    /// The silence after which the top is checked, as the last publication may have been lost.
    /// Default: 10 s. Also the time after which an unanswered question is asked again.
    pub silence: Duration,
    /// Added to `silence`: a random value for each chain, so that not all rooms are checked at the
    /// same time. Default: 0.
    pub jitter: Duration,
    /// The delay before a failed question is asked again. Default: 1 s.
    pub retry: Duration,
    /// The maximum of publications that are held while the store is asked. Publications beyond it
    /// are dropped and read from the store. Default: 1,024 of at most 1 MiB.
    pub held: Limit,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(10),
            jitter: Duration::ZERO,
            retry: Duration::from_secs(1),
            held: Limit { count: 1_024, bytes: 1 << 20 },
        }
    }
}

/// The result of [`Chain::on_publication`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Received {
    /// The next publication: deliver it to all members.
    Deliver(Entry),
    /// A repeat of a delivered publication: nothing to do.
    Repeated,
    /// Delivery waits for an answer of the store, or for a connection.
    Held,
    /// Delivery waits for the answer to this question.
    Ask(Ask),
}

/// The result of an answer, in the order in which it has to be carried out.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct ChainOutput {
    /// Tell all members, before anything else, that publications may have been missed.
    pub gap: Option<Gap>,
    /// Deliver these to all members, in this order.
    pub deliver: Vec<Entry>,
    /// The chain has come to where the store was when it was asked: tell the sessions that recover,
    /// by [`CatchUp::on_checked`](super::CatchUp::on_checked).
    pub checked: bool,
    /// Ask the store.
    pub ask: Option<Ask>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    ask: Ask,
    /// [`Chain::arrivals`] when the question was asked.
    arrivals: u64,
    /// [`Chain::last`] when the question was asked.
    last: Option<Position>,
}

impl Pending {
    /// Returns whether the leader was asked after an arrival: then its answer explains the arrival.
    const fn explains(&self, arrival: u64) -> bool {
        let leader = !matches!(self.ask.question, Question::Read(Read { leader: false, .. }));
        leader && arrival <= self.arrivals
    }
}

#[derive(Debug)]
struct Arrival {
    number: u64,
    epoch: Epoch,
    entry: Entry,
}

impl Chain {
    /// The number of delivered publications whose repeats are recognised. A repeat of an older one
    /// is dropped as well, but suspends delivery for one read.
    pub const RECENT: usize = 32;

    /// Follows a room whose publications arrive from now on, and asks for its top.
    pub fn new(now: Instant, config: ChainConfig) -> (Self, Ask) {
        let mut chain = Self {
            config,
            last: None,
            recent: VecDeque::new(),
            suspended: true,
            connected: true,
            pending: None,
            held: Held::new(config.held),
            arrivals: 0,
            unexplained: 0,
            next_token: 0,
            check_at: now,
        };
        let ask = chain.ask(now, Question::Top);
        (chain, ask)
    }

    /// Returns the position after the last delivered publication: a session that joins now gets
    /// everything after it. `None` until the first answer.
    pub const fn position(&self) -> Option<Position> {
        self.last
    }

    /// Returns whether delivery waits for the store.
    pub const fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Returns the number of held publications and their bytes.
    pub fn held(&self) -> (usize, usize) {
        (self.held.len(), self.held.bytes())
    }

    /// Handles a publication of the bus. Without a connection there is none: it is dropped.
    pub fn on_publication(&mut self, now: Instant, epoch: Epoch, entry: Entry) -> Received {
        if !self.connected {
            return Received::Held;
        }
        let Some(last) = self.last else {
            self.hold(epoch, entry);
            return Received::Held;
        };
        let same_epoch = epoch == last.epoch;
        if same_epoch && !self.suspended && entry.follows(&last) {
            self.advance(now, &entry);
            return Received::Deliver(entry);
        }
        if same_epoch && self.recent.contains(&(entry.offset, entry.tag)) {
            return Received::Repeated;
        }
        if same_epoch && entry.offset <= last.offset {
            // An old repeat, or another publication at an offset that a rolled back store hands
            // out again. It is not to be delivered in either case.
            self.arrivals += 1;
            self.unexplained = self.arrivals;
        } else {
            self.hold(epoch, entry);
        }
        if self.suspended {
            return Received::Held;
        }
        let leader = !same_epoch || self.unexplained > 0;
        Received::Ask(self.read(now, last, leader))
    }

    /// Handles the answer to [`Question::Top`] or [`Question::ReplaceEpoch`].
    pub fn on_top(&mut self, now: Instant, token: u64, top: Position) -> ChainOutput {
        let Some(pending) = self.answered(token) else { return ChainOutput::default() };
        let Some(last) = self.last else {
            self.restart(now, top);
            return self.settle(now, &pending, None, ChainOutput::default());
        };
        if let Question::ReplaceEpoch { .. } = pending.ask.question {
            self.restart(now, top);
            let gap = Some(Gap { position: top, reason: GapReason::RolledBack });
            return self.settle(now, &pending, None, ChainOutput { gap, ..ChainOutput::default() });
        }
        if self.has_passed(&pending, &last, &top) {
            if self.suspended {
                return self.settle(now, &pending, None, ChainOutput::default());
            }
            self.check_at = self.next_check(now);
            return ChainOutput { checked: true, ..ChainOutput::default() };
        }
        ChainOutput { ask: Some(self.read(now, last, true)), ..ChainOutput::default() }
    }

    /// Handles the answer to [`Question::Read`].
    pub fn on_page(&mut self, now: Instant, token: u64, page: &Page) -> ChainOutput {
        let Some(pending) = self.answered(token) else { return ChainOutput::default() };
        let (Some(last), Question::Read(read)) = (self.last, pending.ask.question) else {
            return self.failed(now, pending);
        };
        if !page.covers(&last) {
            return self.failed(now, pending);
        }
        let mut output = ChainOutput::default();
        match page.after(&last) {
            Ok(entries) => {
                for entry in entries {
                    self.advance(now, entry);
                    output.deliver.push(entry.clone());
                }
                if page.remaining > 0 {
                    let after = self.last.unwrap_or(last);
                    output.ask = Some(self.read(now, after, read.leader));
                    return output;
                }
            }
            Err(_) if !read.leader => {
                output.ask = Some(self.read(now, last, true));
                return output;
            }
            Err(GapReason::RolledBack) => {
                let question = Question::ReplaceEpoch { expected: page.top.epoch };
                output.ask = Some(self.suspend(now, question));
                return output;
            }
            Err(reason) => {
                let position = page.top;
                self.restart(now, position);
                output.gap = Some(Gap { position, reason });
            }
        }
        self.settle(now, &pending, Some(page), output)
    }

    /// Handles the failure of a question: it is asked again by [`on_timeout`](Self::on_timeout).
    pub fn on_failed(&mut self, now: Instant, token: u64) {
        if self.pending.is_some_and(|pending| pending.ask.token == token) {
            self.check_at = after(now, self.config.retry);
        }
    }

    /// Suspends delivery until [`on_reconnected`](Self::on_reconnected), as the connection to the
    /// bus is lost. Answers to earlier questions are ignored from now on.
    pub fn on_disconnected(&mut self) {
        self.connected = false;
        self.suspended = true;
        self.pending = None;
        self.unexplained = 0;
        self.held.take().for_each(drop);
    }

    /// Checks the top after the connection to the bus was established again. Nothing is delivered
    /// before the answer.
    pub fn on_reconnected(&mut self, now: Instant) -> Ask {
        self.on_disconnected();
        self.connected = true;
        self.suspend(now, Question::Top)
    }

    /// Checks the top within the retry delay: something else knows a position that the chain has
    /// not reached, as a session that was recovered beyond it.
    pub fn suspect(&mut self, now: Instant) {
        self.check_at = self.check_at.min(after(now, self.config.retry));
    }

    /// Returns when [`on_timeout`](Self::on_timeout) is to be called.
    pub const fn next_timeout(&self) -> Instant {
        self.check_at
    }

    /// Checks the top after a silence, and repeats an unanswered question.
    pub fn on_timeout(&mut self, now: Instant) -> Option<Ask> {
        if now < self.check_at {
            return None;
        }
        if !self.connected {
            self.check_at = self.next_check(now);
            return None;
        }
        let question = match self.pending {
            Some(pending) if self.suspended => pending.ask.question,
            _ => Question::Top,
        };
        Some(self.ask(now, question))
    }

    fn hold(&mut self, epoch: Epoch, entry: Entry) {
        self.arrivals += 1;
        let number = self.arrivals;
        if !self.held.push(entry.publication.size(), Arrival { number, epoch, entry }) {
            self.unexplained = number;
        }
    }

    fn read(&mut self, now: Instant, after: Position, leader: bool) -> Ask {
        self.suspend(now, Question::Read(Read { after, leader }))
    }

    fn suspend(&mut self, now: Instant, question: Question) -> Ask {
        self.suspended = true;
        self.ask(now, question)
    }

    fn ask(&mut self, now: Instant, question: Question) -> Ask {
        let ask = Ask { token: self.next_token, question };
        self.next_token += 1;
        let (arrivals, last) = (self.arrivals, self.last);
        self.pending = Some(Pending { ask, arrivals, last });
        self.check_at = self.next_check(now);
        ask
    }

    fn answered(&mut self, token: u64) -> Option<Pending> {
        self.pending.take_if(|pending| pending.ask.token == token)
    }

    /// Repeats a question after a delay, as its answer was of no use.
    fn failed(&mut self, now: Instant, pending: Pending) -> ChainOutput {
        self.pending = Some(pending);
        self.check_at = after(now, self.config.retry);
        ChainOutput::default()
    }

    /// Returns whether the chain is known to have been at `top`, not before the question.
    fn has_passed(&self, pending: &Pending, last: &Position, top: &Position) -> bool {
        let Some(asked_at) = pending.last else { return false };
        *top == asked_at
            || (top.epoch == last.epoch
                && top.offset >= asked_at.offset
                && self.recent.contains(&(top.offset, top.tag)))
    }

    fn next_check(&self, now: Instant) -> Instant {
        after(now, self.config.silence.saturating_add(self.config.jitter))
    }

    fn advance(&mut self, now: Instant, entry: &Entry) {
        if let Some(last) = &mut self.last {
            *last = entry.position(last.epoch);
        }
        if self.recent.len() == Self::RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((entry.offset, entry.tag));
        self.check_at = self.next_check(now);
    }

    /// Continues from a position that nothing links to the last one.
    fn restart(&mut self, now: Instant, position: Position) {
        self.last = Some(position);
        self.recent.clear();
        self.recent.push_back((position.offset, position.tag));
        self.check_at = self.next_check(now);
    }

    /// Delivers what was held, drops what the answer explains, and asks again about the rest.
    /// `page` is what was delivered before.
    fn settle(
        &mut self,
        now: Instant,
        pending: &Pending,
        page: Option<&Page>,
        mut output: ChainOutput,
    ) -> ChainOutput {
        let mut arrivals = self.held.take().collect::<Vec<_>>();
        arrivals.sort_by_key(|arrival| arrival.entry.offset);
        if pending.explains(self.unexplained) {
            self.unexplained = 0;
        }
        let mut leader = self.unexplained > 0;
        for arrival in arrivals {
            let Some(last) = self.last else { break };
            let (number, entry) = (arrival.number, &arrival.entry);
            let same_epoch = arrival.epoch == last.epoch;
            if same_epoch
                && (self.recent.contains(&(entry.offset, entry.tag))
                    || page
                        .is_some_and(|page| page.top.epoch == last.epoch && page.contains(entry)))
            {
                // A repeat, or part of what a gap skipped.
            } else if pending.explains(number) {
                // The leader was asked after this arrived, and does not have it: it was lost, or it
                // is of a former epoch.
            } else if same_epoch && entry.follows(&last) {
                self.advance(now, entry);
                output.deliver.push(arrival.entry);
            } else if same_epoch && entry.offset <= last.offset {
                self.unexplained = self.unexplained.max(number);
                leader = true;
            } else {
                // Still a hole, or an epoch that began after the answer. If the answer came from a
                // replica that lags, the leader is asked.
                leader |= !same_epoch || number <= pending.arrivals;
                self.held.push(entry.publication.size(), arrival);
            }
        }
        match self.last {
            Some(last) if self.unexplained > 0 || self.held.len() > 0 => {
                output.ask = Some(self.read(now, last, leader));
            }
            _ => {
                self.suspended = false;
                output.checked = true;
            }
        }
        output
    }
}

/// Returns the instant after a delay; within a day, if it is beyond what an instant can be.
fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(86_400))
}
