//! Short runs against servers in this process: a bare TCP echo, and Sockeye's own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_closed_loop_counts_echoes;
mod a_latency_test_counts_from_the_schedule;
mod a_load_is_refused_before_it_connects;
mod a_server_that_fails_ends_the_run;
mod memory_is_measured_over_all_connections;
mod progress_is_reported_in_every_phase;
mod sockeye_answers_every_kind_of_load;
mod tcp_echo;
