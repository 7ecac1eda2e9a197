use std::ops::Range;
use std::sync::Arc;

use super::ask::Read;
use super::held::Held;
use crate::core::history::{Entry, Gap, GapReason, Limit, Page};
use crate::core::{Epoch, Position};

/// Takes one session from the position that it presents to the position of its node's
/// [`Chain`](super::Chain).
///
/// ```text
///   ┌─────────┐ page  ┌─────────┐ all sent ┌───────────┐ reached the chain
///   │ reading │ ────► │ sending │ ───────► │ releasing │ ─────────────────► in step
///   └─────────┘       └─────────┘    │     └───────────┘
///     ▲  │                           │            │ held overflowed
///     │  │ unproven ───► gap ───────►│            │
///     │  │                           ▼            │
///     │  │            ┌───────────────────┐       │
///     │  └──────────► │ waiting for chain │ ──────┼───────────────────────► in step
///     │               └───────────────────┘       │
///     └─────────────────────┴─────────────────────┘
/// ```
///
/// When a page is sent, or a gap took the session to the store's top, the session's position is one
/// of the store. Usually the chain went through it, and what the chain delivered since then is held
/// and released. If the chain has not come there yet, the session waits, and skips what it has. If
/// the page is below what the chain delivered, the rest is read from the leader. And if the leader
/// contradicts the chain, the store lost what the chain delivered, and the session waits until the
/// chain has noticed: a session never follows a chain to publications that the store lost.
///
/// A recovery keeps one page at most, which it shares with all sessions that read it, and a bounded
/// number of live publications.
///
/// From the moment of its creation, every output of the chain goes to [`on_live`](Self::on_live),
/// [`on_gap`](Self::on_gap) and [`on_checked`](Self::on_checked), in order, and nothing to the
/// session directly. With [`CatchUpOutput::InStep`] that ends: everything that the chain outputs
/// afterwards goes to the session directly.
#[derive(Debug)]
pub struct CatchUp {
    config: CatchUpConfig,
    state: State,
    /// The session has everything up to here.
    position: Position,
    /// The chain's position before the first held publication.
    base: Position,
    /// The chain's position.
    live: Position,
    held: Held<Entry>,
    /// `true` if a page was accepted: the limit is judged by the first one.
    accepted: bool,
    /// `true` if no gap was told.
    recovered: bool,
    /// `true` if the chain had a gap since the last page was asked for.
    chain_restarted: bool,
}

/// The settings of a [`CatchUp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUpConfig {
    /// The number of missed publications beyond which the recovery is a gap
    /// ([`GapReason::Limit`]). Default: 10,000. What is published meanwhile is not counted.
    pub limit: usize,
    /// The maximum of live publications that are held. Beyond it, they are dropped and read from
    /// the history. Default: 256 of at most 256 KiB.
    pub held: Limit,
    /// The maximum number of publications in a [`CatchUpOutput::Deliver`]. Default: 300, as in
    /// centrifugo.
    pub chunk: usize,
}

impl Default for CatchUpConfig {
    fn default() -> Self {
        Self { limit: 10_000, held: Limit { count: 256, bytes: 256 << 10 }, chunk: 300 }
    }
}

/// The result of [`CatchUp::poll`].
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum CatchUpOutput {
    /// Nothing to do before the next input.
    Wait,
    /// Read this page, and give it to [`CatchUp::on_page`].
    Read(Read),
    /// Deliver these to the session, and poll again.
    Deliver(Vec<Entry>),
    /// Tell the session that publications may have been missed: nothing is proven after the last
    /// delivered publication or the presented position. It continues from the gap's position, the
    /// store's top. Poll again.
    Gap(Gap),
    /// The session is where the chain is.
    InStep {
        /// The position of the session and the chain.
        position: Position,
        /// `true` if the session has all publications after the position that it presented: no gap
        /// was told.
        recovered: bool,
    },
}

#[derive(Debug)]
enum State {
    /// A page is needed.
    Asking {
        leader: bool,
    },
    /// A page was asked for.
    Reading(Asked),
    /// The entries of a page in this range are to be sent.
    Sending {
        page: Arc<Page>,
        rest: Range<usize>,
        asked: Asked,
    },
    /// A gap is to be told.
    Failed {
        gap: Gap,
        asked: Asked,
    },
    /// The session has everything up to the end of a page, or to the top of the store.
    Sent {
        more: bool,
        asked: Asked,
    },
    /// Held publications are to be sent; the first one follows the session's position.
    Releasing,
    /// The chain has not come to the session's position, or the store lost what the chain
    /// delivered. Nothing is held.
    Waiting {
        diverged: bool,
    },
    Done,
}

/// A request for a page.
#[derive(Clone, Copy, Debug)]
struct Asked {
    leader: bool,
    /// [`CatchUp::base`] at that moment: the page of a leader is not below it.
    base: Position,
}

impl CatchUp {
    /// Begins a recovery from the position that a session presents. `live` is the chain's position
    /// at this moment. A session that was at `live` is complete without a read.
    pub fn new(from: Position, live: Position, config: CatchUpConfig) -> Self {
        Self {
            config,
            state: if from == live { State::Releasing } else { State::Asking { leader: false } },
            position: from,
            base: live,
            live,
            held: Held::new(config.held),
            accepted: false,
            recovered: true,
            chain_restarted: false,
        }
    }

    /// Returns the position after the last publication that was handed out.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Returns whether the session waits for the chain. The chain is then to be told to
    /// [suspect](super::Chain::suspect) its position.
    pub const fn is_waiting_for_chain(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Returns the number of held publications and their bytes.
    pub fn held(&self) -> (usize, usize) {
        (self.held.len(), self.held.bytes())
    }

    /// Handles a publication that the chain delivers.
    pub fn on_live(&mut self, epoch: Epoch, entry: &Entry) {
        self.live = entry.position(epoch);
        match self.state {
            State::Done => {}
            State::Waiting { diverged } => {
                self.base = self.live;
                if self.position == self.live {
                    self.state = State::Releasing;
                } else if diverged || !self.is_beyond_chain() {
                    self.state = State::Asking { leader: true };
                }
            }
            _ if self.held.push(entry.publication.size(), entry.clone()) => {}
            _ => self.drop_held(),
        }
    }

    /// Handles a gap of the chain, which continues from `position`.
    pub fn on_gap(&mut self, position: Position) {
        self.live = position;
        self.chain_restarted = true;
        self.drop_held();
        if self.is_waiting_for_chain() {
            let in_step = self.position == position;
            self.state = if in_step { State::Releasing } else { State::Asking { leader: true } };
        }
    }

    /// Handles a check of the chain. A session that still waits for the chain may have seen what
    /// the store lost since then.
    pub fn on_checked(&mut self) {
        if self.is_waiting_for_chain() {
            self.state = State::Asking { leader: true };
        }
    }

    /// Handles the answer to [`CatchUpOutput::Read`].
    pub fn on_page(&mut self, page: &Arc<Page>) {
        let State::Reading(asked) = self.state else { return };
        let leader = asked.leader;
        if !page.covers(&self.position) {
            self.state = State::Asking { leader };
            return;
        }
        match page.after(&self.position) {
            Ok(missed) if self.accepted || self.is_within_limit(page, missed) => {
                self.accepted = true;
                let rest = page.entries.len() - missed.len()..page.entries.len();
                self.state = State::Sending { page: Arc::clone(page), rest, asked };
            }
            Ok(_) => self.fail(Gap { position: page.top, reason: GapReason::Limit }, asked),
            Err(_) if !leader => self.state = State::Asking { leader: true },
            Err(reason) => self.fail(Gap { position: page.top, reason }, asked),
        }
    }

    /// Handles the failure of a read: [`poll`](Self::poll) asks for it again.
    pub fn on_failed(&mut self) {
        if let State::Reading(Asked { leader, .. }) = self.state {
            self.state = State::Asking { leader };
        }
    }

    /// Returns what to do next. `budget` is the number of bytes that the session's queue takes now;
    /// one publication may exceed it, and 0 delivers nothing.
    pub fn poll(&mut self, budget: usize) -> CatchUpOutput {
        loop {
            match &mut self.state {
                State::Asking { leader } => {
                    let asked = Asked { leader: *leader, base: self.base };
                    self.state = State::Reading(asked);
                    self.chain_restarted = false;
                    return CatchUpOutput::Read(Read {
                        after: self.position,
                        leader: asked.leader,
                    });
                }
                State::Sending { page, rest, asked } => {
                    if rest.start == rest.end {
                        self.state = State::Sent { more: page.remaining > 0, asked: *asked };
                        continue;
                    }
                    let limit = Limit { count: self.config.chunk.max(1), bytes: budget };
                    let chunk = chunk(&page.entries[rest.clone()], limit);
                    rest.start += chunk.len();
                    return self.deliver(chunk);
                }
                State::Failed { gap, asked } => {
                    let gap = *gap;
                    self.state = State::Sent { more: false, asked: *asked };
                    self.position = gap.position;
                    self.recovered = false;
                    return CatchUpOutput::Gap(gap);
                }
                State::Sent { more, asked } => {
                    let (more, asked) = (*more, *asked);
                    self.on_sent(more, asked);
                }
                State::Releasing => {
                    if self.held.len() == 0 {
                        self.state = State::Done;
                        let (position, recovered) = (self.position, self.recovered);
                        return CatchUpOutput::InStep { position, recovered };
                    }
                    let limit = Limit { count: self.config.chunk.max(1), bytes: budget };
                    let mut chunk = Vec::new();
                    let mut bytes = 0;
                    while let Some(entry) = self.held.front() {
                        let size = entry.publication.size();
                        if !fits(&limit, chunk.len(), bytes, size) {
                            break;
                        }
                        bytes += size;
                        chunk.extend(self.held.pop());
                    }
                    return self.deliver(chunk);
                }
                State::Reading(_) | State::Waiting { .. } | State::Done => {
                    return CatchUpOutput::Wait;
                }
            }
        }
    }

    fn is_within_limit(&self, page: &Page, missed: &[Entry]) -> bool {
        (missed.len() as u64).saturating_add(page.remaining) <= self.config.limit as u64
    }

    fn deliver(&mut self, chunk: Vec<Entry>) -> CatchUpOutput {
        let Some(last) = chunk.last() else { return CatchUpOutput::Wait };
        self.position = last.position(self.position.epoch);
        if let State::Releasing = self.state {
            self.base = self.position;
        }
        CatchUpOutput::Deliver(chunk)
    }

    /// Continues after a page did not prove the session's position. If the chain itself passes the
    /// position, it delivers all that follows, and there is no gap.
    fn fail(&mut self, gap: Gap, asked: Asked) {
        let lost = matches!(gap.reason, GapReason::RolledBack | GapReason::Epoch);
        if self.meet() {
            self.state = State::Releasing;
        } else if self.chain_restarted {
            self.state = State::Asking { leader: true };
        } else if !lost && self.is_beyond_chain() {
            self.wait(false);
        } else {
            self.state = State::Failed { gap, asked };
        }
    }

    /// Continues after everything up to a position of the store was handed out.
    fn on_sent(&mut self, more: bool, asked: Asked) {
        if self.meet() {
            self.state = State::Releasing;
        } else if more {
            self.state = State::Asking { leader: false };
        } else if self.is_beyond_chain() && !self.chain_restarted {
            self.wait(false);
        } else if !asked.leader || self.chain_restarted || self.base != asked.base {
            // The page is of a replica that lags, or the chain moved while it was sent.
            self.state = State::Asking { leader: true };
        } else {
            // The leader does not know what the chain delivered.
            self.wait(true);
        }
    }

    /// Waits for the chain. What it delivers meanwhile is not held.
    fn wait(&mut self, diverged: bool) {
        self.drop_held();
        self.state = State::Waiting { diverged };
    }

    fn is_beyond_chain(&self) -> bool {
        self.position.epoch == self.live.epoch && self.position.offset > self.live.offset
    }

    /// Drops what is held up to the session's position, if the chain went through this position,
    /// and returns whether it did.
    fn meet(&mut self) -> bool {
        let position = self.position;
        if position.epoch != self.live.epoch {
            return false;
        }
        if position != self.base && !self.held.iter().any(|entry| entry.is_at(&position)) {
            return false;
        }
        if position != self.base {
            while self.held.pop().is_some_and(|entry| !entry.is_at(&position)) {}
        }
        self.base = position;
        true
    }

    /// Drops what is held. The session reads it from the history.
    fn drop_held(&mut self) {
        self.held.take().for_each(drop);
        self.base = self.live;
        if let State::Releasing = self.state {
            self.state = State::Asking { leader: true };
        }
    }
}

/// Returns the first entries within a limit.
fn chunk(entries: &[Entry], limit: Limit) -> Vec<Entry> {
    let mut bytes = 0_usize;
    let mut count = 0;
    for entry in entries {
        let size = entry.publication.size();
        if !fits(&limit, count, bytes, size) {
            break;
        }
        bytes = bytes.saturating_add(size);
        count += 1;
    }
    entries[..count].to_vec()
}

/// Returns whether a chunk takes an entry. The first one may exceed a budget that is not 0.
fn fits(limit: &Limit, count: usize, bytes: usize, size: usize) -> bool {
    limit.holds(count, bytes, size) || (count == 0 && limit.bytes > 0)
}
