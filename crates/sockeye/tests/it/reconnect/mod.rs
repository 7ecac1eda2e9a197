//! A client that reconnects when its connection is lost: over pipes, with scripted servers, and
//! with paused time, which advances only when all tasks wait.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_lost_connection_is_made_again;
mod a_message_is_sent_once;
mod a_stale_connection_is_dropped_when_asked;
mod attempts_come_to_an_end;
mod headers_are_fresh_for_each_attempt;
mod nothing_is_lost_when_a_future_is_dropped;
mod other_tasks_send_while_events_are_waited_for;
mod script;
mod the_server_may_ask_for_time;
