use redis::RedisError;
use tokio::sync::watch;

use super::refusal::is_moved;

/// The usability of connections.
///
/// ```text
/// Usable ──► Moved ──► Broken
///    └──────────────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Usable,
    /// A partition has another primary; the others can be used until there are new connections.
    Moved,
    /// None is to be used any more.
    Broken,
}

/// The state of connections, to which tasks, callbacks and operations report.
#[derive(Debug)]
pub(super) struct StateSender(watch::Sender<State>);

impl StateSender {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::Usable))
    }

    /// Reports a state, unless it is a worse one already.
    pub(super) fn report(&self, state: State) {
        self.0.send_if_modified(|now| {
            let is_worse = state > *now;
            *now = state.max(*now);
            is_worse
        });
    }

    /// Reports the state that an error of a connection tells of.
    pub(super) fn report_error(&self, error: &RedisError) {
        self.report(if is_moved(error) { State::Moved } else { State::Broken });
    }

    pub(super) fn is_broken(&self) -> bool {
        *self.0.borrow() == State::Broken
    }

    /// Waits for a state or a worse one, and returns it.
    pub(super) async fn until(&self, state: State) -> State {
        let mut states = self.0.subscribe();
        // The sender is not dropped before `self`.
        states.wait_for(|now| *now >= state).await.map_or(State::Broken, |now| *now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_state_becomes_worse_only() {
        let state = StateSender::new();
        assert_eq!(state.until(State::Usable).await, State::Usable);
        state.report(State::Moved);
        assert_eq!(state.until(State::Usable).await, State::Moved);
        let broken = state.until(State::Broken);
        assert!(tokio::time::timeout(Duration::ZERO, broken).await.is_err());
        state.report(State::Broken);
        state.report(State::Moved);
        assert_eq!(state.until(State::Moved).await, State::Broken);
    }
}
