//! Integration tests of native programs, one subject per module.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_lost_connection_is_made_again;
mod a_server_of_our_own_serves;
mod a_unary_call_is_one_message_each_way;
mod calls_survive_the_loss_of_a_websocket;
mod channels_of_all_kinds;
mod one_port_serves_three_protocols;
mod relay;
mod resets_become_statuses;
mod server;
#[cfg(feature = "tls")]
mod tls_inside_the_websocket;
mod what_programs_put_around_a_channel_works;
