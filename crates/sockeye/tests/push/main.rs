//! The handler server, driven over sockets: one behaviour per file.
//!
//! `SOCKEYE_BACKEND` names the backend under test: `readiness`, `io-uring`, or the server's
//! default.

#![cfg(all(unix, feature = "deflate", feature = "tls"))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::decimal_bitwise_operands,
    clippy::similar_names,
    clippy::unwrap_used,
    reason = "tests write wire formats by hand, and fail where they are wrong"
)]

#[path = "../it/certificate/mod.rs"]
mod certificate;
mod peer;
mod recorder;
mod serving;
mod wire;

mod a_broadcaster_needs_no_connection;
mod a_drain_leaves_nobody_behind;
mod a_flood_starves_nobody;
mod a_handle_knows_what_a_slow_peer_has_not_read;
mod a_handle_works_from_any_thread;
mod a_multicast_reaches_the_chosen_connections;
mod a_panic_ends_only_its_connection;
mod a_peer_that_does_not_read_is_waited_for;
mod a_peer_that_reads_loses_nothing;
mod a_request_may_be_refused_or_answered_with_more;
mod a_server_stops_on_request;
mod a_silent_peer_is_dropped;
mod a_slow_peer_has_as_long_as_it_reads;
mod a_trusted_proxy_tells_the_client;
mod an_address_has_only_so_many_connections;
mod callbacks_come_in_order;
mod every_kind_of_connection_has_an_outlet;
mod floods_take_turns;
mod garbage_disturbs_nobody_else;
mod long_messages_are_shared_fairly;
mod messages_come_back_as_they_were_sent;
mod nothing_is_sent_once_a_connection_is_over;
mod pings_and_pongs_are_seen;
mod prepared_messages_reach_every_kind_of_connection;
mod ticks_and_events_come_when_asked_for;
