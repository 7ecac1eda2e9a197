//! WebSockets over HTTP/2, with this library's client and server: one behaviour per file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod serving;

mod a_peer_that_does_not_read_is_waited_for;
mod a_proxy_may_need_a_key;
mod a_refusal_that_is_too_large_keeps_its_status;
mod a_reset_stream_is_named;
mod a_server_without_websockets_is_named;
mod a_websocket_that_is_not_read_from_ends_no_other;
mod an_announced_length_means_nothing;
mod axum_takes_both_versions;
mod closing_ends_the_stream_at_once;
mod many_share_a_connection;
mod streams_come_and_go;
mod the_answer_is_there_to_read;
mod what_was_sent_arrives_though_the_websocket_is_dropped;
