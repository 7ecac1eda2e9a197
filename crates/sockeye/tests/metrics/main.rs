//! Metrics for the recorders of the crate `metrics`: each test states all that are not zero.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod a_conversation_is_counted_on_both_sides;
mod a_failed_connection_has_a_cause;
mod a_refused_handshake_has_a_status;
mod compression_shows_in_the_bytes;
mod dropped_messages_have_a_reason;
mod ledger;
mod pairing;
mod round_trip_times_are_sampled;
#[cfg(unix)]
mod the_handler_server_counts_alike;
