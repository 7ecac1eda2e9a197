//! Tests of the router over in-memory connections with real clients, one behaviour per module.

mod a_client_that_does_not_read_is_not_read;
mod a_command_is_answered_by_its_endpoint;
mod a_command_is_cancelled;
mod a_panic_is_contained;
mod any_codec_and_any_connection_serve;
mod beyond_the_bounds_the_client_waits;
mod commands_of_one_id_run_in_order;
mod connection;
mod events_go_beside_replies;
mod every_client_has_its_own_commands;
mod failures_have_codes;
mod layers_see_every_command;
mod the_codecs_serve_the_same_endpoints;
