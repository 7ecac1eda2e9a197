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
///   └─────────┘ ◄──── └─────────┘          └───────────┘
///     │    ▲     more, or the chain             │ held overflowed
///     │    │     is beyond what is held         ▼
///     │    └──────────────────────────────── (reading)
///     │ unproven    ┌───────┐ the chain reaches the session's position
///     └────► gap ─► │ ahead │ ──────────────────────────► in step
///             │     └───────┘ ◄─ (sending, the session is beyond the chain)
///             └───────────────────────────────► in step
/// ```
///
/// It keeps one page at most, which it shares with all sessions that read it, and a bounded number
/// of live publications.
///
/// From the moment of its creation, every output of the chain goes to [`on_live`](Self::on_live)
/// and [`on_gap`](Self::on_gap), in order, and nothing to the session directly. With
/// [`CatchUpOutput::InStep`] that ends: everything that the chain outputs afterwards goes to the
/// session directly.
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
    /// Whether a page was accepted: the limit is judged by the first one.
    accepted: bool,
    /// Whether no gap was told.
    recovered: bool,
    /// Whether the chain had a gap since the last page was asked for.
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
    /// delivered publication or the presented position. Poll again. For [`GapReason::RolledBack`]
    /// and [`GapReason::Epoch`] the chain should be told to [suspect](super::Chain::suspect) its
    /// own position.
    Gap(Gap),
    /// The session is where the chain is.
    InStep {
        /// The position of the session and the chain.
        position: Position,
        /// Whether the session has all publications after the position that it presented: no gap
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
    /// A page was asked for, when the chain's position before what is held was this.
    Reading {
        leader: bool,
        base: Position,
    },
    /// The entries of a page in this range are to be sent.
    Sending {
        page: Arc<Page>,
        rest: Range<usize>,
        leader: bool,
        base: Position,
    },
    /// Held publications are to be sent; the first one follows the session's position.
    Releasing,
    /// The session's position is beyond the chain's.
    Ahead,
    /// A gap is to be told. `top` is the top of the leader that told of a rollback.
    Failed {
        reason: GapReason,
        top: Option<Position>,
    },
    Done,
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

    /// Returns whether the session waits for the chain to come to its position. The chain should be
    /// told to [suspect](super::Chain::suspect) its own.
    pub const fn is_ahead(&self) -> bool {
        matches!(self.state, State::Ahead)
    }

    /// Returns the number of held publications and their bytes.
    pub fn held(&self) -> (usize, usize) {
        (self.held.len(), self.held.bytes())
    }

    /// Handles a publication that the chain delivers.
    pub fn on_live(&mut self, epoch: Epoch, entry: &Entry) {
        if let State::Done = self.state {
            return;
        }
        self.live = entry.position(epoch);
        if self.is_ahead() {
            self.base = self.live;
            self.on_chain_moved();
        } else if !self.held.push(entry.publication.size(), entry.clone()) {
            self.drop_held();
        }
    }

    /// Handles a gap of the chain, which continues from `position`.
    pub fn on_gap(&mut self, position: Position) {
        self.live = position;
        self.chain_restarted = true;
        self.drop_held();
        if let State::Failed { top, .. } = &mut self.state {
            *top = None;
        }
        if self.is_ahead() {
            let in_step = self.position == position;
            self.state = if in_step { State::Releasing } else { State::Asking { leader: true } };
        }
    }

    /// Handles the answer to [`CatchUpOutput::Read`].
    pub fn on_page(&mut self, page: &Arc<Page>) {
        let State::Reading { leader, base } = self.state else { return };
        if !page.covers(&self.position) {
            self.state = State::Asking { leader };
            return;
        }
        match page.after(&self.position) {
            Ok(missed) if self.accepted || self.is_within_limit(page, missed) => {
                self.accepted = true;
                let rest = page.entries.len() - missed.len()..page.entries.len();
                self.state = State::Sending { page: Arc::clone(page), rest, leader, base };
            }
            Ok(_) => self.fail(GapReason::Limit, page),
            Err(_) if !leader => self.state = State::Asking { leader: true },
            Err(reason) => self.fail(reason, page),
        }
    }

    /// Handles the failure of a read: [`poll`](Self::poll) asks for it again.
    pub fn on_failed(&mut self) {
        if let State::Reading { leader, .. } = self.state {
            self.state = State::Asking { leader };
        }
    }

    /// Returns what to do next. `budget` is the number of bytes that the session's queue takes now;
    /// one publication may exceed it, and 0 delivers nothing.
    pub fn poll(&mut self, budget: usize) -> CatchUpOutput {
        loop {
            match &mut self.state {
                State::Asking { leader } => {
                    let read = Read { after: self.position, leader: *leader };
                    self.state = State::Reading { leader: *leader, base: self.base };
                    self.chain_restarted = false;
                    return CatchUpOutput::Read(read);
                }
                State::Sending { page, rest, leader, base } => {
                    if rest.start == rest.end {
                        let (page, leader, base) = (Arc::clone(page), *leader, *base);
                        self.on_sent(&page, leader, &base);
                        continue;
                    }
                    let limit = Limit { count: self.config.chunk.max(1), bytes: budget };
                    let chunk = chunk(&page.entries[rest.clone()], limit);
                    rest.start += chunk.len();
                    return self.deliver(chunk);
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
                State::Failed { reason, top } => {
                    let (reason, top) = (*reason, *top);
                    return CatchUpOutput::Gap(self.restart(reason, top));
                }
                State::Reading { .. } | State::Ahead | State::Done => return CatchUpOutput::Wait,
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
    fn fail(&mut self, reason: GapReason, page: &Page) {
        let lost = matches!(reason, GapReason::RolledBack | GapReason::Epoch);
        self.state = if self.meet() {
            State::Releasing
        } else if self.chain_restarted {
            State::Asking { leader: true }
        } else if !lost && self.is_beyond_chain() {
            self.go_ahead()
        } else {
            let top = (reason == GapReason::RolledBack).then_some(page.top);
            State::Failed { reason, top }
        };
    }

    /// Continues from the chain's position after a gap. If the store was rolled back and the chain
    /// is behind, what the chain delivers up to the top may be what the session saw before the
    /// rollback: then the session continues from the top.
    fn restart(&mut self, reason: GapReason, top: Option<Position>) -> Gap {
        let live = self.live;
        let top = top.filter(|top| top.epoch == live.epoch && top.offset > live.offset);
        self.recovered = false;
        self.position = top.unwrap_or(live);
        self.drop_held();
        self.state = if top.is_some() { self.go_ahead() } else { State::Releasing };
        Gap { position: self.position, reason }
    }

    /// Continues after the last entry of a page was sent. `leader` and `base` tell how and when the
    /// page was asked for.
    fn on_sent(&mut self, page: &Page, leader: bool, base: &Position) {
        self.state = if self.meet() {
            State::Releasing
        } else if page.remaining > 0 {
            State::Asking { leader: false }
        } else if self.is_beyond_chain() && !self.chain_restarted {
            self.go_ahead()
        } else if !leader || self.chain_restarted || self.base != *base {
            // The page is of a replica that lags, or the chain moved while it was sent.
            State::Asking { leader: true }
        } else if self.position.epoch != self.live.epoch {
            State::Failed { reason: GapReason::Epoch, top: None }
        } else {
            // The leader does not know what the chain delivered.
            State::Failed { reason: GapReason::RolledBack, top: None }
        };
    }

    /// Waits for the chain, and ignores what it delivers until then: the session has it.
    fn go_ahead(&mut self) -> State {
        self.drop_held();
        State::Ahead
    }

    /// Continues after the chain moved while the session's position was beyond the chain's.
    fn on_chain_moved(&mut self) {
        if self.position == self.live {
            self.state = State::Releasing;
        } else if !self.is_beyond_chain() {
            self.state = State::Asking { leader: true };
        }
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
