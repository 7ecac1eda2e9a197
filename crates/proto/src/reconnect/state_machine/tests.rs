//! Every transition, with virtual time. The machines in these tests have the longest delays, which
//! are a nanosecond short of a whole number of seconds.

use super::*;
use crate::CloseCode;

type Machine = StateMachine<&'static str, &'static str>;

const SECOND: Duration = Duration::from_secs(1);
const RANDOM: u64 = u64::MAX;
/// The server requests no delay.
const SOON: Option<Duration> = Some(Duration::ZERO);

/// Returns the longest delay of so many seconds.
fn longest(seconds: u64) -> Duration {
    Duration::new(seconds - 1, 999_999_999)
}

fn wait(attempt: u32, delay: Duration) -> Action<&'static str, &'static str> {
    Action::Wait { attempt, delay }
}

fn scheduled(attempt: u32, delay: Duration) -> Event<&'static str, &'static str> {
    Event::Scheduled { attempt, delay }
}

fn frame(code: CloseCode, reason: &str) -> CloseFrame {
    CloseFrame::from(code).with_reason(reason)
}

fn events(machine: &mut Machine) -> Vec<Event<&'static str, &'static str>> {
    std::iter::from_fn(|| machine.poll_event()).collect()
}

fn idle() -> Machine {
    Machine::new(Backoff::new())
}

/// Returns a machine whose first attempt is scheduled, and whose events were taken.
fn waiting() -> Machine {
    let mut machine = idle();
    assert_eq!(machine.start(Duration::ZERO), wait(1, Duration::ZERO));
    events(&mut machine);
    machine
}

fn attempting() -> Machine {
    let mut machine = waiting();
    assert_eq!(machine.on_delay_passed(), Action::Connect(1));
    machine
}

/// Returns a machine whose connection is open since second 1.
fn open() -> Machine {
    let mut machine = attempting();
    machine.on_connected(SECOND);
    events(&mut machine);
    machine
}

fn closing() -> Machine {
    let mut machine = open();
    machine.close();
    machine
}

fn stopped() -> Machine {
    let mut machine = open();
    assert_eq!(machine.end(), Action::Stop(StopReason::Closed));
    machine
}

#[test]
fn the_first_attempt_begins_at_once() {
    let mut machine = idle();
    assert_eq!(machine.state, State::Idle);
    assert_eq!(machine.start(5 * SECOND), wait(1, Duration::ZERO));
    assert_eq!(machine.state, State::Waiting);
    assert_eq!(events(&mut machine), [scheduled(1, Duration::ZERO)]);
    assert_eq!(machine.on_delay_passed(), Action::Connect(1));
    assert_eq!(machine.state, State::Connecting);
    assert_eq!(events(&mut machine), []);
    machine.on_connected(7 * SECOND);
    assert_eq!(machine.state, State::Open { since: 7 * SECOND });
    assert_eq!(events(&mut machine), [Event::Connected]);
    assert!(!machine.is_stopped());
}

#[test]
fn a_failed_attempt_is_followed_by_another_after_a_delay() {
    let mut machine = attempting();
    for (attempt, seconds) in [(2, 1), (3, 2), (4, 4)] {
        let delay = longest(seconds);
        let action = machine.on_failed("refused", SOON, SECOND, RANDOM);
        assert_eq!(action, wait(attempt, delay));
        assert_eq!(machine.state, State::Waiting);
        assert_eq!(events(&mut machine), [Event::Failed("refused"), scheduled(attempt, delay)]);
        assert_eq!(machine.on_delay_passed(), Action::Connect(attempt));
    }
    machine.on_connected(SECOND);
    assert_eq!(events(&mut machine), [Event::Connected]);
}

#[test]
fn a_permanent_failure_is_the_end() {
    let mut machine = attempting();
    let action = machine.on_failed("unauthorized", None, SECOND, RANDOM);
    assert_eq!(action, Action::Stop(StopReason::Failed("unauthorized")));
    assert!(machine.is_stopped());
    assert_eq!(events(&mut machine), []);
}

#[test]
fn a_server_may_request_a_delay() {
    let least = |seconds: u32| seconds * SECOND + longest(1);
    let action = attempting().on_failed("busy", Some(7 * SECOND), SECOND, RANDOM);
    assert_eq!(action, wait(2, least(7)));
    let action = open().on_lost("lost", Some(3 * SECOND), SECOND, RANDOM);
    assert_eq!(action, wait(2, least(3)));
    for (code, reason, seconds) in [
        (CloseCode::GOING_AWAY, "", 0),
        (CloseCode::GOING_AWAY, "retry after 8.0 s", 8),
        (CloseCode::SERVICE_RESTART, "", 5),
        (CloseCode::SERVICE_RESTART, "retry after 9999.0 s", 30),
    ] {
        let action = open().on_closed(Some(frame(code, reason)), true, SECOND, RANDOM);
        assert_eq!(action, wait(2, least(seconds)), "{reason}");
    }
}

#[test]
fn a_lost_connection_is_followed_by_another() {
    let mut machine = open();
    assert_eq!(machine.on_lost("reset", SOON, 2 * SECOND, RANDOM), wait(2, longest(1)));
    assert_eq!(machine.state, State::Waiting);
    assert_eq!(events(&mut machine), [Event::Lost("reset"), scheduled(2, longest(1))]);
}

#[test]
fn a_connection_that_is_lost_for_a_permanent_reason_is_the_last() {
    let mut machine = open();
    let action = machine.on_lost("forbidden", None, 2 * SECOND, RANDOM);
    assert_eq!(action, Action::Stop(StopReason::Lost("forbidden")));
    assert!(machine.is_stopped());
    assert_eq!(events(&mut machine), []);
}

#[test]
fn a_closed_connection_is_followed_by_another_or_not() {
    for frame in [Some(frame(CloseCode::GOING_AWAY, "bye")), None] {
        let mut machine = open();
        let action = machine.on_closed(frame.clone(), true, 2 * SECOND, RANDOM);
        assert_eq!(action, wait(2, longest(1)));
        assert_eq!(machine.state, State::Waiting);
        let expected = [Event::Closed(frame.clone()), scheduled(2, longest(1))];
        assert_eq!(events(&mut machine), expected);

        let mut machine = open();
        let action = machine.on_closed(frame.clone(), false, 2 * SECOND, RANDOM);
        assert_eq!(action, Action::Stop(StopReason::Closed));
        assert!(machine.is_stopped());
        assert_eq!(events(&mut machine), [Event::Closed(frame)]);
    }
}

#[test]
fn a_connection_that_was_open_for_long_begins_a_new_series() {
    for (seconds, attempt, delay) in [(9, 3, 2), (10, 1, 1)] {
        let mut machine = attempting();
        let _ = machine.on_failed("refused", SOON, SECOND, RANDOM);
        let _ = machine.on_delay_passed();
        machine.on_connected(SECOND);
        let end = SECOND + seconds * SECOND;
        assert_eq!(machine.on_lost("reset", SOON, end, RANDOM), wait(attempt, longest(delay)));
    }
    // A clock that went back is harmless.
    let mut machine = open();
    assert_eq!(machine.on_lost("reset", SOON, Duration::ZERO, RANDOM), wait(2, longest(1)));
}

#[test]
fn it_gives_up_when_the_backoff_allows_no_further_attempt() {
    let gave_up = |attempts, last| Action::Stop(StopReason::GaveUp { attempts, last });
    let once = Backoff::new().max_attempts(Some(1));
    let mut machine = attempting();
    machine.set_backoff(once);
    let action = machine.on_failed("refused", SOON, SECOND, RANDOM);
    assert_eq!(action, gave_up(1, Event::Failed("refused")));
    assert!(machine.is_stopped());
    assert_eq!(events(&mut machine), []);

    let mut machine = open();
    machine.set_backoff(once);
    let action = machine.on_lost("reset", SOON, 2 * SECOND, RANDOM);
    assert_eq!(action, gave_up(1, Event::Lost("reset")));
    assert!(machine.is_stopped());

    let mut machine = open();
    machine.set_backoff(once);
    let action = machine.on_closed(None, true, 2 * SECOND, RANDOM);
    assert_eq!(action, gave_up(1, Event::Closed(None)));
    assert!(machine.is_stopped());
    assert_eq!(events(&mut machine), []);

    let mut machine = attempting();
    machine.set_backoff(Backoff::new().max_attempts(None).max_elapsed(Some(60 * SECOND)));
    let action = machine.on_failed("refused", SOON, 60 * SECOND, RANDOM);
    assert_eq!(action, gave_up(1, Event::Failed("refused")));
}

#[test]
fn the_program_reconnects_from_any_state_but_the_last_two() {
    let mut machine = idle();
    assert_eq!(machine.reconnect("stale", SECOND), Some(wait(1, Duration::ZERO)));
    assert_eq!(events(&mut machine), [scheduled(1, Duration::ZERO)]);

    for mut machine in [waiting(), attempting()] {
        assert_eq!(machine.reconnect("stale", SECOND), Some(wait(1, Duration::ZERO)));
        assert_eq!(machine.state, State::Waiting);
        assert_eq!(events(&mut machine), [scheduled(1, Duration::ZERO)]);
    }

    for (now, attempt) in [(SECOND, 2), (11 * SECOND, 1)] {
        let mut machine = open();
        assert_eq!(machine.reconnect("stale", now), Some(wait(attempt, Duration::ZERO)));
        assert_eq!(machine.state, State::Waiting);
        let expected = [Event::Lost("stale"), scheduled(attempt, Duration::ZERO)];
        assert_eq!(events(&mut machine), expected);
    }

    for mut machine in [closing(), stopped()] {
        let state = machine.state;
        assert_eq!(machine.reconnect("stale", SECOND), None);
        assert_eq!(machine.state, state);
        assert_eq!(events(&mut machine), []);
    }
}

#[test]
fn reconnecting_is_no_retry_and_has_no_limit() {
    let mut machine = open();
    machine.set_backoff(Backoff::new().max_attempts(Some(1)));
    assert_eq!(machine.reconnect("stale", SECOND), Some(wait(2, Duration::ZERO)));
}

#[test]
fn nothing_follows_a_connection_that_the_program_closes() {
    let closed = Some(frame(CloseCode::GOING_AWAY, ""));
    let mut machine = closing();
    assert_eq!(machine.state, State::Closing);
    let action = machine.on_closed(closed.clone(), true, 2 * SECOND, RANDOM);
    assert_eq!(action, Action::Stop(StopReason::Closed));
    assert!(machine.is_stopped());
    assert_eq!(events(&mut machine), [Event::Closed(closed)]);

    let mut machine = closing();
    let action = machine.on_lost("reset", SOON, 2 * SECOND, RANDOM);
    assert_eq!(action, Action::Stop(StopReason::Lost("reset")));
    assert!(machine.is_stopped());
    assert_eq!(events(&mut machine), []);
}

#[test]
fn the_end_comes_from_any_state_and_drops_all_events() {
    for mut machine in [idle(), waiting(), attempting(), open(), closing(), stopped()] {
        machine.on_message("kept".into());
        assert!(machine.kept_messages_size() > 4);
        machine.close();
        assert_eq!(machine.end(), Action::Stop(StopReason::Closed));
        assert!(machine.is_stopped());
        assert_eq!(machine.kept_messages_size(), 0);
        assert_eq!(events(&mut machine), []);
    }
}

#[test]
fn closing_without_a_connection_leaves_the_state() {
    for mut machine in [idle(), waiting(), attempting(), stopped()] {
        let state = machine.state;
        machine.close();
        assert_eq!(machine.state, state);
    }
}

#[test]
fn messages_are_kept_in_order_with_other_events() {
    let mut machine = open();
    machine.on_message("one".into());
    let _ = machine.on_closed(None, true, 2 * SECOND, RANDOM);
    let expected = [Event::Message("one".into()), Event::Closed(None), scheduled(2, longest(1))];
    assert_eq!(events(&mut machine), expected);
}
