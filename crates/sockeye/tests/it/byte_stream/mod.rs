//! Byte streams over TCP: every kind of server in front of a listener, and protocols inside a
//! stream.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_hundred_mebibytes_pass_both_ways_at_once;
mod a_listener_accepts_from_every_kind_of_server;
mod a_listener_closes_in_good_order;
mod a_server_that_stops_ends_its_streams;
mod a_tunnel_never_takes_a_part_for_the_whole;
mod http_1_1_runs_through_it;
#[cfg(unix)]
mod redis_runs_through_it;
mod serving;
#[cfg(feature = "http2")]
mod streams_share_a_connection_of_http_2;
